/**
 * tfjs kernels of pooling.
 */
import { poolGeometryOf } from "../geometry.ts"
import type { Kernels } from "./kernel.ts"

export const pooling: Kernels = {
  AvgPool: ({ attributes, input, recorder }) => {
    const x = input("x")
    const { count, size, window } = poolGeometryOf(x.shape, attributes)
    const shape = [x.shape[0]!, ...count, x.shape[3]!]
    return recorder.append({ kind: "averagePool", window, size }, [x], shape, "float32")
  },

  AvgPoolGrad: ({ attributes, input, recorder }) => {
    const [x, gradient] = [input("input"), input("dy")]
    const { size, window } = poolGeometryOf(x.shape, attributes, gradient.shape)
    return recorder.append({ kind: "averagePoolGradient", window, size }, [gradient], x.shape, "float32")
  },

  MaxPool: ({ attributes, input, recorder }) => {
    const x = input("x")
    const { count, size, window } = poolGeometryOf(x.shape, attributes)
    const shape = [x.shape[0]!, ...count, x.shape[3]!]
    const operation = { kind: "maxPool", window, size } as const
    return recorder.cast(recorder.append(operation, [recorder.cast(x, "float32")], shape, "float32"), x.dtype)
  },

  MaxPoolGrad: ({ attributes, input, recorder }) => {
    const [x, largest, gradient] = [input("input"), input("output"), input("dy")]
    const { size, window } = poolGeometryOf(x.shape, attributes, gradient.shape)
    const inputs = [recorder.cast(x, "float32"), recorder.cast(largest, "float32"), gradient]
    return recorder.append({ kind: "maxPoolGradient", window, size }, inputs, x.shape, "float32")
  }
}
