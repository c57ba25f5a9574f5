/**
 * tfjs kernels of matrix products, softmax and convolutions.
 */
import * as tf from "@tensorflow/tfjs"
import type { Value } from "../../graph/Graph.ts"
import type { Attributes, Kernels } from "./kernel.ts"
import { flagOf, numberOf, numbersOf } from "./kernel.ts"
import { convolutionGeometry } from "./windows.ts"

export const linear: Kernels = {
  BatchMatMul: ({ attributes, input, recorder }) => {
    const a = input("a")
    const b = input("b")
    const transposeA = flagOf(attributes, "transposeA")
    const transposeB = flagOf(attributes, "transposeB")
    const batch = tf.backend_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2))
    const rows = a.shape.at(transposeA ? -1 : -2)!
    const columns = b.shape.at(transposeB ? -2 : -1)!
    // Engines multiply matrices of float32.
    const factors = [a, b].map((factor) => recorder.cast(factor, "float32"))
    const shape = [...batch, rows, columns]
    return recorder.cast(
      recorder.append({ kind: "matMul", transposeA, transposeB }, factors, shape, "float32"),
      a.dtype
    )
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
    const { count, window } = convolutionGeometry(attributes, x.shape, filter.shape)
    const shape = [x.shape[0]!, ...count, filter.shape[3]!]
    return recorder.append({ kind: "convolution", window }, [x, filter], shape, "float32")
  },

  Conv2DBackpropInput: ({ attributes, input, recorder }) => {
    const gradient = input("dy")
    const filter = input("filter")
    const shape = numbersOf(attributes, "inputShape")
    const { window } = convolutionGeometry(attributes, shape, filter.shape, gradient.shape)
    return recorder.append({ kind: "convolutionInputGradient", window }, [gradient, filter], shape, "float32")
  },

  Conv2DBackpropFilter: ({ attributes, input, recorder }) => {
    const x = input("x")
    const gradient = input("dy")
    const shape = numbersOf(attributes, "filterShape")
    const { window } = convolutionGeometry(attributes, x.shape, shape, gradient.shape)
    return recorder.append({ kind: "convolutionFilterGradient", window }, [x, gradient], shape, "float32")
  }
}

const requireLastAxis = (name: string, attributes: Attributes, attribute: string, x: Value): void => {
  const axis = numberOf(attributes, attribute)
  if (axis !== -1 && axis !== x.shape.length - 1) throw new RangeError(`${name} is supported along the last axis only`)
}
