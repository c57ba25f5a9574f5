/**
 * Runs of networks that are told classes: trained, gone on with, and drawn with, from the command line.
 */
import { Effect } from "effect"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import {
  decodeRunConfig,
  encodeRunConfig,
  overlay,
  trainingIdentity
} from "../../packages/cli/src/configuration/config.ts"
import { presets } from "../../packages/cli/src/configuration/presets.ts"
import { cli, temporaryFolder, tinyConfig } from "./support/cli.ts"
import { decodePng } from "./support/png.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

type Points = ReadonlyArray<readonly [x: number, y: number]>
const pointsOf = (...path: ReadonlyArray<string>): Points => JSON.parse(readFileSync(join(...path), "utf8"))

/** Which of the eight Gaussians of `points:gaussian-mixture` a point is closest to. */
const component = ([x, y]: readonly [number, number]): number => (Math.round(Math.atan2(y, x) / (Math.PI / 4)) + 8) % 8

const shareOf = (points: Points, classOf: (index: number) => number): number =>
  points.filter((point, i) => component(point) === classOf(i)).length / points.length

const classes = {
  data: "points:gaussian-mixture",
  model: { width: 32, depth: 2, octaves: 1, num_class_embeds: 9, self_condition: true },
  batchSize: 128,
  checkpoints: { every: 200, keep: 3 },
  sampling: { steps: 20, count: 160 },
  conditioning: { dropout: 0.2 },
  classGuidance: { scale: 1.5 }
} as const

describe("a run whose network is told classes", () => {
  const run = join(folder.path, "mixture")
  let config: string

  beforeAll(async () => {
    config = tinyConfig(folder.path, classes)
    const outcome = await cli("train", "--config", config, "--steps", "400", "--out", run)
    assert.strictEqual(outcome.code, 0, outcome.stderr)
  })

  it("draws every class in turn, and each sample of its own", () => {
    const samples = pointsOf(run, "samples.json")
    assert.strictEqual(samples.length, 160)
    // One in eight would be by chance.
    assert.isAbove(shareOf(samples, (i) => i % 8), 0.75)
  })

  it("draws the classes that it is asked for, and any where it is asked for none", async () => {
    const out = join(folder.path, "asked.json")
    for (const [labels, classOf] of [["3", () => 3], ["6,0", (i: number) => i % 2 === 0 ? 6 : 0]] as const) {
      const { code, stderr } = await cli("sample", run, "--labels", labels, "--count", "100", "--out", out)
      assert.strictEqual(code, 0, stderr)
      assert.isAbove(shareOf(pointsOf(out), classOf), 0.75)
    }
    await cli("sample", run, "--labels", "none", "--count", "200", "--out", out)
    assert.isAtLeast(new Set(pointsOf(out).map(component)).size, 6)
  })

  it("is guided as the flags say, and names the picture after them", async () => {
    const drawn = async (...flags: ReadonlyArray<string>) => {
      const out = join(folder.path, "guided.json")
      const { code, stderr } = await cli("sample", run, "--seed", "0", "--out", out, ...flags)
      assert.strictEqual(code, 0, stderr)
      return pointsOf(out)
    }
    const own = await drawn()
    assert.deepStrictEqual(own, pointsOf(run, "samples.json"))
    assert.deepStrictEqual(await drawn("--class-guidance", "1.5"), own)
    const others = [
      await drawn("--class-guidance", "1"),
      await drawn("--class-guidance", "3"),
      await drawn("--guidance-rescale", "0.7"),
      await drawn("--guidance-interval", "0.2,2")
    ]
    for (const [i, one] of [own, ...others].entries()) {
      for (const other of others.slice(i)) assert.notDeepEqual(other, one)
    }
    assert.deepStrictEqual(await drawn("--class-guidance", "1", "--guidance-rescale", "0.7"), others[0]!)
    const { stdout } = await cli("sample", run, "--labels", "2,5", "--class-guidance", "2", "--count", "4")
    assert.match(stdout, /open .*samples-step-\d+-ddim-20-labels-2-5-class-guidance-2-count-\d+-seed-1\.svg$/)
  })

  it("refuses what is no class, and no guidance", async () => {
    const refusal = async (...flags: ReadonlyArray<string>) => {
      const { code, stderr } = await cli("sample", run, ...flags)
      assert.strictEqual(code, 1)
      assert.notMatch(stderr, / at .*\.ts:/)
      return stderr
    }
    assert.include(await refusal("--labels", "8,9"), `"labels" 9: it is a class from 0 to 7, or 8 for none`)
    assert.include(
      await refusal("--labels", "three"),
      "Expected: whole numbers from 0 with commas between them, or none"
    )
    assert.include(await refusal("--guidance-interval", "1"), "Expected: two numbers with a comma between them")
    assert.include(await refusal("--guidance-interval", "2,1"), "expected the smaller of the two first, got 2, 1")
    assert.include(await refusal("--class-guidance", "-1"), "--class-guidance: expected a number of at least 0")
    assert.include(await refusal("--guidance-rescale", "2"), "--guidance-rescale: expected a number from 0 to 1")
  })

  it("has a bound, as any other", async () => {
    const { code, stderr, stdout } = await cli(
      "evaluate",
      "bound",
      run,
      "--examples",
      "10",
      "--timesteps",
      "5",
      "--json"
    )
    assert.strictEqual(code, 0, stderr)
    assert.isTrue(Number.isFinite(JSON.parse(stdout).total.mean))
  })

  it("goes on from a checkpoint to the same end", async () => {
    const interrupted = join(folder.path, "in-two-parts")
    // The learning rate depends on the number of steps, which is therefore that of the whole from the start.
    const constant = tinyConfig(folder.path, { ...classes, optimizer: { decay: "constant", warmUp: 0 } })
    const whole = join(folder.path, "whole")
    for (
      const args of [
        ["--config", constant, "--steps", "60", "--out", whole],
        ["--config", constant, "--steps", "30", "--out", interrupted],
        ["--resume", interrupted, "--steps", "60"]
      ]
    ) {
      const outcome = await cli("train", ...args)
      assert.strictEqual(outcome.code, 0, outcome.stderr)
    }
    assert.deepStrictEqual(pointsOf(interrupted, "samples.json"), pointsOf(whole, "samples.json"))
  })
})

