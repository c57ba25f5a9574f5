/**
 * `effusion train --profile`: what it tells and writes, what it refuses, and that its parts add up.
 */
import type { Profile } from "@effusion/core/engine/onnx"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { type Flame, flameGraph } from "../../packages/cli/src/picture/flameGraph.ts"
import { flamesOf } from "../../packages/cli/src/profile/flames.ts"
import { fasterHalf } from "../../packages/cli/src/profile/measure.ts"
import { placesIn } from "../../packages/cli/src/profile/sources.ts"
import { speedscope } from "../../packages/cli/src/profile/speedscope.ts"
import { summarize, type Summary, timedKernels } from "../../packages/cli/src/profile/summary.ts"
import { profileTables } from "../../packages/cli/src/profile/tables.ts"
import { cli, type Outcome, startCli, temporaryFolder, tinyConfig } from "./support/cli.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

const config = tinyConfig(folder.path)

const sum = (times: ReadonlyArray<{ readonly milliseconds: number }>) =>
  times.reduce((total, { milliseconds }) => total + milliseconds, 0)

describe("effusion train --profile", () => {
  const out = join(folder.path, "profile")
  let outcome: Outcome

  beforeAll(async () => {
    // In a process of its own: the test runner compiles the source, and moves its lines.
    outcome = await startCli(["train", "--profile", "--config", config, "--out", out]).ended
  })

  it("prints tables, and writes them, a flame graph and a file for a viewer", () => {
    assert.strictEqual(outcome.code, 0, outcome.stderr)
    assert.match(outcome.stdout, /^By line of the source: the first 15 of \d+$/m)
    assert.match(
      outcome.stdout,
      /^Timing 10 steps of "points" with batches of 32, after 2 to warm up\. Nothing is trained\.$/m
    )
    assert.deepStrictEqual(readdirSync(out).sort(), ["profile.speedscope.json", "profile.svg", "profile.txt"])
    assert.match(readFileSync(join(out, "profile.svg"), "utf8"), /^<svg .*points: a training step .*<\/svg>/s)
    // Which rows are printed is a matter of time; the file has all.
    const rows = readFileSync(join(out, "profile.txt"), "utf8")
    assert.match(rows, /^ {2}backward +matMul +\d+ +\d+ +[\d.]+ +[\d.]+ % +\d+$/m)
    assert.match(
      rows,
      /^ {2}models\/src\/blocks\/layers\.ts:\d+ +linear\.apply .* apply: \(context, x\) => tf\.add\(tf\.matMul/m
    )
  })

  it("writes no path of this machine", () => {
    for (const name of readdirSync(out)) assert.notInclude(readFileSync(join(out, name), "utf8"), process.cwd(), name)
  })

  it("with --json prints one object, whose parts add up, and writes nothing", async () => {
    const before = readdirSync(folder.path)
    const { code, stderr, stdout } = await cli("train", "--profile", "--json", "--config", config)
    assert.strictEqual(code, 0, stderr)
    const { event, kernels, lines, operations, parts, shapes, step, steps } = JSON.parse(stdout) as Summary & {
      event: string
    }
    assert.strictEqual(event, "profile")
    assert.strictEqual(steps, 5)
    assert.closeTo(parts.operations + parts.betweenOperations + parts.outsideRuntime, step, 1e-9)
    assert.isTrue(Object.values(parts).every((part) => part >= 0), JSON.stringify(parts))
    assert.closeTo(sum(operations), parts.operations, 1e-9)
    assert.closeTo(sum(kernels), parts.operations, 1e-9)
    assert.closeTo(sum(shapes), parts.operations, 1e-9)
    assert.closeTo(sum(lines.map(({ own }) => own)) + parts.unattributed, parts.operations, 1e-9)
    assert.deepStrictEqual(readdirSync(folder.path), before)
    assert.isFalse(existsSync("profiles"))
  })

  it("leaves a run as it is, in whose folder it writes, and is replaced with it", async () => {
    const run = join(folder.path, "run")
    assert.strictEqual((await cli("train", "--config", config, "--steps", "3", "--out", run)).code, 0)
    const before = readdirSync(run)
    const metrics = readFileSync(join(run, "metrics.jsonl"), "utf8")
    const profiled = await cli("train", "--profile", "--config", join(run, "config.json"), "--out", run)
    assert.strictEqual(profiled.code, 0, profiled.stderr)
    const names = ["profile.speedscope.json", "profile.svg", "profile.txt"]
    assert.deepStrictEqual(readdirSync(run).sort(), [...before, ...names].sort())
    assert.strictEqual(readFileSync(join(run, "metrics.jsonl"), "utf8"), metrics)
    assert.strictEqual((await cli("train", "--config", config, "--steps", "3", "--out", run, "--overwrite")).code, 0)
    assert.deepStrictEqual(readdirSync(run).sort(), before.toSorted())
  })
})

describe("effusion train --profile refuses", () => {
  const refused = async (message: RegExp, ...flags: ReadonlyArray<string>) => {
    const { code, stderr } = await cli("train", "--profile", "--config", config, ...flags)
    assert.strictEqual(code, 1)
    assert.match(stderr, message)
    assert.isAtMost(stderr.split("\n").length, 2, stderr)
  }

  it("what belongs to a run that is trained", async () => {
    await refused(
      /^effusion: --profile and --resume do not go together; .*--config runs\/a\/config.json/,
      "--resume",
      "runs/a"
    )
    await refused(/^effusion: --profile and --dry-run do not go together; /, "--dry-run")
    await refused(/^effusion: --profile and --engine tensorflow do not go together; /, "--engine", "tensorflow")
    await refused(/^effusion: --profile and --device gpu do not go together; /, "--device", "gpu")
    await refused(/^effusion: --profile and --overwrite do not go together; /, "--overwrite")
  })

  it("a folder that cannot be written to, before anything is measured, and leaves nothing", async () => {
    const file = join(folder.path, "file")
    writeFileSync(file, "")
    await refused(
      /^effusion: cannot write ".*profile.txt": a part of its path is a file, not a folder/,
      "--out",
      join(file, "a")
    )
    const taken = join(folder.path, "taken")
    mkdirSync(join(taken, "profile.svg"), { recursive: true })
    await refused(/^effusion: cannot write ".*profile.svg": it is a folder; /, "--out", taken)
    assert.deepStrictEqual(readdirSync(taken), ["profile.svg"])
  })

  it("data that the network does not fit", async () => {
    await refused(/digits/, "--data", "digits")
  })
})

/** Two layers, called by a network, and the update of the weights. */
const source = [
  "export const layer = (x) =>",
  "  tf.add(tf.matMul(x, w), b)",
  "",
  "const network = {",
  "  apply: (x) => layer(layer(x))",
  "}"
]
const frame = (name: string, line: number) => ({ function: name, file: "/home/a/model/net.ts", line })
const update = { function: "", file: "/home/a/train/sgd.ts", line: 1 }
const inLayer = [frame("apply", 5), frame("layer", 2)]

const shapes = { inputs: [[2, 3], [3, 4]], outputs: [[2, 4]] }

const profile: Profile = {
  program: "step",
  operations: [
    { name: "matMul", ...shapes, flops: 4e6, origin: { frames: inLayer, pass: "forward" } },
    { name: "add", ...shapes, flops: 0, origin: { frames: inLayer, pass: "forward" } },
    { name: "matMul", ...shapes, flops: 8e6, origin: { frames: inLayer, pass: "backward" } },
    { name: "sub", inputs: [], outputs: [], flops: 0, origin: { frames: [update], pass: "outside" } }
  ],
  kernels: [
    { name: "Transpose_0", kernel: "Transpose", operation: 0 },
    { name: "MatMul_1", kernel: "MatMul", operation: 0 },
    { name: "Add_2", kernel: "Add", operation: 1 },
    { name: "MatMul_3", kernel: "MatMul", operation: 2 },
    { name: "Sub_4", kernel: "Sub", operation: 3 },
    { name: "Identity_5", kernel: "Identity", operation: undefined }
  ],
  runs: [
    { microseconds: 20_000, kernels: Float64Array.of(1000, 3000, 2000, 6000, 1000, 500) },
    { microseconds: 24_000, kernels: Float64Array.of(1000, 5000, 2000, 8000, 1000, 500) }
  ]
}
const measurement = { profile, seconds: [0.03125, 0.0234375] }
const placeOf = placesIn(new Map([["/home/a/model/net.ts", source], ["/home/a/train/sgd.ts", []]]))
const kernels = timedKernels(measurement, placeOf)
const summary = summarize(measurement, kernels)

describe("a measurement", () => {
  it("keeps the faster half of the steps, in their order", () => {
    const runs = [5, 1, 4, 2, 3].map((microseconds) => ({ microseconds, kernels: new Float64Array() }))
    const kept = fasterHalf({ profile: { ...profile, runs }, seconds: [50, 10, 40, 20, 30] })
    assert.deepStrictEqual(kept.seconds, [10, 20, 30])
    assert.deepStrictEqual(kept.profile.runs.map(({ microseconds }) => microseconds), [1, 2, 3])
  })
})

describe("a summary", () => {
  it("is of means over the steps, and adds up", () => {
    assert.strictEqual(summary.step, 27.34375)
    assert.deepStrictEqual(summary.parts, {
      operations: 15.5,
      unattributed: 0.5,
      betweenOperations: 6.5,
      outsideRuntime: 5.34375
    })
  })

  it("has operations by part, with the moves of elements that they need, and their speed", () => {
    assert.deepStrictEqual(
      summary.operations.map(({ count, gflops, kernels, milliseconds, name, part }) => [
        part,
        name,
        count,
        kernels,
        milliseconds,
        gflops
      ]),
      [
        ["backward", "matMul", 1, 1, 7, 8e6 / 7 / 1e6],
        ["forward", "matMul", 1, 2, 5, 4e6 / 5 / 1e6],
        ["forward", "add", 1, 1, 2, undefined],
        ["update", "sub", 1, 1, 1, undefined],
        ["unattributed", "Identity", 1, 1, 0.5, undefined]
      ]
    )
  })

  it("tells operations apart by their shapes, and adds up to the same", () => {
    assert.strictEqual(sum(summary.shapes), summary.parts.operations)
    assert.deepInclude(summary.shapes[1], {
      ...summary.operations[1],
      shapes: "[2, 3], [3, 4] -> [2, 4]"
    })
  })

  it("has lines, by what they do themselves and by what they call", () => {
    const times = (milliseconds: number, forward: number, backward: number, update = 0) => ({
      milliseconds,
      forward,
      backward,
      update
    })
    assert.deepStrictEqual(summary.lines, [
      {
        file: "model/net.ts",
        line: 2,
        name: "layer",
        text: "tf.add(tf.matMul(x, w), b)",
        own: times(14, 7, 7),
        all: times(14, 7, 7)
      },
      { file: "train/sgd.ts", line: 1, name: "(anonymous)", text: "", own: times(1, 0, 0, 1), all: times(1, 0, 0, 1) },
      {
        file: "model/net.ts",
        line: 5,
        name: "network.apply",
        text: "apply: (x) => layer(layer(x))",
        own: times(0, 0, 0),
        all: times(14, 7, 7)
      }
    ])
  })

  it("counts a line that calls itself once", () => {
    const recursive = { ...kernels[1]!, places: [kernels[1]!.places[1]!, kernels[1]!.places[1]!] }
    const [line] = summarize(measurement, [recursive]).lines
    assert.strictEqual(line!.all.milliseconds, 4)
    assert.strictEqual(line!.own.milliseconds, 4)
  })

  it("as tables says how many rows it leaves out", () => {
    const lines = profileTables(summary, { rows: 2 })
    assert.include(lines, "By operation: the first 2 of 5")
    assert.include(lines, "  backward  matMul         1        1  7.00  25.6 %        1")
    assert.isTrue(profileTables(summary, { rows: Infinity }).length > lines.length)
  })
})

describe("a flame graph", () => {
  const root = flamesOf(summary, kernels)
  const everywhere = (flame: Flame): ReadonlyArray<Flame> => [flame, ...flame.children.flatMap(everywhere)]

  it("has boxes no narrower than what stands on them", () => {
    assert.strictEqual(root.value, summary.step)
    for (const { children, name, value } of everywhere(root)) {
      assert.isAtMost(children.reduce((total, child) => total + child.value, 0), value + 1e-9, name)
    }
    assert.deepStrictEqual(root.children.map(({ name, value }) => [name, value]), [
      ["forward", 7],
      ["backward", 7],
      ["update", 1],
      ["unattributed", 0.5],
      ["between operations", 6.5],
      ["outside the runtime", 5.34375]
    ])
  })

  it("is drawn with names, and without what nobody could see", () => {
    const svg = flameGraph("title", {
      name: "all",
      value: 1000,
      children: [{ name: "wide", value: 900, children: [] }, { name: "thin", value: 0.1, children: [] }]
    })
    assert.match(svg, /^<svg .*title.*<\/svg>/s)
    assert.include(svg, "wide")
    assert.notInclude(svg, "thin")
    assert.strictEqual(svg.match(/fill="hsl/g)!.length, 2)
  })
})

describe("a file for speedscope", () => {
  it("has a stack and a weight for every kernel, in frames that there are", () => {
    const { profiles: [sampled], shared: { frames } } = JSON.parse(speedscope("step", kernels))
    assert.strictEqual(sampled.samples.length, kernels.length)
    assert.strictEqual(sampled.weights.length, kernels.length)
    assert.strictEqual(sampled.endValue, summary.parts.operations)
    const names = (sample: ReadonlyArray<number>) => sample.map((index) => frames[index].name)
    assert.deepStrictEqual(names(sampled.samples[1]), ["forward", "network.apply", "layer", "matMul", "MatMul"])
    assert.deepStrictEqual(names(sampled.samples[5]), ["unattributed", "Identity", "Identity"])
  })
})
