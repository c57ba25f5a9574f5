/**
 * Convolutions with filters of 3x3 by fewer products: Winograd's F(2x2, 3x3).
 *
 * Two neighbouring results of a filter of three, from the four elements d that they meet, take six products; Winograd's
 * algorithm takes four, of sums of d with sums of the filter, and adds these up to the two results. In both directions that is
 * 16 products in place of 36 (Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.1, whose
 * names are used here: y = Aᵀ [(G g Gᵀ) ∘ (Bᵀ d B)] A).
 *
 * Over images with channels it is 16 convolutions of 1x1, each with a filter of its own, on images of half the height and
 * width. All of it stays in the blocks of channels (`convolve.ts`): the sums of d are convolutions with one small filter for all
 * channels, channel by channel, and the results are put between each other as whole blocks.
 */
import type { Shape } from "../../../tensor/HostTensor.ts"
import type { Window } from "../../graph/Operation.ts"
import { type Attributes, blockedDomain, type ModelBuilder } from "./ModelBuilder.ts"
import { interleave } from "./shapes.ts"

/** A convolution: the image, [batch, inputs, height, width], the filter's size and channels, and the window. */
export interface Convolution {
  readonly image: Shape
  readonly filter: readonly [height: number, width: number, inputs: number, outputs: number]
  readonly window: Window
}

/**
 * Whether a convolution takes less time this way, by measurement (`docs/decisions/0015-winograd-where-channels-are-many.md`).
 * It must be one of 3x3, with images of even height and width that stay as large as they are. What is saved grows with the
 * product of the channels, what the sums cost with each of them. Sums of a filter that is no constant are made anew at each step,
 * which small images do not repay.
 */
export const isFasterByWinograd = (
  { filter: [rows, columns, inputs, outputs], image, window }: Convolution
): boolean => {
  const [batch, , height, width] = image as readonly [number, number, number, number]
  const keepsSize = [...window.strides, ...window.dilations, ...window.padding].every((n) => n === 1)
  return rows === 3 && columns === 3 && keepsSize && height % 2 === 0 && width % 2 === 0 &&
    2 / (1 / inputs + 1 / outputs) >= fewestChannels && height * width >= 256 && batch * height * width >= 1024
}

/** The harmonic mean of the channels of input and output from which it pays. */
const fewestChannels = 112

/**
 * Appends the convolution of an image in blocks with 16 filters of 1x1 in blocks, the {@link filterSums} of a filter; gives the
 * name of its result, in blocks.
 *
 * @param bias what is added to each output, [outputs]
 */
export const convolveByWinograd = (
  model: ModelBuilder,
  x: string,
  filters: ReadonlyArray<string>,
  { filter: [, , inputs, outputs], image: [batch, , height, width] }: Convolution,
  bias?: string
): string => {
  const block = model.convolutionBlock!
  const pointwise = { strides: [1, 1], dilations: [1, 1], pads: [0, 0, 0, 0] }
  /** The product at a place of the 4x4, added to what is given. */
  const product = (row: number, column: number, addend?: string, bias = ""): string => {
    const sums = tileSums(model, x, inputs, [row, column])
    const operands = [sums, filters[4 * row + column]!, ...(addend === undefined ? [] : [bias, addend])]
    return model.node("Conv", operands, pointwise, blockedDomain)
  }
  const add = (a: string, b: string) => model.node("Add", [a, b])
  const subtract = (a: string, b: string) => model.node("Sub", [a, b])

  // Aᵀ = [1 1 1 0; 0 1 -1 1], where the last row of G has the sign that Aᵀ has in the paper. What is used once is added by the
  // convolution that makes it.
  const middles = [0, 1, 2, 3].map((column) => {
    const [first, second] = [product(1, column), product(2, column)]
    return [add(first, second), subtract(first, second)] as const
  })
  const results = ([[0, 0], [1, 3]] as const).map(([result, row]) => {
    const [second, third] = [product(row, 1, middles[1]![result]), product(row, 2, middles[2]![result])]
    return [
      product(row, 0, add(middles[0]![result], add(second, third)), bias),
      product(row, 3, add(middles[3]![result], subtract(second, third)), bias)
    ] as const
  })

  // A result is a block of channels, and a row all its results.
  const rows = results.map((pair) => interleave(model, pair, block))
  return model.reshape(interleave(model, rows, width! * block), [batch!, outputs, height!, width!])
}

/**
 * One of the 16 elements of Bᵀ d B, for each tile of 4x4 that lies around two rows and two columns: the sum or difference of two
 * rows, of that of two columns.
 */
