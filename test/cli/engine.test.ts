/**
 * The flags of the engine, where TensorFlow is not installed.
 */
import { stateless } from "@effusion/core/engine"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { env } from "node:process"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { warning } from "../../packages/cli/src/configuration/engine.ts"
import { describeEngine } from "../../packages/cli/src/report/engine.ts"
import { cli, type Outcome, temporaryFolder, tinyConfig } from "./support/cli.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

const run = join(folder.path, "run")

// A machine on which nothing is installed: whatever this one has is not seen here.
env["EFFUSION_ENGINES"] = join(folder.path, "engines")
env["EFFUSION_TENSORFLOW"] = ""

/** Runs a command where somebody says that TensorFlow is in this folder. */
const cliWith = async (tensorflow: string, ...args: ReadonlyArray<string>): Promise<Outcome> => {
  env["EFFUSION_TENSORFLOW"] = tensorflow
  try {
    return await cli(...args)
  } finally {
    env["EFFUSION_TENSORFLOW"] = ""
  }
}

const lines = (name: string): ReadonlyArray<unknown> =>
  readFileSync(join(run, name), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line))

const tiny = () => tinyConfig(folder.path, { checkpoints: { every: 5, keep: 1 } })

beforeAll(async () => {
  const { code, stderr } = await cli("train", "--config", tiny(), "--steps", "5", "--out", run)
  assert.strictEqual(code, 0, stderr)
})

const assertRefused = ({ code, stderr }: Outcome, message: RegExp): void => {
  assert.strictEqual(code, 1)
  assert.match(stderr, message)
  assert.isAtMost(stderr.trimEnd().split("\n").length, 2, stderr)
}

const missing =
  /^effusion: the engine "tensorflow" does not work here: TensorFlow is not installed; install it with "effusion engine install tensorflow"$/m

describe("--threads", () => {
  it("beyond the cores is warned of, and no other", async () => {
    const cores = availableParallelism()
    const dry = async (threads: number) =>
      (await cli("train", "--config", tiny(), "--dry-run", "--threads", `${threads}`)).stdout
    assert.include(
      await dry(cores + 1),
      `Warning: ${cores + 1} threads are more than this machine has cores (${cores}), `
    )
    assert.notInclude(await dry(cores), "more than this machine")
  })
})

describe("--engine tensorflow", () => {
  it("says how to install it, on every command that computes, and leaves nothing behind", async () => {
    const other = join(folder.path, "other")
    const commands: ReadonlyArray<ReadonlyArray<string>> = [
      ["train", "--config", tiny(), "--out", other],
      ["train", "--config", tiny(), "--dry-run"],
      ["sample", run, "--count", "1"],
      ["evaluate", "bound", run, "--examples", "1"],
      ["verify", "--law", "engine"]
    ]
    for (const command of commands) assertRefused(await cli(...command, "--engine", "tensorflow"), missing)
    assert.throws(() => readFileSync(join(other, "config.json")))
  })

  it("says which folder is wrong", async () => {
    assertRefused(
      await cliWith(folder.path, "sample", run, "--engine", "tensorflow"),
      /which EFFUSION_TENSORFLOW names, is not the folder of a package that has the addon; /
    )
  })
})

