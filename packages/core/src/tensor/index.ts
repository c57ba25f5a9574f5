/**
 * Tensors in host memory, and the safetensors file format.
 *
 * @example
 * import { float32, Safetensors } from "@effusion/core/tensor"
 *
 * const bytes = Safetensors.encode({ weight: float32([2, 2], [1, 0, 0, 1]) })
 */
export type { ArrayOf, DType, HostTensor, Shape, TensorSpec } from "./HostTensor.ts"
export { float32, int32, sameShape, scalar, showShape, sizeOf, zeros } from "./HostTensor.ts"
export { InvalidSafetensors } from "./safetensors.ts"
export * as Safetensors from "./safetensors.ts"