const tileSums = (
  model: ModelBuilder,
  x: string,
  channels: number,
  place: readonly [row: number, column: number]
): string => {
  const [down, across] = place.map((i) => pairs[i]!) as [Pair, Pair]
  const taps = down.signs.flatMap((a) => across.signs.map((b) => a * b))
  return model.once(`${x} tile sums ${place.join()}`, () => {
    const filter = model.once(`tile sums of ${channels} channels ${taps.join()}`, () => {
      // In blocks, every element is there once for each of the channels that lie next to each other.
      const elements = Float32Array.from(
        { length: channels * 4 },
        (_, i) => taps[Math.floor(i / model.convolutionBlock!) % 4]!
      )
      return model.constant(elements, [channels, 1, 2, 2], "float32")
    })
    return model.node("Conv", [x, filter], {
      group: channels,
      strides: [2, 2],
      dilations: [down.distance, across.distance],
      pads: [down.before, across.before, down.after, across.after]
    }, blockedDomain)
  })
}

/** A row of Bᵀ: two of four neighbours. A tile begins one before the two results, so it reaches over the edges by one. */
interface Pair {
  readonly signs: readonly [number, number]
  /** From the first neighbour to the second. */
  readonly distance: number
  /** How far the first reaches over the beginning of the image, and the second over its end. */
  readonly before: number
  readonly after: number
}

/** Bᵀ = [1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1]. */
const pairs: ReadonlyArray<Pair> = [
  { signs: [1, -1], distance: 2, before: 1, after: 0 },
  { signs: [1, 1], distance: 1, before: 0, after: 0 },
  { signs: [-1, 1], distance: 1, before: 0, after: 0 },
  { signs: [1, -1], distance: 2, before: 0, after: 1 }
]

/**
 * The 16 elements of G g Gᵀ for a filter, each a filter of 1x1 in blocks; the same ones however often it convolves. With `turned`
 * they are those of the filter that is turned by 180 degrees, with inputs and outputs exchanged. Of a constant they are constants,
 * which are added up when the model is encoded.
 *
 * @param filter [3, 3, inputs, outputs]
 * @example
 * convolveByWinograd(model, x, filterSums(model, filter, [128, 256], { turned: false }), convolution)
 */
export const filterSums = (
  model: ModelBuilder,
  filter: string,
  [inputs, outputs]: readonly [inputs: number, outputs: number],
  { turned }: { readonly turned: boolean }
): ReadonlyArray<string> => {
  const matrix = turned ? sums.map((row) => row.toReversed()) : sums
  const [to, from] = turned ? [inputs, outputs] : [outputs, inputs]
  const block = model.convolutionBlock!
  const inBlocks = [9, inputs / block, block, outputs / block, block]
  const moves = turned ? [0, 2, 3, 1] : [2, 0, 1, 3]
  return model.once(`${filter} summed${turned ? " and turned" : ""}`, () => {
    const constants = model.summedConstants(filter, matrix, inBlocks, moves, [to, from, 1, 1])
    if (constants !== undefined) return constants
    const rows = model.reshape(filter, [9, inputs * outputs])
    const summed = model.node("MatMul", [model.constant(matrix.flat(), [16, 9], "float32"), rows])
    // What brings images into blocks does it for them: channels are the outputs and pixels the inputs, or these exchanged.
    const images = model.reshape(summed, turned ? [16, inputs, outputs, 1] : [16, inputs, 1, outputs])
    const attributes: Attributes = turned ? {} : { channels_last: 1 }
    return apart(model, model.node("ReorderInput", [images], attributes, blockedDomain), [to, from])
  })
}

/** 16 filters of 1x1 that lie one after the other. */
const apart = (
  model: ModelBuilder,
  filters: string,
  [outputs, inputs]: readonly [number, number]
): ReadonlyArray<string> => {
  const together = model.reshape(filters, [16 * outputs, inputs, 1, 1])
  return model.nodeMany("Split", [together, model.integers(Array.from({ length: 16 }, () => outputs))], 16, { axis: 0 })
}

/** The last row has the sign that the last column of A has in the paper. */
const g: ReadonlyArray<readonly [number, number, number]> = [[1, 0, 0], [.5, .5, .5], [.5, -.5, .5], [0, 0, -1]]

/** What each of the 16 sums takes of each of the nine elements. */
const sums = g.flatMap((down) => g.map((across) => down.flatMap((a) => across.map((b) => a * b))))
