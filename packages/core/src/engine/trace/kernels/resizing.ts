/**
 * tfjs kernels that resize and turn images [batch, height, width, channels].
 *
 * A resized row is a mixture of rows, and a resized column of columns: the gradient is a product with the matrix of the
 * mixture, which does not depend on the image.
 */
import type { Value } from "../../graph/Graph.ts"
import type { Recorder } from "../Tracer.ts"
import type { Attributes, Kernels } from "./kernel.ts"
import { flagOf, numbersOf } from "./kernel.ts"

export const resizing: Kernels = {
  ResizeNearestNeighbor: ({ attributes, input, recorder }) => {
    const x = input("images")
    const [height, width] = numbersOf(attributes, "size") as [number, number]
    const factor = wholeFactor(attributes, x.shape, [height, width])
    if (factor !== undefined) {
      const shape = [x.shape[0]!, height, width, x.shape[3]!]
      return recorder.append({ kind: "upsampleNearest", factor }, [x], shape, x.dtype)
    }
    const rows = gather(recorder, x, 1, nearest(attributes, x.shape[1]!, height).map(([place]) => place.from))
    return gather(recorder, rows, 2, nearest(attributes, x.shape[2]!, width).map(([place]) => place.from))
  },

  ResizeNearestNeighborGrad: ({ attributes, input, recorder }) => {
    const gradient = input("dy")
    const { shape } = input("images")
    const factor = wholeFactor(attributes, shape, gradient.shape.slice(1, 3))
    return factor === undefined
      ? unmix(recorder, gradient, shape, (from, to) => nearest(attributes, from, to))
      : recorder.append({ kind: "upsampleNearestGradient", factor }, [gradient], shape, "float32")
  },

  ResizeBilinear: ({ attributes, input, recorder }) => {
    const x = recorder.cast(input("images"), "float32")
    const [height, width] = numbersOf(attributes, "size") as [number, number]
    const rows = mix(recorder, x, 1, bilinear(attributes, x.shape[1]!, height))
    return mix(recorder, rows, 2, bilinear(attributes, x.shape[2]!, width))
  },

  ResizeBilinearGrad: ({ attributes, input, recorder }) =>
    unmix(recorder, input("dy"), input("images").shape, (from, to) => bilinear(attributes, from, to)),

  FlipLeftRight: ({ input, recorder }) => {
    const x = input("image")
    return recorder.append({ kind: "reverse", axes: [2] }, [x], x.shape, x.dtype)
  }
}

/** How many times larger an image gets, both ways, where that is a whole number and its pixels become blocks. */
const wholeFactor = (
  attributes: Attributes,
  [, height, width]: ReadonlyArray<number>,
  to: ReadonlyArray<number>
): number | undefined => {
  const factor = to[0]! / height!
  return Number.isInteger(factor) && to[1] === width! * factor && !flagOf(attributes, "alignCorners")
    ? factor
    : undefined
}

/** What a resized row is made of: rows, and their shares. */
type Mixture = ReadonlyArray<{ readonly from: number; readonly share: number }>

/** TensorFlow: tensorflow/core/kernels/image/resize_nearest_neighbor_op.cc, and image_resizer_state.h for the scale. */
const nearest = (
  attributes: Attributes,
  from: number,
  to: number
): ReadonlyArray<Mixture & { readonly 0: Mixture[0] }> => {
  const { alignCorners, halfPixelCenters, scale } = scaleOf(attributes, from, to)
  return Array.from({ length: to }, (_, i) => {
    const place = (halfPixelCenters ? i + 0.5 : i) * scale
    const whole = alignCorners ? Math.round(place) : Math.floor(place)
    return [{ from: Math.min(from - 1, Math.max(0, whole)), share: 1 }]
  })
}

/** TensorFlow: tensorflow/core/kernels/image/resize_bilinear_op.cc. */
const bilinear = (attributes: Attributes, from: number, to: number): ReadonlyArray<Mixture> => {
  const { halfPixelCenters, scale } = scaleOf(attributes, from, to)
  return Array.from({ length: to }, (_, i) => {
    const place = halfPixelCenters ? (i + 0.5) * scale - 0.5 : i * scale
    const [below, above] = [Math.max(0, Math.floor(place)), Math.min(from - 1, Math.ceil(place))]
    // Before the first row there is nothing to mix with.
    const share = place < 0 ? 0 : place - below
    return [{ from: below, share: 1 - share }, { from: Math.max(below, above), share }]
  })
}

const scaleOf = (attributes: Attributes, from: number, to: number) => {
  const alignCorners = flagOf(attributes, "alignCorners")
  const halfPixelCenters = flagOf(attributes, "halfPixelCenters")
  const scale = alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to
  return { alignCorners, halfPixelCenters, scale }
}

const gather = (recorder: Recorder, x: Value, axis: number, places: ReadonlyArray<number>): Value => {
  const indices = recorder.constant(Int32Array.from(places), [places.length], "int32")
  return recorder.append({ kind: "gather", axis }, [x, indices], x.shape.with(axis, places.length), x.dtype)
}

/** Mixtures of two along an axis. */
const mix = (recorder: Recorder, x: Value, axis: number, mixtures: ReadonlyArray<Mixture>): Value => {
  const shape = x.shape.map((_, i) => i === axis ? mixtures.length : 1)
  const parts = [0, 1].map((part) => {
    const shares = recorder.constant(Float32Array.from(mixtures, (mixture) => mixture[part]!.share), shape, "float32")
    const gathered = gather(recorder, x, axis, mixtures.map((mixture) => mixture[part]!.from))
    return recorder.binary("mul", gathered, shares)
  })
  return recorder.binary("add", parts[0]!, parts[1]!)
}

/** The gradient of mixing rows and columns of an image of some shape. */
const unmix = (
  recorder: Recorder,
  gradient: Value,
  [batch, height, width, channels]: ReadonlyArray<number>,
  mixturesOf: (from: number, to: number) => ReadonlyArray<Mixture>
): Value => {
  const [, rows, columns] = gradient.shape as [number, number, number, number]
  const product = (mixtures: ReadonlyArray<Mixture>, from: number, x: Value): Value => {
    const elements = new Float32Array(from * mixtures.length)
    mixtures.forEach((mixture, to) => {
      for (const { from: row, share } of mixture) elements[row * mixtures.length + to]! += share
    })
    const matrix = recorder.constant(elements, [from, mixtures.length], "float32")
    const operation = { kind: "matMul", transposeA: false, transposeB: false } as const
    return recorder.append(operation, [matrix, x], x.shape.with(1, from), "float32")
  }
  const down = product(
    mixturesOf(height!, rows),
    height!,
    recorder.reshape(gradient, [batch!, rows, columns * channels!])
  )
  const across = product(
    mixturesOf(width!, columns),
    width!,
    recorder.reshape(down, [batch! * height!, columns, channels!])
  )
  return recorder.reshape(across, [batch!, height!, width!, channels!])
}
