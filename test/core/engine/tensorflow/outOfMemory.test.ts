/** TensorFlow's words for a full device, as TensorFlow 2.21 and its sources have them. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { outOfMemory } from "../../../../packages/core/src/engine/tensorflow/internal/outOfMemory.ts"

const explain = (reason: string) => outOfMemory(reason, "unet", "NVIDIA H100")

describe("outOfMemory", () => {
  it("takes shape, type and device from what an allocator says", () => {
    const reason =
      "Session fail to run with error: OOM when allocating tensor with shape[16,512,512] and type float on " +
      "/job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc [[{{node step/conv}}]]"
    const error = explain(reason)!
    assert.strictEqual(error.requestedBytes, 16 * 512 * 512 * 4)
    assert.strictEqual(error.device, "NVIDIA H100 (GPU:0)")
    assert.strictEqual(
      error.message,
      `the engine "tensorflow" ran out of memory on NVIDIA H100 (GPU:0) when 16 MiB more were needed, in program ` +
        `"unet"; lower the batch size (accumulating gradients over smaller batches keeps the numbers), let the ` +
        `engine rematerialize, take a smaller network, or another device`
    )
  })

  it("multiplies any shape by the bytes of any type", () => {
    const size = { float: 4, int32: 4, int64: 8, bool: 1 }
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 1 << 10 }), { maxLength: 5 }),
        fc.constantFrom(...Object.keys(size)),
        (
          shape,
          type
        ) => {
          const error = explain(
            `OOM when allocating tensor with shape[${shape.join()}] and type ${type} on /device:CPU:0 by allocator cpu`
          )
          assert.strictEqual(
            error?.requestedBytes,
            shape.reduce((product, n) => product * n, 1) * size[type as keyof typeof size]
          )
        }
      )
    )
  })

  const others = [
    ["Out of memory while trying to allocate 4398046511104 bytes.", 2 ** 42],
    ["RESOURCE_EXHAUSTED: Out of memory allocating 1,024 bytes", 1024],
    ["failed to allocate: CUDA_ERROR_OUT_OF_MEMORY: out of memory", undefined],
    ["RESOURCE_EXHAUSTED: Failed to allocate request for 2.00GiB", undefined]
  ] as const
  for (const [reason, bytes] of others) {
    it(`knows "${reason}"`, () => {
      const error = explain(reason)!
      assert.strictEqual(error._tag, "OutOfMemory")
      assert.strictEqual(error.requestedBytes, bytes)
      assert.strictEqual(error.device, "NVIDIA H100")
    })
  }

  it("takes nothing else for it", () => {
    for (const reason of ["", "BOOM", "indices[0] = 7 is not in [0, 3)", "Memory layout mismatch", "no room"]) {
      assert.isUndefined(explain(reason))
    }
  })
})
