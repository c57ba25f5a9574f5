/**
 * Where the windows of convolutions and pooling lie over images, by the arguments that tfjs takes.
 *
 * tfjs's own `computeConv2DInfo` (4.22) counts windows across with the filter's height and the stride down where the padding is
 * a number, and says nothing where no window fits.
 */
import type { Window } from "../graph/Operation.ts"
import type { Attributes } from "./kernels/kernel.ts"

type Pair = readonly [number, number]

/** Windows of one size over images of one size. */
export interface Geometry {
  readonly window: Window
  /** Rows and columns of a window. */
  readonly size: Pair
  /** How many windows there are, down and across. */
  readonly count: Pair
}

/** What is known of windows. */
export interface WindowArguments {
  /** What is said of them, for messages: "a convolution", "pooling". */
  readonly of: string
  /** [batch, height, width, channels]. */
  readonly image: ReadonlyArray<number>
  readonly size: Pair
  /** tfjs's: `strides`, `dilations`, `pad`, `dimRoundingMode`. */
  readonly attributes: Attributes
  /** The shape of what there is one pixel a window of, where it is given: the gradient of what comes of the windows. */
  readonly result?: ReadonlyArray<number> | undefined
}

/**
 * The windows that tfjs's arguments stand for. The padding after the image is what the last window sees of it: more where the number
 * of windows is rounded up, less where there is too little for one more.
 *
 * @throws RangeError for arguments that are none, and where there is no window
 * @example
 * geometryOf({ of: "a convolution", image: [1, 5, 5, 3], size: [3, 1], attributes: { strides: 2, pad: 1 } }).count // => [3, 4]
 */
export const geometryOf = ({ attributes, image: [, height, width], of, result, size }: WindowArguments): Geometry => {
  const strides = pairOf(of, "strides", attributes["strides"])
  const dilations = pairOf(of, "dilations", attributes["dilations"] ?? 1)
  const paddings = paddingsOf(of, attributes["pad"])
  const lengths = [height!, width!] as const
  const [down, across] = ([0, 1] as const).map((axis) =>
    windowsAlong({
      of,
      length: lengths[axis],
      reach: dilations[axis] * (size[axis] - 1) + 1,
      stride: strides[axis],
      padding: typeof paddings === "string" ? paddings : paddings[axis],
      rounding: (attributes["dimRoundingMode"] ?? "floor") as string,
      given: result?.[axis + 1]
    })
  ) as [Windows, Windows]
  return {
    window: { strides, dilations, padding: [down.before, down.after, across.before, across.after] },
    size,
    count: [down.count, across.count]
  }
}

/**
 * The windows of pooling, each of which has to see something of the image.
 *
 * @throws RangeError as {@link geometryOf}, and where a window sees nothing but padding
 */
export const poolGeometryOf = (
  image: ReadonlyArray<number>,
  attributes: Attributes,
  result?: ReadonlyArray<number>
) => {
  const of = "pooling"
  const size = pairOf(of, "filterSize", attributes["filterSize"])
  const geometry = geometryOf({ of, image, size, attributes: { ...attributes, dilations: 1 }, result })
  const { count, window: { padding: [top, , left], strides } } = geometry
  const isSeen = ([0, 1] as const).every((axis) => {
    const before = [top, left][axis]!
    return before < size[axis] && (count[axis] - 1) * strides[axis] - before < image[axis + 1]!
  })
  if (!isSeen) {
    throw new RangeError(
      `pooling over windows of ${size.join("x")} of an image of ${image[1]}x${image[2]} with padding ` +
        `${JSON.stringify(attributes["pad"])}: some windows see nothing but padding; pad by less than a window is large`
    )
  }
  return geometry
}

interface Windows {
  readonly count: number
  /** Elements of padding before and after. */
  readonly before: number
  readonly after: number
}

interface Along {
  readonly of: string
  readonly length: number
  /** How many elements a window spans, with its gaps. */
  readonly reach: number
  readonly stride: number
  readonly padding: "same" | "valid" | Pair
  readonly rounding: string
  /** How many windows there are, where something says so. */
  readonly given: number | undefined
}

const windowsAlong = ({ given, length, of, padding, reach, rounding, stride }: Along): Windows => {
  const named = typeof padding === "string"
  const [before, after] = padding === "same"
    ? samePadding(length, reach, stride)
    : padding === "valid"
    ? [0, 0]
    : padding
  const exact = (length + before + after - reach) / stride + 1
  // tfjs's gradients do not say how windows were counted: either way of rounding is one.
  const counts = named ? [Math.floor(exact)] : [Math.floor(exact), Math.ceil(exact)]
  if (given !== undefined && !counts.includes(given)) {
    throw new RangeError(
      `the transpose, or the gradient, of ${of}: along an axis of ${length} elements there are ` +
        `${[...new Set(counts)].join(" or ")} windows, and the gradient has ${given}`
    )
  }
  const count = given ?? (named ? Math.floor(exact) : rounded(exact, rounding))
  if (count < 1) {
    throw new RangeError(
      `${of} whose windows reach over ${reach} elements, along an axis that has ${length + before + after} with its ` +
        `padding: pad more, or take smaller windows`
    )
  }
  return { count, before, after: Math.max(0, (count - 1) * stride + reach - length - before) }
}

/** As many windows as the length divided by the stride, rounded up (TensorFlow's documentation of `tf.nn`, "Padding"). */
const samePadding = (length: number, reach: number, stride: number): Pair => {
  const total = Math.max(0, (Math.ceil(length / stride) - 1) * stride + reach - length)
  return [Math.floor(total / 2), Math.ceil(total / 2)]
}

const rounded = (count: number, rounding: string): number => {
  switch (rounding) {
    case "floor":
      return Math.floor(count)
    case "round":
      return Math.round(count)
    case "ceil":
      return Math.ceil(count)
    default:
      throw new RangeError(`dimRoundingMode "${rounding}" is none of "floor", "round" and "ceil"`)
  }
}

const pairOf = (of: string, name: string, value: unknown): Pair => {
  const [down, across] = typeof value === "number" ? [value, value] : value as ReadonlyArray<number>
  if ([down, across].every((number) => Number.isInteger(number) && number! > 0)) return [down!, across!]
  throw new RangeError(`${of} with ${name} ${JSON.stringify(value)}: they are one whole number above 0, or two`)
}

/** Elements before and after, down and across, or a name for them. */
const paddingsOf = (of: string, pad: unknown): "same" | "valid" | readonly [Pair, Pair] => {
  if (pad === "same" || pad === "valid") return pad
  const pairs = typeof pad === "number" ? [[0, 0], [pad, pad], [pad, pad], [0, 0]] : pad
  if (isPaddings(pairs)) return [pairs[1]!, pairs[2]!]
  throw new RangeError(
    `${of} with padding ${JSON.stringify(pad)}: it is "same", "valid", a whole number that is not negative, or ` +
      `[[0, 0], [top, bottom], [left, right], [0, 0]] of such numbers`
  )
}

const isPaddings = (pairs: unknown): pairs is ReadonlyArray<Pair> =>
  Array.isArray(pairs) && pairs.length === 4 &&
  pairs.every((pair, axis) =>
    Array.isArray(pair) && pair.length === 2 &&
    pair.every((number) => Number.isInteger(number) && number >= 0 && (axis === 1 || axis === 2 || number === 0))
  )