describe("--engine auto", () => {
  it("takes onnx, says so, and notes it in the run's folder", async () => {
    const { code, stderr, stdout } = await cli("train", "--resume", run, "--steps", "10", "--engine", "auto")
    assert.strictEqual(code, 0, stderr)
    assert.match(stdout, /^Computing with onnx .*on .+, 1 thread\.$/m)
    assert.notMatch(stdout, /Warning: (?!the learning rate follows)/)
    const noted = lines("engines.jsonl")
    assert.lengthOf(noted, 2)
    assert.deepInclude(noted[0], { step: 0, engine: "onnx", deviceKind: "cpu", threads: 1 })
    assert.deepInclude(noted[1], { step: 5, engine: "onnx", deviceKind: "cpu", threads: 1 })
  })

  it("is in what machines read", async () => {
    const { stdout } = await cli("train", "--config", tiny(), "--dry-run", "--json")
    assert.deepInclude(JSON.parse(stdout), { event: "dry-run", engine: "onnx", deviceKind: "cpu", threads: 1 })
    const started = await cli("train", "--resume", run, "--steps", "12", "--json")
    const events = started.stdout.split("\n").map((line) => JSON.parse(line))
    // A longer run has another learning rate, which is told before.
    assert.deepEqual(events.slice(0, 2).map(({ event }) => event), ["warning", "start"])
    assert.deepInclude(events[1], { engine: "onnx", deviceKind: "cpu" })
  })

  it("warns of an installation that does not work, and goes on", async () => {
    const { code, stdout } = await cliWith(folder.path, "sample", run, "--count", "5")
    assert.strictEqual(code, 0)
    assert.match(stdout, /^Warning: computing with onnx, and not with tensorflow: .* is not the folder of a package/m)
    assert.match(stdout, /^5 samples in /m)
  })
})

describe("--device", () => {
  it("gpu is refused where there is none to be had", async () => {
    assertRefused(
      await cli("sample", run, "--device", "gpu"),
      /TensorFlow is not installed; install it with "effusion engine install tensorflow --gpu" \(docs\/engines\.md\)$/m
    )
    assertRefused(
      await cli("sample", run, "--device", "gpu", "--engine", "onnx"),
      /the engine "onnx" does not work here: it computes with the processor only, .* take the engine "tensorflow"/
    )
  })

  it("cpu is always there", async () => {
    assert.strictEqual((await cli("sample", run, "--device", "cpu", "--count", "5")).code, 0)
  })
})

describe("an engine that there is not", () => {
  it("is refused, with those that there are", async () => {
    assertRefused(await cli("sample", run, "--engine", "torch"), /"torch".*"auto" \| "onnx" \| "tensorflow"/)
    assertRefused(await cli("sample", run, "--device", "tpu"), /"tpu".*"auto" \| "cpu" \| "gpu"/)
  })

  it("is not asked for beside numbers that no engine computes", async () => {
    assertRefused(
      await cli("verify", "--goldens", "a.json", "--engine", "onnx"),
      /--goldens and --engine do not go together/
    )
  })
})

describe("a program that is computed in a slower way than the engine's own", () => {
  it("is told of when it is compiled, and no other", async () => {
    const told: Array<string> = []
    const executable = { name: "p", state: {}, input: {}, output: {}, start: () => Effect.die("it is not started") }
    const engine = (found: { readonly warning?: string }) =>
      warning(
        {
          name: "test",
          device: { kind: "cpu", description: "the abacus", threads: 1 },
          compile: () => Effect.succeed({ ...executable, ...found } as never),
          memory: Effect.succeed({ executables: 0, instances: 0, tensors: 0, bytes: 0 })
        },
        (message) => Effect.sync(() => void told.push(message))
      )
    const compiled = (found: { readonly warning?: string }) =>
      Effect.runPromise(Effect.scoped(engine(found).compile(stateless("p", {}, () => ({})))))
    assert.strictEqual((await compiled({ warning: "it is slow" })).warning, "it is slow")
    await compiled({})
    assert.deepStrictEqual(told, ["it is slow"])
  })
})

describe("an engine in words", () => {
  it("has what there is to say", () => {
    const onnx = { engine: "onnx", device: "AMD EPYC", deviceKind: "cpu", threads: 1 } as const
    assert.strictEqual(describeEngine(onnx), "onnx on AMD EPYC, 1 thread")
    assert.strictEqual(
      describeEngine({
        engine: "tensorflow",
        mode: "xla",
        device: "NVIDIA A100",
        deviceKind: "gpu",
        software: "libtensorflow 2.21.0, CUDA 12.5.82",
        threads: 8
      }),
      "tensorflow (mode xla, libtensorflow 2.21.0, CUDA 12.5.82) on NVIDIA A100"
    )
  })
})
