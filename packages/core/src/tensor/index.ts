/**
 * Tensors in host memory, and the safetensors file format.
 */
export type { ArrayOf, DType, HostTensor, Shape, TensorSpec } from "./HostTensor.ts"
export { float32, int32, sameShape, scalar, showShape, sizeOf, zeros } from "./HostTensor.ts"
