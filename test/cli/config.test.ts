import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { TimestepSampler } from "@effusion/core/pipeline"
import { cosine, type ScheduleConfig, toConfig } from "@effusion/core/schedule"
import { Effect, FileSystem, Path, Result } from "effect"
import * as fc from "fast-check"
import type { Json, RunConfig } from "../../packages/cli/src/configuration/config.ts"
import {
  decodeRunConfig,
  encodeRunConfig,
  overlay,
  trainingIdentity
} from "../../packages/cli/src/configuration/config.ts"
import { presets } from "../../packages/cli/src/configuration/presets.ts"
import type { Overrides } from "../../packages/cli/src/configuration/resolve.ts"
import { override, resolve } from "../../packages/cli/src/configuration/resolve.ts"
import { scheduleFrom, scheduleTypes, signalWarning } from "../../packages/cli/src/configuration/schedules.ts"
import { pipelineServices } from "../../packages/cli/src/configuration/session.ts"
import { nearest } from "../../packages/cli/src/internal/nearest.ts"

const preset = fc.constantFrom(...Object.values(presets))

const decode = (input: unknown): RunConfig => Effect.runSync(decodeRunConfig(input, "the test's configuration"))

const problemsOf = (input: unknown): ReadonlyArray<string> =>
  Effect.runSync(Effect.flip(decodeRunConfig(input, "the test's configuration"))).problems

/** The dotted paths of all values of a document that are no objects. */
const pathsOf = (json: Json, prefix = ""): ReadonlyArray<string> =>
  Object.entries(json).flatMap(([field, value]) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? pathsOf(value as Json, `${prefix}${field}.`)
      : [`${prefix}${field}`]
  )

const get = (json: Json, path: string): unknown =>
  path.split(".").reduce<unknown>((value, field) => (value as Json)[field], json)

const withValue = (json: Json, path: string, value: unknown): Json => {
  const [field, ...rest] = path.split(".")
  return {
    ...json,
    [field!]: rest.length === 0 ? value : withValue((json[field!] ?? {}) as Json, rest.join("."), value)
  }
}

describe("presets", () => {
  it("are valid configurations, under their own names", () => {
    for (const [name, config] of Object.entries(presets)) {
      assert.strictEqual(config.preset, name)
      assert.deepStrictEqual(encodeRunConfig(decode(config)), encodeRunConfig(config))
    }
  })
})

