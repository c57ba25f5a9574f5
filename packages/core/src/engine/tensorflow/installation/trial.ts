/**
 * A convolution by the addon itself: the first one is what loads cuDNN, and finds it to be of another version.
 */
import type { Binding } from "../Binding.ts"

/** Computes one of ones, on the device. Throws what TensorFlow says where it cannot. */
export const convolve = (binding: Binding): void => {
  const tensors = [[1, 8, 8, 4], [3, 3, 4, 2]].map((shape) => {
    const values = new Float32Array(shape.reduce((product, length) => product * length, 1)).fill(1)
    return binding.createTensor(shape, binding.TF_FLOAT, values)
  })
  const { TF_ATTR_INT: ints, TF_ATTR_STRING: string, TF_ATTR_TYPE: type } = binding
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
  const sums = binding.tensorDataSync(result!.id)
  for (const id of [...tensors, result!.id]) binding.deleteTensor(id)
  if (!sums.every((sum) => sum === 36)) throw new Error(`a convolution of ones gives ${sums[0]} in place of 36`)
}