describe("a network that is told classes", () => {
  it("needs data with as many", async () => {
    const refusal = async (changes: { readonly [field: string]: unknown }) => {
      const out = join(folder.path, "refused")
      const { code, stderr } = await cli("train", "--config", tinyConfig(folder.path, changes), "--out", out)
      assert.strictEqual(code, 1)
      assert.isFalse(existsSync(out))
      return stderr
    }
    assert.include(
      await refusal({ ...classes, data: "points:swiss-roll" }),
      `the data "points:swiss-roll" has no classes, but the network tells 8 classes apart`
    )
    assert.include(
      await refusal({ ...classes, data: "points:two-moons" }),
      "has 2 classes, but the network tells 8 classes apart; set model.num_class_embeds to 3, one more"
    )
    assert.include(
      await refusal({ ...classes, model: {} }),
      "model.num_class_embeds: expected one more than there are classes, because of conditioning, got null"
    )
    assert.include(
      await refusal({ ...classes, conditioning: null, classGuidance: null }),
      `conditioning: expected an object such as { "dropout": 0.1 }, because of model.num_class_embeds, got null`
    )
    assert.include(
      await refusal({ ...classes, conditioning: { dropout: 0 } }),
      "classGuidance.scale: expected null, because the network is never trained without a class"
    )
    assert.include(await refusal({ classGuidance: { scale: 2 } }), "because the network is told no classes")
  })

  it("is asked for by flags for such networks only", async () => {
    const run = join(folder.path, "plain")
    await cli("train", "--config", tinyConfig(folder.path), "--steps", "3", "--out", run)
    for (
      const flags of [
        ["--labels", "1"],
        ["--labels", "none"],
        ["--class-guidance", "2"],
        ["--guidance-rescale", "0.5"],
        ["--guidance-interval", "1,2"]
      ]
    ) {
      const { code, stderr } = await cli("sample", run, ...flags)
      assert.strictEqual(code, 1)
      assert.include(stderr, `${flags[0]} is for networks that are told classes, and that of "${run}" is not`)
    }
  })

  it("has a column for each class in its picture", async () => {
    const config = tinyConfig(folder.path, {
      preset: "digits",
      schedule: { steps: 10 },
      sampling: { steps: 2, count: 25 },
      model: { sample_size: 28, block_out_channels: [8, 8, 8], type: "unet" },
      batchSize: 4
    })
    const run = join(folder.path, "digits")
    const outcome = await cli("train", "--config", config, "--steps", "2", "--out", run)
    assert.strictEqual(outcome.code, 0, outcome.stderr)
    const { height, width } = decodePng(readFileSync(join(run, "samples.png")))
    assert.deepStrictEqual([width, height], [10 * 58 + 2, 3 * 58 + 2])
  })
})

describe("what a checkpoint says of its run's configuration", () => {
  const identityOf = (config: { readonly [field: string]: unknown }) =>
    Effect.map(decodeRunConfig(config, "the configuration"), trainingIdentity).pipe(Effect.runSync)

  it("is what it was before there were classes, so that those runs go on", () => {
    for (const [name, mlp] of [["points", true], ["digits-small", false]] as const) {
      const { classGuidance: _, conditioning: __, ...config } = encodeRunConfig(presets[name]!)
      const { self_condition: ___, ...model } = config["model"] as { readonly [field: string]: unknown }
      const { num_class_embeds: ____, ...before } = model
      const identity = identityOf({ ...config, model: mlp ? before : model })
      assert.deepStrictEqual(identity["model"], mlp ? before : model)
      assert.doesNotHaveAnyKeys(identity, ["conditioning", "classGuidance"])
    }
  })

  it("names the dropout of labels, and not the guidance of samples", () => {
    const config = encodeRunConfig(presets["digits"]!)
    const identity = identityOf(config)
    assert.deepInclude(identity, { conditioning: { dropout: 0.1 } })
    assert.deepStrictEqual(identityOf(overlay(config, { classGuidance: { scale: 5 } })), identity)
    assert.notDeepEqual(identityOf(overlay(config, { conditioning: { dropout: 0.5 } })), identity)
    assert.notDeepEqual(identityOf(overlay(config, { model: { self_condition: true } })), identity)
  })
})