describe("a configuration", () => {
  const count = fc.integer({ min: 1, max: 1_000_000 })
  const part = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  const normal = (type: string) =>
    fc.record({
      type: fc.constant(type),
      // JSON has no -0.
      mean: fc.double({ min: -5, max: 5, noNaN: true }).map((mean) => mean + 0),
      standardDeviation: fc.double({ min: 0.1, max: 5, noNaN: true }),
      spread
    }, { requiredKeys: ["type"] })
  const spread = fc.constantFrom("independent", "stratified", "antithetic")
  const timesteps = fc.oneof(
    fc.constantFrom("uniform", "stratified", "antithetic"),
    normal("log-normal"),
    normal("logit-normal"),
    fc.record({
      type: fc.constant("loss-second-moment"),
      history: fc.integer({ min: 1, max: 100 }),
      uniform: fc.double({ min: 1e-6, max: 1, noNaN: true }),
      spread
    }, { requiredKeys: ["type"] })
  )
  const config = fc.tuple(
    preset,
    fc.record({
      steps: count,
      batchSize: count,
      accumulate: count,
      seed: fc.maxSafeNat(),
      threads: count,
      rematerialize: fc.constantFrom(true, false, "all" as const),
      data: fc.constantFrom("digits", "images:a folder/x", "idx:a folder/x", "points:checkerboard"),
      timesteps,
      averaging: fc.record({ decay: part, warmUp: fc.constantFrom("none", "ratio", { power: 0.75 }) }),
      optimizer: fc.record({ algorithm: fc.constantFrom("adam", "adamw"), warmUp: part, clipNorm: fc.option(count) }, {
        requiredKeys: []
      })
    }, { requiredKeys: [] })
  ).map(([preset, changes]) => decode(overlay(preset, changes as Json)))

  it("is the same after it was written as JSON and read again", () => {
    fc.assert(fc.property(config, (config) => {
      const read = decode(JSON.parse(JSON.stringify(encodeRunConfig(config))))
      assert.deepStrictEqual(encodeRunConfig(read), encodeRunConfig(config))
    }))
  })

  it("is decoded to the same values when it is laid over any preset", () => {
    fc.assert(fc.property(config, preset, (config, below) => {
      const json = encodeRunConfig(config)
      const decoded = encodeRunConfig(decode(overlay(below, json)))
      // What a preset has and the document lacks stays: only optional fields can be lacking.
      for (const path of pathsOf(json)) assert.deepStrictEqual(get(decoded, path), get(json, path))
    }))
  })

  it("names every wrong field, and no other", () => {
    fc.assert(fc.property(
      preset.chain((preset) =>
        fc.tuple(
          fc.constant(preset),
          fc.subarray(pathsOf(preset).filter((path) => !path.endsWith(".type")), { minLength: 1 })
        )
      ),
      ([preset, paths]) => {
        // No field may be an empty object, so this is wrong anywhere.
        const wrong = paths.reduce<Json>((json, path) => withValue(json, path, {}), preset)
        const named = problemsOf(wrong).map((line) => line.slice(0, line.indexOf(":")))
        for (const path of paths) assert.include(named.map((name) => name.slice(0, path.length)), path)
        for (const name of named) assert.isTrue(paths.some((path) => name.startsWith(path)), name)
      }
    ))
  })

  it("names a field that it does not know, and the one that was meant", () => {
    const problems = problemsOf(overlay(presets["fashion"]!, {
      batchsize: 1,
      optimizer: { learning_rate: 1 },
      model: { dropuot: 0.1 },
      checkpoints: { zzzzzzzz: 1 },
      timesteps: { type: "loss-second-moment", histroy: 10 },
      guidance: { scael: 2 }
    }))
    assert.deepStrictEqual([...problems].sort(), [
      `batchsize: unknown field; did you mean "batchSize"?`,
      `checkpoints.zzzzzzzz: unknown field`,
      `guidance.scael: unknown field; did you mean "scale"?`,
      `model.dropuot: unknown field; did you mean "dropout"?`,
      `optimizer.learning_rate: unknown field; did you mean "learningRate"?`,
      `timesteps.histroy: unknown field; did you mean "history"?`
    ])
  })

  it("says what it expected, and what it got", () => {
    const wrong: ReadonlyArray<readonly [string, unknown, RegExp]> = [
      ["steps", 0, /^steps: expected a whole number of at least 1, got 0$/],
      ["steps", 1.5, /^steps: expected an integer, got 1.5$/],
      ["batchSize", "many", /^batchSize: expected number, got "many"$/],
      ["seed", -1, /^seed: expected a whole number of at least 0, got -1$/],
      ["optimizer.learningRate", 0, /^optimizer.learningRate: expected a number above 0, got 0$/],
      ["optimizer.beta2", 1, /^optimizer.beta2: expected a number from 0 to below 1, got 1$/],
      [
        "schedule.type",
        "quadratic",
        /^schedule: expected an object whose type is one of "linear", "scaled-linear", "cosine", .*, got /
      ],
      ["schedule.beta", 1, /^schedule.beta: unknown field$/],
      ["schedule.zeroTerminalSnr", 1, /^schedule.zeroTerminalSnr: expected boolean, got 1$/],
      ["data", "mnist", /^data: expected "digits", "images:<folder>", "idx:<folder>" or .*, got "mnist"$/],
      ["data", "points:swiss", /^data: expected .*"points:swiss-roll".*, got "points:swiss"$/],
      ["data", "idx:", /^data: expected .*, got "idx:"$/],
      ["data", "images:", /^data: expected .*, got "images:"$/],
      ["sampling.steps", 1001, /^sampling.steps: expected at most schedule.steps \(1000\), got 1001$/],
      [
        "sampling.variance",
        "learned-log",
        /^sampling.variance: expected "fixed-small" \| "fixed-large" \| "learned-range", got "learned-log"$/
      ],
      ["previews.steps", 1001, /^previews.steps: expected at most schedule.steps \(1000\), got 1001$/],
      [
        "timesteps",
        "normal",
        /^timesteps: expected one of "uniform", .*, "loss-second-moment", or an object whose type is .*, got "normal"$/
      ],
      ["timesteps", { type: "mine" }, /^timesteps: expected .* "logit-normal" or "loss-second-moment", got /],
      ["timesteps", { type: "log-normal", standardDeviation: 0 }, /^timesteps.standardDeviation: .* above 0, got 0$/],
      ["timesteps", { type: "loss-second-moment", history: 0 }, /^timesteps.history: .* of at least 1, got 0$/],
      ["timesteps", { type: "loss-second-moment", uniform: 0 }, /^timesteps.uniform: .* above 0 and at most 1, got 0$/],
      ["timesteps", { type: "logit-normal", spread: "wide" }, /^timesteps.spread: expected "independent" .*"wide"$/],
      ["model.sample_size", 30, /^model.sample_size: .*a multiple of 4\b.*30/]
    ]
    for (const [path, value, message] of wrong) {
      const problems = problemsOf(withValue(presets["digits"]!, path, value))
      assert.strictEqual(problems.length, 1, problems.join("; "))
      assert.match(problems[0]!, message)
    }
  })

  it("names what is wrong between fields even if others are wrong in themselves", () => {
    const problems = problemsOf(
      overlay(presets["digits"]!, { steps: "x", sampling: { steps: 2000 }, model: { norm_num_groups: 7 } })
    )
    assert.isTrue(problems.some((line) => line.startsWith("steps:")))
    assert.isTrue(problems.some((line) => line.startsWith("sampling.steps:")))
    assert.isTrue(problems.some((line) => line.startsWith("model.block_out_channels:")))
  })
})

