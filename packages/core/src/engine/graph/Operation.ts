/**
 * The operations of a recorded program.
 *
 * The set is small: tfjs kernels are recorded in terms of it, passes rewrite it, and an engine lowers it. Tensors are
 * row-major in the order that the program wrote them (images NHWC, filters HWIO); where an engine keeps them otherwise
 * is its own business.
 */

/** Functions of one element. */
export type UnaryFunction =
  | "abs"
  | "acos"
  | "acosh"
  | "asin"
  | "asinh"
  | "atan"
  | "atanh"
  | "ceil"
  | "cos"
  | "cosh"
  | "erf"
  | "exp"
  | "floor"
  | "isFinite"
  | "isInf"
  | "isNaN"
  | "log"
  | "logicalNot"
  | "neg"
  | "reciprocal"
  | "relu"
  | "round"
  | "rsqrt"
  | "sigmoid"
  | "sign"
  | "silu"
  | "sin"
  | "sinh"
  | "softplus"
  | "sqrt"
  | "square"
  | "tan"
  | "tanh"

/** Functions of two elements, broadcast as NumPy does. Comparisons and logic give `bool`. */
export type BinaryFunction =
  | "add"
  | "div"
  | "equal"
  | "floorDiv"
  | "greater"
  | "greaterEqual"
  | "less"
  | "lessEqual"
  | "logicalAnd"
  | "logicalOr"
  | "logicalXor"
  | "maximum"
  | "minimum"
  | "mod"
  | "mul"
  | "notEqual"
  | "pow"
  | "sub"

/** Functions that reduce axes. */
export type ReduceFunction = "all" | "any" | "max" | "mean" | "min" | "prod" | "sum"

/** The geometry of a convolution or pooling over the two spatial axes. */
export interface Window {
  readonly strides: readonly [number, number]
  readonly dilations: readonly [number, number]
  /** Zeros before and after: top, bottom, left, right. */
  readonly padding: readonly [number, number, number, number]
}

/** An operation without its inputs and outputs. */
export type Operation =
  | { readonly kind: "constant"; readonly data: Float32Array | Int32Array | Uint8Array }
  | { readonly kind: "fill"; readonly value: number }
  | { readonly kind: "unary"; readonly function: UnaryFunction }
  | { readonly kind: "binary"; readonly function: BinaryFunction }
  /** (condition, whenTrue, whenFalse), broadcast. */
  | { readonly kind: "select" }
  | { readonly kind: "cast" }
  | {
    readonly kind: "reduce"
    readonly function: ReduceFunction
    readonly axes: ReadonlyArray<number>
    readonly keepDims: boolean
  }
  | { readonly kind: "argMax" | "argMin"; readonly axis: number }
  /** The largest along the last axis, falling, and their places. */
  | { readonly kind: "largest"; readonly count: number }
  | { readonly kind: "reshape" }
  /** Axis i of the output is axis permutation[i] of the input. */
  | { readonly kind: "transpose"; readonly permutation: ReadonlyArray<number> }
  /** (x, event): x, but not before the event is computed. */
  | { readonly kind: "after" }
  /** Repeats axes of size 1, and adds leading axes, up to the output's shape. */
  | { readonly kind: "broadcast" }
  | { readonly kind: "tile"; readonly repetitions: ReadonlyArray<number> }
  | { readonly kind: "concat"; readonly axis: number }
  /** One output for each size. */
  | { readonly kind: "split"; readonly axis: number; readonly sizes: ReadonlyArray<number> }
  | {
    readonly kind: "slice"
    readonly begin: ReadonlyArray<number>
    readonly end: ReadonlyArray<number>
    readonly strides: ReadonlyArray<number>
  }
  | {
    readonly kind: "pad"
    readonly before: ReadonlyArray<number>
    readonly after: ReadonlyArray<number>
    readonly value: number
  }
  | { readonly kind: "reverse"; readonly axes: ReadonlyArray<number> }
  /** (table, indices): rows of the table along an axis. */
  | { readonly kind: "gather"; readonly axis: number }
  /** (rows, segment of each row): the sum of the rows of each segment, along the first axis. */
  | { readonly kind: "segmentSum"; readonly segments: number }
  | { readonly kind: "oneHot"; readonly depth: number; readonly on: number; readonly off: number }
  | { readonly kind: "cumulativeSum"; readonly axis: number; readonly exclusive: boolean; readonly reverse: boolean }
  /** (a, b) over the last two axes, the others broadcast. */
  | { readonly kind: "matMul"; readonly transposeA: boolean; readonly transposeB: boolean }
  | { readonly kind: "softmax" | "logSoftmax" }
  /** (x NHWC, filter HWIO); after the pass `biases` some have a third input, what is added to each output of the filter. */
  | { readonly kind: "convolution"; readonly window: Window }
  /** (gradient of the output NHWC, filter HWIO): the gradient of x. */
  | { readonly kind: "convolutionInputGradient"; readonly window: Window }
  /** (x NHWC, gradient of the output NHWC): the gradient of the filter. */
  | { readonly kind: "convolutionFilterGradient"; readonly window: Window }
  /** (x NHWC, filter HWIM): channel i gives results i M to i M + M - 1, each by a filter of its own. */
  | { readonly kind: "depthwiseConvolution"; readonly window: Window }
  /** (x NHWC, gradient of the output NHWC): the gradient of the filter that is each example's, [batch, ...HWIM]. */
  | { readonly kind: "depthwiseFilterGradient"; readonly window: Window }
  /** The largest in each window; padding does not count. */
  | { readonly kind: "maxPool"; readonly window: Window; readonly size: readonly [number, number] }
  /**
   * (x, output, gradient of the output): the gradient of x. It goes to the largest element of each window, and to the first of
   * these where there are several.
   */
  | { readonly kind: "maxPoolGradient"; readonly window: Window; readonly size: readonly [number, number] }
  /** The mean over windows; padding does not count. */
  | { readonly kind: "averagePool"; readonly window: Window; readonly size: readonly [number, number] }
  /** (gradient of the output): the gradient of the input. */
  | { readonly kind: "averagePoolGradient"; readonly window: Window; readonly size: readonly [number, number] }
  /**
   * (x, scale, offset) -> (result; the same before the activation; x without the mean of its group; and the reciprocal
   * standard deviation of each group, [batch, groups]).
   */
  | {
    readonly kind: "groupNorm"
    readonly groups: number
    readonly epsilon: number
    readonly activation: "none" | "silu"
  }
  /** (gradient of the result, scale, the four outputs of the forward operation) -> gradients of (x, scale, offset). */
  | {
    readonly kind: "groupNormGradient"
    readonly groups: number
    readonly epsilon: number
    readonly activation: "none" | "silu"
  }
  /** (queries, keys, values), each [batch, heads, length, depth] -> (result, probabilities). */
  | { readonly kind: "attention"; readonly scale: number }
  /** (gradient of the result, queries, keys, values, probabilities) -> gradients of (queries, keys, values). */
  | { readonly kind: "attentionGradient"; readonly scale: number }
  | { readonly kind: "upsampleNearest"; readonly factor: number }
  | { readonly kind: "upsampleNearestGradient"; readonly factor: number }
