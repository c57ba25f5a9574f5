/**
 * The convolution that shows whether a device works: the first one is what loads cuDNN, and finds it to be of another
 * version. `auto` computes it by the engine, {@link convolve} by the addon alone.
 */
import type { Binding } from "../Binding.ts"

const onesOf = (shape: ReadonlyArray<number>) => ({
  shape,
  data: new Float32Array(shape.reduce((product, length) => product * length, 1)).fill(1)
})

/** An image NHWC and a filter HWIO, of ones: without padding it gives sums over 3 by 3 pixels and 4 channels. */
export const operands = { x: onesOf([1, 8, 8, 4]), filter: onesOf([3, 3, 4, 2]) }

/**
 * What is wrong with the result, if anything is.
 *
 * @example
 * wrongSums(new Float32Array([36, 36])) // => undefined
 */
export const wrongSums = (sums: Float32Array | Int32Array | Uint8Array): string | undefined => {
  const wrong = sums.find((sum) => sum !== 36)
  return wrong === undefined ? undefined : `a convolution of ones gives ${wrong} in place of 36`
}

/** Computes it on the device, by the addon. Throws what TensorFlow says where it cannot. */
export const convolve = (binding: Binding): void => {
  const { TF_ATTR_INT: ints, TF_ATTR_STRING: string, TF_ATTR_TYPE: type } = binding
  const tensors = [operands.x, operands.filter].map(({ data, shape }) =>
    binding.createTensor([...shape], binding.TF_FLOAT, data)
  )
  const [result] = binding.executeOp(
    "Conv2D",
    [
      { name: "T", type, value: binding.TF_FLOAT },
      { name: "strides", type: ints, value: [1, 1, 1, 1] },
      { name: "padding", type: string, value: "VALID" },
      { name: "data_format", type: string, value: "NHWC" },
      { name: "dilations", type: ints, value: [1, 1, 1, 1] }
    ],
    tensors,
    1
  )
  const wrong = wrongSums(binding.tensorDataSync(result!.id))
  for (const id of [...tensors, result!.id]) binding.deleteTensor(id)
  if (wrong !== undefined) throw new Error(wrong)
}