describe("the schedule of a configuration", () => {
  const scheduled = (schedule: Json, objective = "velocity") =>
    Effect.runSync(Effect.result(decodeRunConfig(
      { ...presets["points"]!, schedule, objective },
      "the configuration"
    )))

  const valid: ReadonlyArray<readonly [options: Json, expected: ScheduleConfig]> = [
    [{ type: "linear", steps: 1000 }, { name: "linear", steps: 1000, start: 1e-4, end: 0.02 }],
    [{ type: "linear", steps: 200, betaStart: 1e-3, betaEnd: 0.05 }, {
      name: "linear",
      steps: 200,
      start: 1e-3,
      end: 0.05
    }],
    [{ type: "linear", steps: 200, referenceSteps: 1000 }, {
      name: "linear",
      steps: 200,
      start: 1e-4,
      end: 0.02,
      referenceSteps: 1000
    }],
    [{ type: "scaled-linear", steps: 200, betaEnd: 0.01 }, {
      name: "scaled-linear",
      steps: 200,
      start: 8.5e-4,
      end: 0.01
    }],
    [{ type: "cosine", steps: 200 }, { name: "cosine", steps: 200, offset: 0.008, maximumBeta: 0.999 }],
    [{ type: "sigmoid-beta", steps: 200 }, { name: "sigmoid-beta", steps: 200, start: 1e-4, end: 0.02 }],
    [{ type: "sigmoid-alpha-bar", steps: 200, tau: 0.7 }, {
      name: "sigmoid-alpha-bar",
      steps: 200,
      start: -3,
      end: 3,
      tau: 0.7,
      maximumBeta: 0.999
    }],
    [{ type: "exponential", steps: 200 }, { name: "exponential", steps: 200, rate: 12, maximumBeta: 0.999 }],
    [{ type: "laplace", steps: 200, convention: "diffusers" }, {
      name: "laplace",
      steps: 200,
      location: 0,
      scale: 0.5,
      maximumBeta: 0.999,
      convention: "diffusers"
    }],
    [{ type: "log-snr-linear", steps: 200, logSnrMin: -8 }, {
      name: "discretized",
      of: { name: "linear", logSnrMax: 13.3, logSnrMin: -8 },
      steps: 200
    }],
    [{ type: "shifted-cosine", steps: 200, shift: 0.5 }, {
      name: "discretized",
      of: { name: "cosine", logSnrMax: 15, logSnrMin: -15, shift: 0.5 },
      steps: 200
    }]
  ]

  it("may be of every family, and ends in noise alone where it is to", () => {
    assert.sameMembers([...new Set(valid.map(([{ type }]) => type))], [...scheduleTypes])
    for (const [options, expected] of valid) {
      const config = Result.getOrThrow(scheduled(options))
      const schedule = Result.getOrThrow(scheduleFrom(config.schedule))
      assert.deepStrictEqual(toConfig(schedule), expected)
      for (const [option, value] of Object.entries(options)) {
        assert.strictEqual(get(config, `schedule.${option}`), value)
      }
      assert.deepStrictEqual(decode(encodeRunConfig(config)), config)
      const rescaled = Result.getOrThrow(scheduled({ ...options, zeroTerminalSnr: true }))
      const terminal = Result.getOrThrow(scheduleFrom(rescaled.schedule))
      assert.strictEqual(terminal.alphaBar.at(-1), 0)
      assert.deepStrictEqual(toConfig(terminal), { name: "zero-terminal-snr", of: expected })
    }
  })

  it("keeps what older runs are known by", () => {
    for (
      const schedule of [{ type: "cosine", steps: 200 }, { type: "linear", steps: 200, betaStart: 1e-4, betaEnd: 0.02 }]
    ) {
      assert.deepStrictEqual(trainingIdentity(Result.getOrThrow(scheduled(schedule)))["schedule"], schedule)
    }
  })

  it("is warned of where it leaves a signal that samples do not start from", () => {
    const short = { type: "linear", steps: 200, betaStart: 1e-4, betaEnd: 0.02 } as const
    assert.match(
      signalWarning(short)!,
      /^the schedule "linear" with 200 timesteps ends at alphaBar 0\.13, but .*\(1000\)/
    )
    for (
      const options of [
        { ...short, referenceSteps: 1000 },
        { ...short, steps: 1000 },
        { ...short, zeroTerminalSnr: true },
        ...Object.values(presets).map(({ schedule }) => schedule)
      ]
    ) assert.isUndefined(signalWarning(options))
  })

  it("says why there is none", () => {
    const wrong: ReadonlyArray<readonly [Json, string, RegExp]> = [
      [
        { type: "linear", steps: 200, betaEnd: 0.9, referenceSteps: 1000 },
        "noise",
        /^schedule: .*take at least 901 steps$/
      ],
      [
        { type: "sigmoid-alpha-bar", steps: 200, start: 3, end: -3 },
        "noise",
        /^schedule: "end" is -3; it is above "start"/
      ],
      [{ type: "log-snr-linear", steps: 200, logSnrMax: 50 }, "noise", /^schedule: "logSnrMax" is 50/],
      [
        { type: "cosine", steps: 200, zeroTerminalSnr: true },
        "noise",
        /^objective: "noise" says nothing of the data.*use "velocity"$/
      ]
    ]
    for (const [schedule, objective, message] of wrong) {
      const problem = Result.getOrThrow(Result.flip(scheduled(schedule, objective)))
      assert.strictEqual(problem.problems.length, 1, problem.problems.join("; "))
      assert.match(problem.problems[0]!, message)
    }
    const elsewhereToo = Result.getOrThrow(Result.flip(Effect.runSync(Effect.result(decodeRunConfig(
      { ...presets["points"]!, seed: -1, schedule: { type: "cosine", steps: 200, zeroTerminalSnr: true } },
      "the configuration"
    )))))
    assert.deepStrictEqual(elsewhereToo.problems.map((line) => line.split(":")[0]).sort(), ["objective", "seed"])
  })
})

