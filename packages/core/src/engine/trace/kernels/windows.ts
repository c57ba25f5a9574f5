/**
 * Windows of convolutions, and images around them.
 */
import type { Value } from "../../graph/Graph.ts"
import { type Geometry, geometryOf } from "../geometry.ts"
import { type Recorder, UnknownKernel } from "../Tracer.ts"
import type { Attributes } from "./kernel.ts"

export type Shape4 = [number, number, number, number]

/**
 * The windows of a convolution.
 *
 * @param result the shape of the gradient of what the convolution gives, where it is the gradient that is recorded
 */
export const convolutionGeometry = (
  attributes: Attributes,
  image: ReadonlyArray<number>,
  [height, width]: ReadonlyArray<number>,
  result?: ReadonlyArray<number>
): Geometry => {
  const format = (attributes["dataFormat"] ?? "NHWC") as string
  if (format !== "NHWC") {
    throw new UnknownKernel(
      `convolution with dataFormat "${format}"`,
      "transpose its images to [batch, height, width, channels]"
    )
  }
  return geometryOf({ of: "a convolution", image, size: [height!, width!], attributes, result })
}

/** The windows of an image [batch, height, width, channels]. */
export interface Windows extends Geometry {
  /** The shape of the image. */
  readonly image: ReadonlyArray<number>
}

/** An image with as many zeros between pixels as strides leave out. */
export const apart = (recorder: Recorder, x: Value, [down, across]: readonly [number, number]): Value => {
  if (down === 1 && across === 1) return x
  const [batch, rows, columns, channels] = x.shape as Shape4
  const spread = pad(
    recorder,
    recorder.reshape(x, [batch, rows, 1, columns, 1, channels]),
    [0, 0, 0, 0, 0, 0],
    [0, 0, down - 1, 0, across - 1, 0]
  )
  const whole = recorder.reshape(spread, [batch, rows * down, columns * across, channels])
  return slice(recorder, whole, [0, 0, 0, 0], [batch, (rows - 1) * down + 1, (columns - 1) * across + 1, channels])
}

/** The image of an image with its padding. */
export const withoutPadding = (recorder: Recorder, padded: Value, windows: Windows): Value =>
  windows.window.padding.every((zeros) => zeros === 0)
    ? padded
    : slice(recorder, padded, paddingOf(windows).before, windows.image)

const pad = (recorder: Recorder, x: Value, before: ReadonlyArray<number>, after: ReadonlyArray<number>): Value => {
  const shape = x.shape.map((size, axis) => before[axis]! + size + after[axis]!)
  return recorder.append({ kind: "pad", before, after, value: 0 }, [x], shape, x.dtype)
}

const slice = (recorder: Recorder, x: Value, begin: ReadonlyArray<number>, size: ReadonlyArray<number>): Value => {
  const end = begin.map((start, axis) => start + size[axis]!)
  return recorder.append({ kind: "slice", begin, end, strides: begin.map(() => 1) }, [x], size, x.dtype)
}

const paddingOf = ({ window: { padding: [top, bottom, left, right] } }: Windows) => ({
  before: [0, top, left, 0],
  after: [0, bottom, right, 0]
})

export const paddedShape = (windows: Windows): ReadonlyArray<number> => {
  const { after, before } = paddingOf(windows)
  return windows.image.map((size, axis) => before[axis]! + size + after[axis]!)
}
