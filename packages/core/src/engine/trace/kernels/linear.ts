/**
 * tfjs kernels of linear algebra and neural networks.
 */
import * as tf from "@tensorflow/tfjs"
import type { Value } from "../../graph/Graph.ts"
import type { Window } from "../../graph/Operation.ts"
import type { Attributes, Kernels } from "./kernel.ts"
import { flagOf, numberOf, numbersOf } from "./kernel.ts"

export const linear: Kernels = {
  BatchMatMul: ({ attributes, input, recorder }) => {
    const a = input("a")
    const b = input("b")
    const transposeA = flagOf(attributes, "transposeA")
    const transposeB = flagOf(attributes, "transposeB")
    const batch = tf.backend_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2))
    const rows = a.shape.at(transposeA ? -1 : -2)!
    const columns = b.shape.at(transposeB ? -2 : -1)!
    return recorder.append({ kind: "matMul", transposeA, transposeB }, [a, b], [...batch, rows, columns], "float32")
  },

  Softmax: ({ attributes, input, recorder }) => {
    const x = input("logits")
    requireLastAxis("tf.softmax", attributes, "dim", x)
    return recorder.append({ kind: "softmax" }, [x], x.shape, x.dtype)
  },

  LogSoftmax: ({ attributes, input, recorder }) => {
    const x = input("logits")
    requireLastAxis("tf.logSoftmax", attributes, "axis", x)
    return recorder.append({ kind: "logSoftmax" }, [x], x.shape, x.dtype)
  },

  Conv2D: ({ attributes, input, recorder }) => {
    const x = input("x")
    const filter = input("filter")
    const { info, window } = geometry(attributes, x.shape, filter.shape)
    return recorder.append({ kind: "convolution", window }, [x, filter], info.outShape, "float32")
  },

  Conv2DBackpropInput: ({ attributes, input, recorder }) => {
    const gradient = input("dy")
    const filter = input("filter")
    const shape = numbersOf(attributes, "inputShape")
    const { window } = geometry(attributes, shape, filter.shape)
    return recorder.append({ kind: "convolutionInputGradient", window }, [gradient, filter], shape, "float32")
  },

  Conv2DBackpropFilter: ({ attributes, input, recorder }) => {
    const x = input("x")
    const gradient = input("dy")
    const shape = numbersOf(attributes, "filterShape")
    const { window } = geometry(attributes, x.shape, shape)
    return recorder.append({ kind: "convolutionFilterGradient", window }, [x, gradient], shape, "float32")
  },

  AvgPool: ({ attributes, input, recorder }) => {
    const x = input("x")
    const { info, size, window } = poolGeometry(attributes, x.shape)
    return recorder.append({ kind: "averagePool", window, size }, [x], info.outShape, "float32")
  },

  AvgPoolGrad: ({ attributes, input, recorder }) => {
    const x = input("input")
    const { size, window } = poolGeometry(attributes, x.shape)
    return recorder.append({ kind: "averagePoolGradient", window, size }, [input("dy")], x.shape, "float32")
  },

  ResizeNearestNeighbor: ({ attributes, input, recorder }) => {
    const x = input("images")
    const [batch, height, width, channels] = x.shape as Shape4
    const [newHeight, newWidth] = numbersOf(attributes, "size") as [number, number]
    const factor = wholeFactor(attributes, [height, width], [newHeight, newWidth])
    return recorder.append({ kind: "upsampleNearest", factor }, [x], [batch, newHeight, newWidth, channels], "float32")
  },

  ResizeNearestNeighborGrad: ({ attributes, input, recorder }) => {
    const gradient = input("dy")
    const x = input("images")
    const factor = wholeFactor(attributes, x.shape.slice(1, 3), gradient.shape.slice(1, 3))
    return recorder.append({ kind: "upsampleNearestGradient", factor }, [gradient], x.shape, "float32")
  }
}

const requireLastAxis = (name: string, attributes: Attributes, attribute: string, x: Value): void => {
  const axis = numberOf(attributes, attribute)
  if (axis !== -1 && axis !== x.shape.length - 1) throw new RangeError(`${name} is supported along the last axis only`)
}

/** How many times larger an image gets, both ways; the one kind of resizing that is recorded. */
const wholeFactor = (attributes: Attributes, from: ReadonlyArray<number>, to: ReadonlyArray<number>): number => {
  const factor = to[0]! / from[0]!
  if (!Number.isInteger(factor) || to[1] !== from[1]! * factor || flagOf(attributes, "alignCorners")) {
    throw new RangeError(
      `tf.image.resizeNearestNeighbor is supported for one whole factor without alignCorners, not from ` +
        `${from.join("x")} to ${to.join("x")}`
    )
  }
  return factor
}

type Shape4 = [number, number, number, number]

const poolGeometry = (attributes: Attributes, x: ReadonlyArray<number>) => {
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

const geometry = (attributes: Attributes, x: ReadonlyArray<number>, filter: ReadonlyArray<number>) => {
  const format = (attributes["dataFormat"] ?? "NHWC") as string
  if (format !== "NHWC") throw new RangeError(`tf.conv2d is supported for dataFormat "NHWC" only, not "${format}"`)
  const info = tf.backend_util.computeConv2DInfo(
    x as Shape4,
    filter as Shape4,
    attributes["strides"] as [number, number],
    (attributes["dilations"] ?? 1) as [number, number] | number,
    attributes["pad"] as "valid" | "same" | number,
    attributes["dimRoundingMode"] as "floor" | undefined
  )
  if (info.inChannels !== filter[2]) throw new RangeError("grouped convolutions are not supported")
  return { info, window: windowOf(info) }
}

const windowOf = (info: tf.backend_util.Conv2DInfo): Window => ({
  strides: [info.strideHeight, info.strideWidth],
  dilations: [info.dilationHeight, info.dilationWidth],
  padding: [info.padInfo.top, info.padInfo.bottom, info.padInfo.left, info.padInfo.right]
})