describe("laying one document over another", () => {
  const json = fc.letrec<{ readonly value: unknown; readonly object: Json }>((tie) => ({
    object: fc.dictionary(fc.constantFrom("a", "b", "c"), tie("value"), { minKeys: 1, noNullPrototype: true }),
    value: fc.oneof({ depthSize: "small" }, fc.integer(), fc.constant(null), fc.array(fc.integer()), tie("object"))
  })).object as fc.Arbitrary<Json>

  it("has the empty document as its neutral element", () => {
    fc.assert(fc.property(json, (document) => {
      assert.deepStrictEqual(overlay(document, {}), document)
      assert.deepStrictEqual(overlay({}, document), document)
    }))
  })

  it("keeps every value of the upper one, and of the lower one what the upper one does not name", () => {
    fc.assert(fc.property(json, json, (below, above) => {
      const result = overlay(below, above)
      for (const path of pathsOf(above)) assert.deepStrictEqual(get(result, path), get(above, path))
      const named = (path: string) =>
        pathsOf(above).some((other) => other === path || path.startsWith(`${other}.`) || other.startsWith(`${path}.`))
      for (const path of pathsOf(below)) if (!named(path)) assert.deepStrictEqual(get(result, path), get(below, path))
    }))
  })

  it("replaces an object by one of another type", () => {
    const below = { model: { type: "unet", sample_size: 28 }, steps: 1 }
    assert.deepStrictEqual(overlay(below, { model: { type: "mlp", width: 3 } }), {
      model: { type: "mlp", width: 3 },
      steps: 1
    })
    assert.deepStrictEqual(overlay(below, { model: { type: "unet", dropout: 0 } }), {
      model: { type: "unet", sample_size: 28, dropout: 0 },
      steps: 1
    })
  })
})

