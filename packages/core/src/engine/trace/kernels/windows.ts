/**
 * Windows that move over images: where they lie, and what they see.
 */
import * as tf from "@tensorflow/tfjs"
import type { Value } from "../../graph/Graph.ts"
import type { Window } from "../../graph/Operation.ts"
import { type Recorder, UnknownKernel } from "../Tracer.ts"
import type { Attributes } from "./kernel.ts"

export type Shape4 = [number, number, number, number]

export const poolGeometry = (attributes: Attributes, x: ReadonlyArray<number>) => {
  const info = tf.backend_util.computePool2DInfo(
    x as Shape4,
    attributes["filterSize"] as [number, number] | number,
    attributes["strides"] as [number, number] | number,
    1,
    attributes["pad"] as "valid" | "same" | number,
    attributes["dimRoundingMode"] as "floor" | undefined
  )
  return { info, window: windowOf(info), size: [info.filterHeight, info.filterWidth] as const }
}

export const convolutionGeometry = (
  attributes: Attributes,
  x: ReadonlyArray<number>,
  filter: ReadonlyArray<number>,
  depthwise = false
) => {
  const format = (attributes["dataFormat"] ?? "NHWC") as string
  if (format !== "NHWC") {
    throw new UnknownKernel(
      `convolution with dataFormat "${format}"`,
      "transpose its images to [batch, height, width, channels]"
    )
  }
  const info = tf.backend_util.computeConv2DInfo(
    x as Shape4,
    filter as Shape4,
    attributes["strides"] as [number, number],
    (attributes["dilations"] ?? 1) as [number, number] | number,
    attributes["pad"] as "valid" | "same" | number,
    attributes["dimRoundingMode"] as "floor" | undefined,
    depthwise
  )
  return { info, window: windowOf(info) }
}

const windowOf = (info: tf.backend_util.Conv2DInfo): Window => ({
  strides: [info.strideHeight, info.strideWidth],
  dilations: [info.dilationHeight, info.dilationWidth],
  padding: [info.padInfo.top, info.padInfo.bottom, info.padInfo.left, info.padInfo.right]
})

/** The windows of an image [batch, height, width, channels]. */
export interface Windows {
  readonly window: Window
  /** Rows and columns of a window. */
  readonly size: readonly [number, number]
  /** The shape of the image. */
  readonly image: ReadonlyArray<number>
  /** How many windows there are, down and across. */
  readonly count: readonly [number, number]
}

/**
 * What all windows see at each of their places, row by row: images of as many pixels as there are windows.
 *
 * @param outside what windows see outside of the image
 */
export const seen = (recorder: Recorder, x: Value, windows: Windows, outside: number): ReadonlyArray<Value> => {
  const { image: [batch, , , channels], count: [rows, columns], window: { strides } } = windows
  const padded = recorder.append(
    { kind: "pad", ...paddingOf(windows), value: outside },
    [x],
    paddedShape(windows),
    x.dtype
  )
  return placesOf(windows).map(([top, left]) =>
    recorder.append(
      {
        kind: "slice",
        begin: [0, top, left, 0],
        end: [batch!, top + (rows - 1) * strides[0] + 1, left + (columns - 1) * strides[1] + 1, channels!],
        strides: [1, ...strides, 1]
      },
      [padded],
      [batch!, rows, columns, channels!],
      x.dtype
    )
  )
}

/** The transpose of {@link seen}: each element is added to the pixel that it was seen at. */
export const givenBack = (recorder: Recorder, parts: ReadonlyArray<Value>, windows: Windows): Value => {
  const [, height, width] = paddedShape(windows) as Shape4
  const placed = placesOf(windows).map(([top, left], i) => {
    const part = apart(recorder, parts[i]!, windows.window.strides)
    return pad(recorder, part, [0, top, left, 0], [0, height - top - part.shape[1]!, width - left - part.shape[2]!, 0])
  })
  return withoutPadding(recorder, placed.reduce((sum, part) => recorder.binary("add", sum, part)), windows)
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

/** Top and left of each place of the first window, in the padded image. */
const placesOf = ({ size, window: { dilations } }: Windows): ReadonlyArray<readonly [number, number]> =>
  Array.from({ length: size[0] * size[1] }, (_, i) => [
    Math.floor(i / size[1]) * dilations[0],
    (i % size[1]) * dilations[1]
  ])

const paddingOf = ({ window: { padding: [top, bottom, left, right] } }: Windows) => ({
  before: [0, top, left, 0],
  after: [0, bottom, right, 0]
})

export const paddedShape = (windows: Windows): ReadonlyArray<number> => {
  const { after, before } = paddingOf(windows)
  return windows.image.map((size, axis) => before[axis]! + size + after[axis]!)
}
