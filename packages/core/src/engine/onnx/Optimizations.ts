/**
 * What the engine does to make programs fast and small, by name. Each can be switched off by itself; without all of them
 * a program is lowered operation by operation, to the plain operators of ONNX, and computes the same numbers.
 *
 * Rounding may differ, where an optimization adds in another order; what keeps every bit says so.
 *
 * What has no switch: sums in float64 (`graph/sums.ts`) are there for their precision; scales and
 * transposes of a matrix product are attributes of one operator; the threads and allocations of a session
 * (`internal/session.ts`) are settings of the runtime, and change no program.
 */

/** Which optimizations are on. */
export interface Optimizations {
  // How a program is recorded.
  /** Group normalization, with the activation after it, and its gradient are lowered as one (`lowering/groupNorm.ts`). */
  readonly groupNormAsOne: boolean
  /** Attention and its gradient are lowered as one (`lowering/attention.ts`). */
  readonly attentionAsOne: boolean
  /** x * sigmoid(x) is one kernel of the runtime. */
  readonly siluAsOne: boolean
  /** Images are enlarged, and their gradients gathered, by one kernel of the runtime. */
  readonly upsamplingAsOne: boolean

  // Passes over the graph (`graph/passes/`). They keep every bit, but for the sign of a zero, where axes then lie in the
  // same order: sums depend on it.
  /** What no result depends on is not computed, neither of the program nor of what it is lowered to. Keeps every bit. */
  readonly deadCode: boolean
  /** What is one number throughout is kept as that number, and reckoned with ahead. */
  readonly uniformValues: boolean
  /** Operations that do nothing are dropped: x + 0, x * 1, a cast to the same type. */
  readonly algebra: boolean
  /** A transpose and the one before it are one. */
  readonly transposes: boolean
  /** What would be computed, or moved to another order of axes, twice is computed once. Keeps every bit. */
  readonly commonSubexpressions: boolean
  /**
   * Long state vectors are kept in blocks (`graph/passes/blocks.ts`). Elements keep every bit; sums over all of them are
   * sums of the blocks' sums.
   */
  readonly stateBlocks: boolean

  // Lowerings (`lowering/`).
  /** Tensors stay in the order of axes in which an operation made them, until another is needed (`lowering/order.ts`). */
  readonly axisOrders: boolean
  /** Axes that stay together move as one, and a reversal of three in two moves. Keeps every bit. */
  readonly groupedTransposes: boolean
  /** A view of a view is a view of what the first one shows. Keeps every bit. */
  readonly viewsFromOrigin: boolean
  /**
   * Constants are written in the order in which they are used, and filters as the sums that Winograd's algorithm takes
   * (`Reading.ts`): the runtime has nothing to move or to add, of which it would hold copies. Keeps every bit.
   */
  readonly constantMoves: boolean
  /**
   * Shapes are hidden from the runtime until it runs, so that it plans no room ahead (`lowering/hiddenShapes.ts`). Keeps every
   * bit.
   */
  readonly hiddenShapes: boolean
  /** Convolutions, and averages over windows, with channels in blocks, where the processor has them (`lowering/convolve.ts`). */
  readonly blockedConvolutions: boolean
  /**
   * Of these, those with filters of 3x3 and many channels by Winograd's algorithm (`lowering/winograd.ts`), which takes less
   * than half of the products.
   */
  readonly winogradConvolutions: boolean
  /** A convolution adds its bias itself (`graph/passes/biases.ts`). */
  readonly biasesByConvolution: boolean
  /**
   * The gradient of a convolution's input is a convolution with the filter turned by 180 degrees, where there is one, or with
   * strides several whose results are interleaved (`lowering/stridedInputGradient.ts`); else it is a transposed convolution.
   */
  readonly inputGradientsByConvolution: boolean
  /**
   * The gradient of a filter is one convolution with channels side by side (`lowering/filterGradient.ts`); else it is a
   * matrix product for each element of the filter.
   */
  readonly filterGradientsByConvolution: boolean

  // How a program is run.
  /** A state is written over by the next where nothing reads it any more (`lowering/overwritable.ts`). Keeps every bit. */
  readonly overwrittenStates: boolean
  /**
   * The runtime writes the next state where it will be kept, into arrays of the state before last
   * (`internal/session.ts`); else into new ones, which are copied. Keeps every bit.
   */
  readonly statesInPlace: boolean
}

/** The names of all optimizations. */
export const names = [
  "groupNormAsOne",
  "attentionAsOne",
  "siluAsOne",
  "upsamplingAsOne",
  "deadCode",
  "uniformValues",
  "algebra",
  "transposes",
  "commonSubexpressions",
  "stateBlocks",
  "axisOrders",
  "groupedTransposes",
  "viewsFromOrigin",
  "constantMoves",
  "hiddenShapes",
  "blockedConvolutions",
  "winogradConvolutions",
  "biasesByConvolution",
  "inputGradientsByConvolution",
  "filterGradientsByConvolution",
  "overwrittenStates",
  "statesInPlace"
] as const satisfies ReadonlyArray<keyof Optimizations>

/** The name of an optimization. */
export type Name = typeof names[number]

/** Some of them said, the others on. */
export type Choice = { readonly [N in Name]?: boolean | undefined }

const every = (on: boolean) => Object.fromEntries(names.map((name) => [name, on])) as { readonly [N in Name]: boolean }

/** All optimizations: what an engine does unless it is told otherwise. */
export const all: Optimizations = every(true)

/** No optimization: programs are lowered operation by operation. */
export const none: Optimizations = every(false)

/**
 * All but some.
 *
 * @example
 * OnnxEngine.layer({ optimizations: Optimizations.without(["blockedConvolutions", "stateBlocks"]) })
 */
export const without = (some: ReadonlyArray<Name>): Optimizations => ({
  ...all,
  ...Object.fromEntries(some.map((name) => [name, false]))
})