describe("flags", () => {
  const overrides: fc.Arbitrary<Overrides> = fc.record({
    steps: fc.nat(),
    batchSize: fc.nat(),
    accumulate: fc.nat(),
    seed: fc.nat(),
    threads: fc.nat(),
    rematerialize: fc.constantFrom(true, false, "all" as const),
    learningRate: fc.double({ min: 1e-9, max: 1, noNaN: true }),
    data: fc.string(),
    schedule: fc.constantFrom(...scheduleTypes)
  }, { requiredKeys: [] })

  it("override what they name, and nothing else", () => {
    fc.assert(fc.property(preset, overrides, (preset, overrides) => {
      const config = override(preset, overrides)
      const places: { readonly [name: string]: string } = {
        learningRate: "optimizer.learningRate",
        schedule: "schedule.type"
      }
      const changed = new Map(Object.entries(overrides).map(([name, value]) => [places[name] ?? name, value]))
      for (const [path, value] of changed) assert.deepStrictEqual(get(config, path), value)
      for (const path of pathsOf(preset)) {
        const lost = path.startsWith("schedule.beta") && get(config, "schedule.type") !== "linear"
        if (!changed.has(path) && !lost) assert.deepStrictEqual(get(config, path), get(preset, path))
      }
    }))
  })
})

