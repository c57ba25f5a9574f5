/** What a run learns, as its configuration says it. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { weightTable } from "@effusion/core/diffusion"
import { Distance, LossWeighting, Objective } from "@effusion/core/pipeline"
import { NoiseSchedule } from "@effusion/core/schedule"
import { Effect, Layer, Result } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { Json, RunConfig } from "../../packages/cli/src/configuration/config.ts"
import {
  decodeRunConfig,
  encodeRunConfig,
  overlay,
  trainingIdentity
} from "../../packages/cli/src/configuration/config.ts"
import { learningServices, simplest } from "../../packages/cli/src/configuration/learning.ts"
import { presets } from "../../packages/cli/src/configuration/presets.ts"
import { cli, temporaryFolder, tinyConfig } from "./support/cli.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

const points = presets["points"]!
const withFields = (fields: Json): Json => overlay(encodeRunConfig(points), fields)
const decode = (fields: Json): RunConfig => Effect.runSync(decodeRunConfig(withFields(fields), "the test"))
const problemsOf = (fields: Json): ReadonlyArray<string> =>
  Effect.runSync(Effect.flip(decodeRunConfig(withFields(fields), "the test"))).problems

describe("what a run learns", () => {
  it("is the simple loss where a configuration says nothing, and its checkpoints are those of before", () => {
    const names = Object.keys(simplest)
    const before = Object.fromEntries(Object.entries(encodeRunConfig(points)).filter(([name]) => !names.includes(name)))
    const config = Effect.runSync(decodeRunConfig(before, "the test"))
    assert.include(config, simplest)
    assert.hasAllKeys(trainingIdentity(config), [
      "data",
      "model",
      "schedule",
      "objective",
      "optimizer",
      "averaging",
      "batchSize",
      "seed"
    ])
  })

  it("is part of what a checkpoint says of its run, field by field", () => {
    const choices: ReadonlyArray<Json> = [
      { weighting: "min-snr" },
      { weighting: { type: "p2", gamma: 0.5, k: 1 } },
      { loss: { type: "huber", c: 0.2, schedule: "snr" } },
      { offsetNoise: 0.1 },
      { inputPerturbation: 0.1 },
      { learnedUncertainty: true },
      { learnedVariance: { type: "hybrid", lambda: 0.01 }, model: { learns_variance: true } }
    ]
    for (const choice of choices) {
      const identity = trainingIdentity(decode(choice))
      for (const [field, value] of Object.entries(choice)) {
        if (field === "model") assert.include(identity[field] as object, value as object)
        else assert.deepStrictEqual(identity[field], value)
      }
      assert.deepStrictEqual(encodeRunConfig(decode(encodeRunConfig(decode(choice)))), encodeRunConfig(decode(choice)))
    }
  })

  it("may leave options to their defaults", () => {
    assert.deepStrictEqual(decode({ objective: { type: "edm" } }).objective, { type: "edm", sigmaData: 0.5 })
    assert.deepStrictEqual(decode({ weighting: { type: "min-snr" } }).weighting, { type: "min-snr", gamma: 5 })
    assert.deepStrictEqual(decode({ loss: { type: "smooth-l1" } }).loss, {
      type: "smooth-l1",
      c: 0.1,
      schedule: "constant"
    })
  })

  it("says of wrong values what was expected", () => {
    const wrong: ReadonlyArray<readonly [Json, RegExp]> = [
      [
        { objective: "nois" },
        /^objective: expected "noise" \| "velocity" \| "sample" \| "score" \| "edm", got "nois"/
      ],
      [{ objective: { type: "edm", sigmaData: 0 } }, /^objective.sigmaData: expected a number above 0, got 0/],
      [{ objective: { type: "edm", sigmaDta: 1 } }, /^objective.sigmaDta: unknown field; did you mean "sigmaData"\?/],
      [{ weighting: "minsnr" }, /^weighting: expected "simple" \| "snr" \| .*, got "minsnr"/],
      [{ weighting: { type: "min-snr", gamma: -1 } }, /^weighting.gamma: expected a number above 0, got -1/],
      [{ weighting: { type: "uniform", of: "noise" } }, /^weighting.of: expected "epsilon" \| "sample"/],
      [{ loss: "l2" }, /^loss: expected "mse" \| "l1" \| "huber" \| "smooth-l1", got "l2"; did you mean "mse"\?$/],
      [{ loss: "l3" }, /^loss: expected "mse" \| "l1" \| "huber" \| "smooth-l1", got "l3"$/],
      [{ loss: 2 }, /^loss: expected one of "mse", "l1", "huber", "smooth-l1", or an object whose type is "huber" or/],
      [{ offsetNoise: -0.1 }, /^offsetNoise: expected a number of at least 0, got -0.1/],
      [
        { learnedVariance: "hybrid" },
        /^learnedVariance: expected "none", .* it does when model.learns_variance is true/
      ],
      [{ model: { learns_variance: true } }, /^learnedVariance: expected "hybrid" or "bound", because the network/],
      [
        { model: { learns_variance: true }, learnedVariance: "bound", loss: "l1" },
        /^loss: expected "mse", because learnedVariance is "bound"/
      ],
      [
        { model: { learns_variance: true }, learnedVariance: "hybrid", learnedUncertainty: true },
        /^learnedUncertainty: expected false, because of learnedVariance/
      ]
    ]
    for (const [fields, message] of wrong) {
      const problems = problemsOf(fields)
      assert.strictEqual(problems.length, 1, problems.join("\n"))
      assert.match(problems[0]!, message)
    }
  })

  it("says what names from elsewhere are here, and takes none of them", () => {
    const names: ReadonlyArray<readonly [field: string, elsewhere: string, here: string]> = [
      ["objective", "epsilon", "noise"],
      ["objective", "eps", "noise"],
      ["objective", "v", "velocity"],
      ["objective", "v_prediction", "velocity"],
      ["objective", "v-prediction", "velocity"],
      ["objective", "x0", "sample"],
      ["loss", "l2", "mse"],
      ["loss", "L2", "mse"],
      ["loss", "mae", "l1"]
    ]
    for (const [field, elsewhere, here] of names) {
      const [problem, ...others] = problemsOf({ [field]: elsewhere })
      assert.deepStrictEqual(others, [])
      assert.isTrue(problem!.endsWith(`, got "${elsewhere}"; did you mean "${here}"?`), problem)
      decode({ [field]: here })
    }
    assert.notInclude(problemsOf({ objective: "toString" })[0]!, "did you mean")
  })

  it("of images has twice the channels where a variance is learned", () => {
    const digits = (fields: Json) => decodeRunConfig(overlay(encodeRunConfig(presets["digits"]!), fields), "the test")
    const { problems } = Effect.runSync(Effect.flip(digits({ learnedVariance: "hybrid" })))
    assert.match(problems[0]!, /it does when model.out_channels is 2, twice model.in_channels$/)
    const config = Effect.runSync(digits({ learnedVariance: "hybrid", model: { out_channels: 2 } }))
    assert.strictEqual(config.learnedVariance, "hybrid")
  })

  it.effect("is made of the services that it names", () =>
    Effect.gen(function*() {
      const found = Effect.fnUntraced(function*(fields: Json) {
        const services = Layer.provide(learningServices(decode(fields)), NoiseSchedule.cosine({ steps: 100 }))
        return yield* Effect.all([Objective, LossWeighting, Distance]).pipe(Effect.provide(services))
      })
      const choices: ReadonlyArray<readonly [Json, string, string, string]> = [
        [{}, "noise", "simple", "squared"],
        [{ objective: "velocity", weighting: "snr", loss: "l1" }, "velocity", "snr", "absolute"],
        [{ objective: "sample", weighting: "truncated-snr", loss: "huber" }, "sample", "truncated-snr", "huber"],
        [{ objective: "score", weighting: { type: "uniform", of: "epsilon" } }, "score", "uniform", "squared"],
        [{ objective: "edm", weighting: "edm", loss: { type: "smooth-l1", c: 0.5 } }, "edm", "edm", "smooth-l1"],
        [{ objective: { type: "edm", sigmaData: 1 }, weighting: "min-snr" }, "edm", "min-snr", "squared"],
        [{ weighting: { type: "soft-min-snr", gamma: 2 } }, "noise", "soft-min-snr", "squared"],
        [{ weighting: { type: "p2", k: 2 } }, "noise", "p2", "squared"],
        [{ weighting: { type: "bound", variance: "fixed-large" } }, "noise", "bound", "squared"]
      ]
      for (const [fields, ...names] of choices) {
        const [objective, weighting, distance] = yield* found(fields)
        assert.deepStrictEqual([objective.name, weighting.name, distance.name], names)
        const given = fields["weighting"]
        if (typeof given === "object") {
          const { type: _, ...options } = given as Json
          assert.include(weighting.config as object, options)
        }
      }
      const schedule = yield* NoiseSchedule.pipe(Effect.provide(NoiseSchedule.cosine({ steps: 100 })))
      const [, bound] = yield* found({ weighting: "bound" })
      assert.isTrue(Result.isSuccess(weightTable(bound, schedule, "epsilon")))
    }))
})

describe("a run that learns something else", () => {
  const train = async (name: string, fields: Json, ...flags: ReadonlyArray<string>) => {
    const config = tinyConfig(folder.path, fields)
    const run = join(folder.path, name)
    const outcome = await cli("train", "--config", config, "--steps", "60", "--out", run, ...flags)
    assert.strictEqual(outcome.code, 0, outcome.stderr)
    const metrics = readFileSync(join(run, "metrics.jsonl"), "utf8").trimEnd().split("\n")
    return JSON.parse(metrics.at(-1)!)["heldOutLoss"] as number
  }

  /** The variational bound of a run, in nats a dimension. */
  const boundOf = async (name: string): Promise<number> => {
    const run = join(folder.path, name)
    const flags = ["--examples", "8", "--timesteps", "5", "--json"]
    const { code, stderr, stdout } = await cli("evaluate", "bound", run, ...flags)
    assert.strictEqual(code, 0, stderr)
    return JSON.parse(stdout.trimEnd().split("\n").at(-1)!).total.mean
  }

  it("trains, draws and is evaluated by its errors of the noise", { timeout: 60_000 }, async () => {
    const heldOut = await train("edm", {
      objective: { type: "edm", sigmaData: 0.6 },
      weighting: { type: "min-snr", gamma: 5 },
      loss: { type: "huber", c: 0.2, schedule: "snr" },
      offsetNoise: 0.05,
      inputPerturbation: 0.1
    })
    assert.isBelow(heldOut, 1)
    assert.isAbove(heldOut, 0.1)
  })

  it.each(["hybrid", "bound"])("learns a variance (%s), and draws with fixed ones", { timeout: 60_000 }, async (by) => {
    const model = { width: 32, depth: 1, octaves: 1, learns_variance: true }
    const heldOut = await train(by, { learnedVariance: by, model })
    assert.isBelow(heldOut, 1)
    assert.isTrue(Number.isFinite(await boundOf(by)))
  })

  it("goes together with a network that is shown its own estimate", { timeout: 60_000 }, async () => {
    const heldOut = await train("together", {
      model: { width: 32, depth: 1, octaves: 1, learns_variance: true, self_condition: true },
      objective: { type: "edm", sigmaData: 0.6 },
      weighting: "edm",
      learnedVariance: "hybrid"
    })
    assert.isBelow(heldOut, 1)
  })

  it("learns its uncertainty, and is evaluated and drawn without it", { timeout: 60_000 }, async () => {
    const heldOut = await train("uncertain", { learnedUncertainty: true })
    assert.isBelow(heldOut, 1)
    const drawn = await cli("sample", join(folder.path, "uncertain"), "--count", "5", "--steps", "5")
    assert.strictEqual(drawn.code, 0, drawn.stderr)
    assert.isTrue(Number.isFinite(await boundOf("uncertain")))
  })
})
