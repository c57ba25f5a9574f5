/** A runtime with blocked convolutions, where the processor has them, and numbers to convolve. */
import { float32, type HostTensor, type Shape, sizeOf } from "@effusion/core/tensor"
import { Context, Effect, Layer } from "effect"
import { probeConvolutionBlock } from "../../../../packages/core/src/engine/onnx/internal/probe.ts"
import { makeRuntime, type Runtime } from "../../../../packages/core/src/engine/onnx/internal/Runtime.ts"
import { hash } from "../../../conformance/arbitraries.ts"

/** A runtime, and the channels of a block of its blocked convolution. */
export class Blocks
  extends Context.Service<Blocks, { readonly runtime: Runtime; readonly block: number | undefined }>()(
    "test/core/engine/onnx/Blocks"
  )
{
  static readonly layer = Layer.effect(
    Blocks,
    Effect.gen(function*() {
      const runtime = yield* makeRuntime({ threads: 2 })
      return { runtime, block: yield* probeConvolutionBlock(runtime) }
    })
  )
}

/** Elements between -1 and 1, other ones for each salt. */
export const uniform = ({ shape }: { readonly shape: Shape }, seed: number, salt: number): HostTensor =>
  float32(shape, Float32Array.from({ length: sizeOf(shape) }, (_, i) => 2 * hash(seed + salt, i) - 1))