describe("resolving", () => {
  const withFile = <A, E>(
    content: string,
    use: (path: string) => Effect.Effect<A, E, FileSystem.FileSystem | Path.Path>
  ) =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const file = `${yield* fs.makeTempDirectoryScoped()}/run.json`
      yield* fs.writeFileString(file, content)
      return yield* use(file)
    }).pipe(Effect.provide(NodeServices.layer))

  it.effect("takes flags before the file, the file before the preset", () =>
    withFile(JSON.stringify({ preset: "points", steps: 11, batchSize: 12 }), (configFile) =>
      Effect.gen(function*() {
        const config = yield* resolve({ configFile, overrides: { batchSize: 13 } })
        assert.strictEqual(config.preset, "points")
        assert.strictEqual(config.steps, 11)
        assert.strictEqual(config.batchSize, 13)
        assert.deepStrictEqual(config.optimizer, presets["points"]!.optimizer)
        const other = yield* resolve({ preset: "digits-small", configFile, overrides: {} })
        assert.strictEqual(other.preset, "digits-small")
        assert.deepStrictEqual(other.model, presets["digits-small"]!.model)
        assert.strictEqual(other.steps, 11)
      })))

  it.effect("takes the configuration that a run wrote", () =>
    withFile(
      JSON.stringify(encodeRunConfig({ ...presets["fashion"]!, seed: 5 })),
      (configFile) =>
        Effect.gen(function*() {
          const config = yield* resolve({ configFile, overrides: {} })
          assert.deepStrictEqual(encodeRunConfig(config), encodeRunConfig({ ...presets["fashion"]!, seed: 5 }))
        })
    ))

  it.effect("refuses a preset of which a file leaves nothing but the name", () =>
    Effect.forEach(
      Object.values(presets),
      (run) =>
        withFile(JSON.stringify(encodeRunConfig(run)), (configFile) =>
          Effect.gen(function*() {
            for (const preset of Object.keys(presets)) {
              const resolved = resolve({ preset, configFile, overrides: { steps: 7 } })
              if (preset === run.preset) {
                assert.strictEqual((yield* resolved).steps, 7)
              } else {
                assert.strictEqual(
                  (yield* Effect.flip(resolved)).message,
                  `--preset ${preset} would change nothing but the name: "${configFile}" has every field, and those of ` +
                    `"${run.preset}"; leave --preset out`
                )
              }
            }
          }))
    ))

  it.effect("names the flag of a wrong value that came from one, and the field of one that did not", () =>
    withFile(JSON.stringify({ steps: 0, seed: -1 }), (configFile) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(resolve({ configFile, overrides: { steps: 0, learningRate: -1 } }))
        assert.strictEqual(
          error.message,
          [
            `${configFile} is not valid in 3 places:`,
            "  optimizer.learningRate: expected a number above 0, got -1".replace(
              "optimizer.learningRate",
              "--learning-rate"
            ),
            "  --steps: expected a whole number of at least 1, got 0",
            "  seed: expected a whole number of at least 0, got -1"
          ].join("\n")
        )
      })))

  it.effect("makes a folder of data absolute", () =>
    Effect.gen(function*() {
      const paths = yield* Path.Path
      for (const kind of ["idx", "images"]) {
        const config = yield* resolve({ preset: "fashion", overrides: { data: `${kind}:some/folder` } })
        assert.strictEqual(config.data, `${kind}:${paths.resolve("some/folder")}`)
      }
    }).pipe(Effect.provide(NodeServices.layer)))

  it.effect("refuses a preset that there is not, and proposes one", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(resolve({ preset: "digit", overrides: {} }))
      assert.strictEqual(
        error.message,
        `there is no preset "digit" (did you mean "digits"?); choose one of digits, digits-small, fashion, points, ddpm-cifar10`
      )
      const inherited = yield* Effect.flip(resolve({ preset: "constructor", overrides: {} }))
      assert.strictEqual(inherited._tag, "UnknownPreset")
    }).pipe(Effect.provide(NodeServices.layer)))

  for (
    const [content, message] of [["{ steps: 3 }", /is not valid: it is not JSON/], [
      "[1]",
      /expected a JSON object/
    ]] as const
  ) {
    it.effect(`refuses the file ${content}`, () =>
      withFile(
        content,
        (configFile) =>
          Effect.map(
            Effect.flip(resolve({ configFile, overrides: {} })),
            (error) => assert.match(error.message, message)
          )
      ))
  }

  it.effect("refuses a file that does not exist", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(resolve({ configFile: "no/such.json", overrides: {} }))
      assert.strictEqual(
        error.message,
        `cannot read the configuration "no/such.json": it does not exist; check the path`
      )
    }).pipe(Effect.provide(NodeServices.layer)))
})

