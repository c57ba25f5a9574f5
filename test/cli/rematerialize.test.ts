/**
 * Computing again in place of keeping: that what a flag or a configuration says gets to the engine, whichever way it is
 * taken. What the engine makes of it changes no number, so nothing else would show that it was lost.
 */
import type { Rematerialize } from "@effusion/core/engine"
import type * as onnx from "@effusion/core/engine/onnx"
import type * as tensorflow from "@effusion/core/engine/tensorflow"
import { join } from "node:path"
import { env } from "node:process"
import { afterAll, assert, beforeEach, describe, it, vi } from "vitest"
import { cli, temporaryFolder, tinyConfig } from "./support/cli.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

// A machine on which TensorFlow is not installed.
env["EFFUSION_ENGINES"] = join(folder.path, "engines")
env["EFFUSION_TENSORFLOW"] = ""

interface Told {
  readonly rematerialize?: Rematerialize | undefined
}

/** What engines were told, each time that one was made. */
const { told } = vi.hoisted(() => ({ told: [] as Array<Told | undefined> }))
beforeEach(() => void told.splice(0))

/** A layer as it is, but for a note of its options. */
const { noting } = vi.hoisted(() => ({
  noting: <O extends Told, A>(make: (options?: O) => A) => (options?: O): A => {
    told.push(options)
    return make(options)
  }
}))

vi.mock("@effusion/core/engine/tensorflow", async (original) => {
  const { TensorflowEngine, ...rest } = await original<typeof tensorflow>()
  return { ...rest, TensorflowEngine: { ...TensorflowEngine, layer: noting(TensorflowEngine.layer) } }
})

vi.mock("@effusion/core/engine/onnx", async (original) => {
  const { OnnxEngine, ...rest } = await original<typeof onnx>()
  return {
    ...rest,
    OnnxEngine: {
      ...OnnxEngine,
      layer: noting(OnnxEngine.layer),
      profilingLayer: noting(OnnxEngine.profilingLayer)
    }
  }
})

const train = async (...args: ReadonlyArray<string>): Promise<ReadonlyArray<Rematerialize | undefined>> => {
  const { code, stderr } = await cli("train", ...args)
  assert.strictEqual(code, 0, stderr)
  return told.map((options) => options?.rematerialize)
}

const config = tinyConfig(folder.path)
const engines = [["--engine", "onnx"], ["--engine", "auto"], ["--device", "cpu"]]

describe("effusion train --rematerialize", () => {
  for (const flags of engines) {
    it(`reaches the engine of ${flags.join(" ")}, and that of a run which goes on`, async () => {
      const run = join(folder.path, flags.join(""))
      const out = ["--config", config, "--steps", "1", "--out", run, ...flags]
      assert.deepStrictEqual(await train(...out, "--rematerialize"), [true])
      assert.deepStrictEqual(await train("--resume", run, "--steps", "2", ...flags), [true, true])
    })
  }

  it("reaches tensorflow, which is not installed here", async () => {
    const { code, stderr } = await cli(
      "train",
      "--config",
      config,
      "--dry-run",
      "--engine",
      "tensorflow",
      "--rematerialize"
    )
    assert.strictEqual(code, 1)
    assert.match(stderr, /TensorFlow is not installed/)
    assert.deepStrictEqual(told.map((options) => options?.rematerialize), [true])
  })

  it("reaches the engine of an estimate, and the one that is profiled", async () => {
    assert.deepStrictEqual(await train("--config", config, "--dry-run", "--rematerialize"), [true])
    assert.deepStrictEqual(await train("--config", config, "--dry-run", "--rematerialize-all"), [true, "all"])
    const out = join(folder.path, "profile")
    assert.deepStrictEqual(await train("--config", config, "--profile", "--out", out, "--rematerialize"), [
      true,
      "all",
      true
    ])
  })

  it("can be said by the configuration, and be taken back", async () => {
    const rematerializing = tinyConfig(folder.path, { rematerialize: true })
    assert.deepStrictEqual(await train("--config", rematerializing, "--dry-run"), [true])
    assert.deepStrictEqual(await train("--config", rematerializing, "--dry-run", "--no-rematerialize"), [true, false])
    const all = tinyConfig(folder.path, { rematerialize: "all" })
    assert.deepStrictEqual(await train("--config", all, "--dry-run"), [true, false, "all"])
  })

  it("is not what an engine is told otherwise", async () => {
    const said = await train("--config", tinyConfig(folder.path), "--dry-run")
    assert.deepStrictEqual(said.map((rematerialize) => rematerialize ?? false), [false])
  })
})
