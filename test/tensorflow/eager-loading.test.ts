/** Loading the package changes nothing of tfjs that a program could see, and prints nothing. */
import { describe, expect, it, vi } from "@effect/vitest"
import { EngineUnavailable } from "@effusion/core/engine"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { makeEager } from "../../packages/core/src/engine/tensorflow/eager/index.ts"
import { backendName, loadBackend } from "../../packages/core/src/engine/tensorflow/eager/load.ts"
import { binding, folder } from "./support/eager.ts"

const device = { kind: "cpu", description: "the processor", threads: 2 } as const

/** What tfjs has chosen and counts, without making it choose. */
const tfjsState = () => {
  const { backendInstance, backendName, state } = tf.engine() as unknown as {
    backendInstance: unknown
    backendName: string | undefined
    state: { readonly numTensors: number; readonly numDataBuffers: number; readonly numBytes: number }
  }
  return { backendInstance, backendName, counts: [state.numTensors, state.numDataBuffers, state.numBytes] }
}

describe("loading tfjs's backend of TensorFlow", () => {
  it("fails with what is wrong where there is no such package, and can be tried again", async () => {
    const empty = mkdtempSync(join(tmpdir(), "effusion-"))
    try {
      for (const wrong of [empty, join(empty, "nowhere")]) {
        const error = await Effect.runPromise(Effect.flip(Effect.scoped(makeEager({ folder: wrong, binding, device }))))
        expect(error).toBeInstanceOf(EngineUnavailable)
        expect(error.message).toContain(wrong)
        expect(error.message).not.toContain("\n")
      }
      expect(tf.findBackendFactory(backendName)).toBeNull()
    } finally {
      rmSync(empty, { recursive: true })
    }
  })

  it("leaves tfjs as it was, warns of nothing, and is done once", async () => {
    const written = [vi.spyOn(console, "warn"), vi.spyOn(console, "log"), vi.spyOn(console, "error")]
    const warnings: Array<string> = []
    const onWarning = (warning: Error) => void warnings.push(warning.message)
    process.on("warning", onWarning)
    const before = tfjsState()
    const kernelsOfCpu = tf.getKernelsForBackend("cpu").length
    try {
      const { backend, ledger } = loadBackend(folder, binding)
      expect(tfjsState()).toEqual(before)
      expect(loadBackend(folder, binding).backend).toBe(backend)
      expect(tf.getKernelsForBackend("cpu").length).toBe(kernelsOfCpu)
      const names = tf.getKernelsForBackend(backendName).map(({ kernelName }) => kernelName)
      expect(names.length).toBeGreaterThan(100)
      expect(new Set(names).size).toBe(names.length)
      // One class of tensors, one registry: what the package's kernels make are tensors of this tfjs.
      await tf.setBackend(backendName)
      const [values, indices] = tf.tidy(() => {
        const { indices, values } = tf.topk([3, 1, 2], 2)
        expect(values).toBeInstanceOf(tf.Tensor)
        return [values.arraySync(), indices.arraySync()]
      }) as unknown as [Array<number>, Array<number>]
      expect([values, indices]).toEqual([[3, 2], [0, 2]])
      expect(ledger.total()).toEqual({ tensors: 0, bytes: 0 })
      // Warnings of the process come a turn of the event loop later.
      await new Promise((resume) => void setImmediate(resume))
      expect(warnings).toEqual([])
      for (const spy of written) expect(spy).not.toHaveBeenCalled()
    } finally {
      process.off("warning", onWarning)
      for (const spy of written) spy.mockRestore()
    }
  })

  it("refuses another package in the same process, by name", async () => {
    const error = await Effect.runPromise(
      Effect.flip(Effect.scoped(makeEager({ folder: join(folder, "dist"), binding, device })))
    )
    expect(error.message).toContain("already")
    expect(error.message).toContain("tfjs-node")
  })
})