describe("the nearest name", () => {
  it("finds a name with one slip in it", () => {
    const name = fc.stringMatching(/^[a-z]{4,12}$/)
    fc.assert(fc.property(name, fc.nat(), fc.constantFrom("delete", "double"), (name, position, slip) => {
      const i = position % name.length
      const written = slip === "delete"
        ? name.slice(0, i) + name.slice(i + 1)
        : name.slice(0, i) + name[i] + name.slice(i)
      assert.strictEqual(nearest(written, ["x".repeat(40), name, "y".repeat(50)]), name)
    }))
  })

  it("finds nothing among names that are something else", () => {
    assert.isUndefined(nearest("threads", ["digits", "fashion"]))
    assert.isUndefined(nearest("threads", []))
  })
})

describe("what a checkpoint says of its run's configuration", () => {
  it("is what it was before there was a choice of timesteps, so that those runs go on", () => {
    const { guidance: _, timesteps: __, ...before } = encodeRunConfig(presets["points"]!)
    const config = decode(before)
    assert.strictEqual(config.timesteps, "uniform")
    assert.isNull(config.guidance)
    assert.doesNotHaveAnyKeys(trainingIdentity(config), ["timesteps"])
    assert.include(trainingIdentity({ ...config, timesteps: "stratified" }), { timesteps: "stratified" })
  })

  it("is what it was before gradients could be accumulated, and how many batches are in a step", () => {
    const { accumulate: _, ...before } = encodeRunConfig(presets["points"]!)
    const config = decode(before)
    assert.strictEqual(config.accumulate, 1)
    assert.doesNotHaveAnyKeys(trainingIdentity(config), ["accumulate"])
    fc.assert(fc.property(fc.integer({ min: 2, max: 1000 }), (accumulate) => {
      assert.include(trainingIdentity({ ...config, accumulate }), { accumulate })
    }))
  })

  it("takes the name of uneven timesteps for that type with its defaults", () => {
    const samplerOf = (timesteps: unknown) => {
      const config = decode({ ...presets["points"]!, timesteps })
      assert.deepStrictEqual(decode(encodeRunConfig(config)), config)
      return Effect.runSync(Effect.provide(TimestepSampler, pipelineServices(config)))
    }
    const schedule = Result.getOrThrow(cosine({ steps: 20 }))
    for (const type of ["log-normal", "logit-normal", "loss-second-moment"]) {
      const [named, typed] = [samplerOf(type), samplerOf({ type })]
      assert.strictEqual(named.name, type)
      assert.strictEqual(named.spread, typed.spread)
      const table = ({ distribution }: typeof named) =>
        distribution._tag === "Fixed"
          ? distribution.probabilities(schedule)
          : distribution._tag === "Learned"
          ? distribution.learning(schedule.steps).initial
          : assert.fail(`${type} is uniform`)
      assert.deepStrictEqual(table(named), table(typed))
    }
  })

  it("says how uneven timesteps are drawn, defaults included", () => {
    const identity = (timesteps: Json) => trainingIdentity(decode({ ...presets["points"]!, timesteps }))["timesteps"]
    assert.deepStrictEqual(identity({ type: "log-normal" }), {
      type: "log-normal",
      mean: -1.2,
      standardDeviation: 1.2,
      spread: "independent"
    })
    assert.deepStrictEqual(identity({ type: "logit-normal", mean: 1 }), {
      type: "logit-normal",
      mean: 1,
      standardDeviation: 1,
      spread: "independent"
    })
    assert.deepStrictEqual(identity({ type: "loss-second-moment", spread: "stratified" }), {
      type: "loss-second-moment",
      history: 10,
      uniform: 0.001,
      spread: "stratified"
    })
  })
})
