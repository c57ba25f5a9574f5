import { assert, describe, it } from "@effect/vitest"
import {
  addNoise,
  boundTerm,
  conversion,
  convert,
  edm,
  mixtureOf,
  type Parameterization,
  posterior,
  predictionTypes
} from "@effusion/core/diffusion"
import {
  boundLoss,
  Denoiser,
  Distance,
  hybridLoss,
  LossWeighting,
  Objective,
  weightedLoss
} from "@effusion/core/pipeline"
import * as S from "@effusion/core/schedule"
import { NoiseSchedule } from "@effusion/core/schedule"
import { float32 } from "@effusion/core/tensor"
import { Effect, Layer, Result } from "effect"
import * as fc from "fast-check"
import goldens from "../../fixtures/vlb-goldens.json" with { type: "json" }
import { describeEngines } from "../../support/engines.ts"
import { forAll } from "../../support/properties.ts"
import { apply, difference, gradients, type HostTensors, rows, timesteps } from "./compute.ts"

const linear = Result.getOrThrow(S.linear({ steps: 1000 }))
const cosine = Result.getOrThrow(S.cosine({ steps: 1000 }))

/** A denoiser that is never asked. */
const denoiser = (learnsVariance: boolean) =>
  Layer.succeed(Denoiser, {
    name: "none",
    exampleShape: [192],
    parameters: {},
    learnsVariance,
    draws: () => ({}),
    apply: ({ x }) => x!
  })

const given = (schedule: S.Schedule, objective: Layer.Layer<Objective, never, NoiseSchedule> = Objective.noise) =>
  Layer.mergeAll(
    denoiser(true),
    Layer.provideMerge(objective, NoiseSchedule.layer(schedule))
  )

// The inputs of the published numbers; see the fixture.
const size = 192
const ts = [0, 1, 500, 999]
const indices = ts.map((_, item) => Array.from({ length: size }, (_, i) => item * size + i))
const x0 = indices.map((row) => row.map((i) => ((37 * i) % 256) / 127.5 - 1))
const noise = indices.map((row) => row.map((i) => Math.SQRT2 * Math.sin(0.37 * i)))
const variance = indices.map((row) => row.map((i) => Math.cos(0.11 * i)))

const goldenRecord = (schedule: S.Schedule, learned: boolean): HostTensors => {
  const xt = ts.map((t, item) => addNoise(schedule, t, x0[item]!, noise[item]!))
  return {
    x0: rows(x0),
    noise: rows(noise),
    target: rows(noise),
    xt: rows(xt),
    prediction: rows(xt.map((row, item) => row.map((x) => x * ts[item]! / (ts[item]! + 1)))),
    t: timesteps(ts),
    ...(learned ? { variance: rows(variance) } : {})
  }
}

const variances = { FIXED_SMALL: "fixed-small", FIXED_LARGE: "fixed-large", LEARNED_RANGE: undefined } as const

const assertRelative = (actual: ArrayLike<number>, expected: ReadonlyArray<number>, tolerance: number) => {
  assert.strictEqual(actual.length, expected.length)
  expected.forEach((value, i) => assert.closeTo(actual[i]!, value, tolerance * Math.abs(value)))
}

describeEngines("the loss of the variational bound", (it) => {
  for (const golden of goldens.cases) {
    it.effect(`is that of improved-diffusion, in float32: ${golden.schedule}, ${golden.variance}`, () =>
      Effect.gen(function*() {
        const schedule = golden.schedule === "linear" ? linear : cosine
        const fixed = variances[golden.variance as keyof typeof variances]
        const options = fixed === undefined ? {} : { variance: fixed }
        const record = goldenRecord(schedule, fixed === undefined)
        const terms = yield* apply(yield* boundLoss({ ...options, scale: "term" }), record)
        assertRelative(terms["perExample"]!.data, golden.vb_bits, 3e-5)
        const whole = yield* apply(yield* boundLoss(options), record)
        assertRelative(whole["perExample"]!.data, golden.rescaled_kl, 3e-5)
        const mean = golden.rescaled_kl.reduce((sum, value) => sum + value, 0) / ts.length
        assertRelative(whole["loss"]!.data, [mean], 3e-5)
        const counted = yield* apply(yield* boundLoss(options), { ...record, importance: float32([4], [0, 4, 0, 0]) })
        assertRelative(counted["loss"]!.data, [golden.rescaled_kl[1]!], 3e-5)
      }).pipe(Effect.provide(given(golden.schedule === "linear" ? linear : cosine))))
  }

  it.effect("added to the simple one is the hybrid loss of improved-diffusion", () =>
    Effect.gen(function*() {
      const golden = goldens.cases.find(({ variance }) => variance === "LEARNED_RANGE")!
      const record = {
        ...goldenRecord(linear, true),
        perExample: float32([4], golden.mse),
        loss: float32([], [0])
      }
      const { loss, perExample } = yield* apply(yield* hybridLoss({}), record)
      assertRelative(perExample!.data, golden.hybrid_loss!, 1e-5)
      assertRelative(loss!.data, [golden.hybrid_loss!.reduce((sum, value) => sum + value, 0) / 4], 1e-5)
    }).pipe(Effect.provide(given(linear))))
})

/** The term of one element in nats, in float64, by the formulas as they are written in the papers. */
const term = (
  schedule: S.Schedule,
  t: number,
  { estimate, logVariance, x0, xt }: {
    readonly x0: number
    readonly xt: number
    readonly estimate: number
    readonly logVariance: number
  },
  decoder: "discretized-gaussian-tanh" | "gaussian"
): number => {
  const deviation = Math.exp(logVariance / 2)
  if (t > 0) {
    const truth = posterior(schedule, t, [x0], [xt])
    const mean = posterior(schedule, t, [estimate], [xt]).mean[0]!
    return Math.log(deviation / Math.sqrt(truth.variance)) - 0.5 +
      (truth.variance + (truth.mean[0]! - mean) ** 2) / (2 * deviation ** 2)
  }
  const z = (x0 - estimate) / deviation
  if (decoder === "gaussian") return z ** 2 / 2 + Math.log(2 * Math.PI) / 2 + logVariance / 2
  const cdf = (z: number) => 1 / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3)))
  const half = 1 / 255 / deviation
  const probability = x0 < -0.999 ? cdf(z + half) : x0 > 0.999 ? cdf(-(z - half)) : cdf(z + half) - cdf(z - half)
  return -Math.log(Math.max(probability, 1e-12))
}

/** The log-variance that a learned value stands for. */
const learned = (schedule: S.Schedule, t: number, value: number) => {
  const low = Math.log(S.posteriorVariance(schedule, Math.max(t, 1)))
  return low + (value + 1) / 2 * (Math.log(S.beta(schedule, t)) - low)
}

const byte = fc.integer({ min: 0, max: 255 }).map((value) => value / 127.5 - 1)
const value = fc.double({ min: -2, max: 2, noNaN: true })
const short = Result.getOrThrow(S.linear({ steps: 20, start: 1e-3, end: 0.4 }))
const element = fc.record({
  t: fc.nat(short.steps - 1),
  x0: byte,
  noise: value,
  error: fc.double({ min: -0.3, max: 0.3, noNaN: true }),
  variance: fc.double({ min: -1.2, max: 1.2, noNaN: true })
})
const flow: Parameterization = { name: "flow", mixture: () => ({ x0: -1, noise: 1 }) }
const objectives = [...predictionTypes, flow, Result.getOrThrow(edm({ sigmaData: 0.5 }))]
const objectiveOf = (type: (typeof objectives)[number]): Layer.Layer<Objective, never, NoiseSchedule> =>
  typeof type === "string"
    ? {
      epsilon: Objective.noise,
      sample: Objective.sample,
      v_prediction: Objective.velocity,
      score: Objective.score
    }[type]
    : Layer.orDie(Objective.predicting(type))

interface Element {
  readonly t: number
  readonly x0: number
  readonly noise: number
  readonly error: number
  readonly variance: number
}

/** A record whose estimates of x_0 are wrong by `error`, stated as predictions of a type. */
const recordOf = (elements: ReadonlyArray<Element>, type: (typeof objectives)[number]): HostTensors => {
  const column = (of: (element: Element) => number) => rows(elements.map((element) => [of(element)]))
  const target = ({ noise, t, x0 }: Element) => {
    const mixture = mixtureOf(S.levelAt(short, t), type)
    return mixture.x0 * x0 + mixture.noise * noise
  }
  const prediction = (element: Element) =>
    target(element) + element.error / conversion(short, element.t, { from: type, to: "sample" }).prediction
  return {
    x0: column(({ x0 }) => x0),
    noise: column(({ noise }) => noise),
    xt: column(({ noise, t, x0 }) => addNoise(short, t, [x0], [noise])[0]!),
    t: timesteps(elements.map(({ t }) => t)),
    target: column(target),
    prediction: column(prediction),
    variance: column(({ variance }) => variance)
  }
}

const exactly = ({ error, noise, t, variance, x0 }: Element, decoder: "discretized-gaussian-tanh" | "gaussian") =>
  term(short, t, {
    x0,
    xt: addNoise(short, t, [x0], [noise])[0]!,
    estimate: x0 + error,
    logVariance: learned(short, t, variance)
  }, decoder)

/** The same by the functions of `diffusion`. */
const onHost = (
  { error, noise, t, variance, x0 }: Element,
  predictionType: (typeof objectives)[number],
  decoder: "discretized-gaussian-tanh" | "gaussian"
) => {
  const xt = addNoise(short, t, [x0], [noise])
  const prediction = convert(short, t, xt, [x0 + error], { from: "sample", to: predictionType })
  const options = { predictionType, variance: "learned-range", clip: "none", decoder } as const
  return boundTerm(short, t, { x0: [x0], xt }, { prediction, variance: [variance] }, options).nats[0]!
}

describeEngines("a learned variance", (it) => {
  for (const type of objectives) {
    const name = typeof type === "string" ? type : type.name
    it.effect(`has the bound of the papers' formulas, of predictions of ${name}`, () =>
      forAll(fc.array(element, { minLength: 1, maxLength: 8 }), (elements) =>
        Effect.gen(function*() {
          for (const decoder of ["discretized-gaussian-tanh", "gaussian"] as const) {
            const stage = yield* boundLoss({ decoder, scale: "term" })
            const { perExample } = yield* apply(stage, recordOf(elements, type))
            elements.forEach((element, i) => {
              const expected = exactly(element, decoder) / Math.LN2
              assert.closeTo(perExample!.data[i]!, expected, 2e-5 + 1e-4 * Math.abs(expected))
              assert.closeTo(onHost(element, type, decoder) / Math.LN2, expected, 1e-9 + 1e-7 * Math.abs(expected))
            })
          }
        }), { numRuns: 10 }).pipe(Effect.provide(given(short, objectiveOf(type)))))
  }

  it.effect("has gradients that are those of the formulas", () =>
    forAll(fc.array(element, { minLength: 1, maxLength: 8 }), (elements) =>
      Effect.gen(function*() {
        for (const decoder of ["discretized-gaussian-tanh", "gaussian"] as const) {
          const stage = yield* boundLoss({ decoder, scale: "term" })
          const found = yield* gradients(stage, recordOf(elements, "sample"), ["prediction", "variance"])
          elements.forEach((element, i) => {
            // Where the likelihood is cut off it has a corner.
            const size = Math.abs(exactly(element, decoder))
            if (element.t === 0 && decoder === "discretized-gaussian-tanh" && size > 25) return
            const slope = (field: "error" | "variance") =>
              difference((x) => exactly({ ...element, [field]: x }, decoder), element[field], 1e-5) /
              Math.LN2 / elements.length
            for (const [field, of] of [["prediction", "error"], ["variance", "variance"]] as const) {
              const expected = slope(of)
              assert.closeTo(found[field]!.data[i]!, expected, 1e-3 * Math.abs(expected) + 2e-4 * (1 + size))
            }
          })
        }
      }), { numRuns: 10 }).pipe(Effect.provide(given(short, Objective.sample))))

  it.effect("is right where the data is far from the mean, down to the least probability, and so is its gradient", () =>
    Effect.gen(function*() {
      // Distances from 4 to 6.5 standard deviations, with probabilities from 1e-5 to 1e-12, on both sides.
      const variance = -1
      const deviation = Math.exp(learned(short, 0, variance) / 2)
      const elements = [4, 5, 5.5, 6, 6.3].flatMap((z) => [z, -z]).map((z) => (
        { t: 0, x0: 127 / 127.5 - 1, noise: 0.3, error: z * deviation, variance }
      ))
      const stage = yield* boundLoss({ scale: "term" })
      const { perExample } = yield* apply(stage, recordOf(elements, "sample"))
      const { prediction } = yield* gradients(stage, recordOf(elements, "sample"), ["prediction"])
      elements.forEach((element, i) => {
        // Mirrored into the left tail, where the formula as it is written keeps its digits.
        const side = Math.sign(element.error)
        const exact = (error: number) =>
          exactly({ ...element, x0: side * element.x0, error: side * error }, "discretized-gaussian-tanh") / Math.LN2
        assert.isBelow(exact(element.error), -Math.log2(1e-12))
        assert.closeTo(perExample!.data[i]! / exact(element.error), 1, 1e-5)
        const slope = difference(exact, element.error, 1e-6) / elements.length
        assert.closeTo(prediction!.data[i]! / slope, 1, 1e-3)
      })
    }).pipe(Effect.provide(given(short, Objective.sample))))

  it.effect("has finite gradients, and none where it is right", () =>
    Effect.gen(function*() {
      // At the last timesteps the two bounds of the variance are almost one: everything is a difference of equals.
      const stage = yield* boundLoss({ scale: "term" })
      const exact: HostTensors = { ...goldenRecord(linear, false), prediction: rows(noise) }
      const posteriors = rows(ts.map(() => new Float32Array(size).fill(-1)))
      const { perExample } = yield* apply(stage, { ...exact, variance: posteriors })
      assert.deepStrictEqual(Array.from(perExample!.data).slice(1), [0, 0, 0])
      const { prediction, variance } = yield* gradients(stage, { ...exact, variance: posteriors }, [
        "prediction",
        "variance"
      ])
      assert.isTrue(prediction!.data.slice(size).every((slope) => slope === 0))
      assert.isTrue(variance!.data.slice(size).every((slope) => slope === 0))
      // A variance that is too large by exp(d) costs d^2 / 4 for small d.
      const larger = rows(ts.map(() => new Float32Array(size).fill(1)))
      const dear = yield* apply(stage, { ...exact, variance: larger })
      const d = Math.log(S.beta(linear, 999) / S.posteriorVariance(linear, 999))
      assert.closeTo(dear["perExample"]!.data[3]! / (d ** 2 / 4 / Math.LN2), 1, 1e-4)
    }).pipe(Effect.provide(given(linear))))

  it.effect("is all that the hybrid loss's bound trains", () =>
    forAll(fc.array(element, { minLength: 1, maxLength: 8 }), (elements) =>
      Effect.gen(function*() {
        const simple = { perExample: float32([elements.length], elements.map(() => 0)), loss: float32([], [0]) }
        const record = { ...recordOf(elements, "epsilon"), ...simple }
        const fields = ["prediction", "variance"]
        const hybrid = yield* gradients(yield* hybridLoss({ lambda: 1 / short.steps }), record, fields)
        const alone = yield* gradients(yield* boundLoss({ scale: "term" }), record, fields)
        assert.isTrue(hybrid["prediction"]!.data.every((slope) => slope === 0))
        elements.forEach((_, i) => {
          const expected = alone["variance"]!.data[i]!
          assert.closeTo(hybrid["variance"]!.data[i]!, expected, 1e-5 * Math.abs(expected) + 1e-9)
        })
        // And there is something to be stopped.
        if (elements.every(({ error }) => Math.abs(error) > 0.01)) {
          assert.isTrue(alone["prediction"]!.data.some((slope) => slope !== 0))
        }
      }), { numRuns: 10 }).pipe(Effect.provide(given(short))))
})

describeEngines("a fixed variance", (it) => {
  for (const type of objectives) {
    const name = typeof type === "string" ? type : type.name
    it.effect(`makes the bound a weighted squared error of ${name}, and what no prediction changes`, () =>
      forAll(fc.array(element, { minLength: 1, maxLength: 8 }), (elements) =>
        Effect.gen(function*() {
          const record = Object.fromEntries(
            Object.entries(recordOf(elements, type)).filter(([field]) => field !== "variance")
          )
          for (const variance of ["fixed-small", "fixed-large"] as const) {
            const terms = yield* apply(yield* boundLoss({ variance, decoder: "gaussian", scale: "term" }), record)
            const weighting = LossWeighting.bound({ variance })
            const stage = yield* Effect.provide(weightedLoss, Layer.merge(weighting, Distance.squared))
            const squares = yield* apply(stage, record)
            elements.forEach(({ t }, i) => {
              const small = S.posteriorVariance(short, Math.max(t, 1))
              const used = variance === "fixed-large" && t > 0 ? S.beta(short, t) : small
              const rest = t === 0
                ? Math.log(2 * Math.PI * used) / 2
                : (small / used - 1 - Math.log(small / used)) / 2
              const expected = (squares["perExample"]!.data[i]! + rest) / Math.LN2
              assert.closeTo(terms["perExample"]!.data[i]!, expected, 1e-4 * (1 + Math.abs(expected)))
            })
          }
        }), { numRuns: 5 }).pipe(Effect.provide(given(short, objectiveOf(type)))))
  }
})

describe("the loss of the bound", () => {
  it.effect("is refused where it is not defined", () =>
    Effect.gen(function*() {
      const withoutSignal: S.Schedule = {
        name: "betas",
        config: {},
        steps: 2,
        beta: Float64Array.of(0.5, 1),
        alphaBar: Float64Array.of(0.5, 0)
      }
      const attempt = (objective: Layer.Layer<Objective, never, NoiseSchedule>) =>
        Effect.result(boundLoss({}).pipe(Effect.provide(given(withoutSignal, objective))))
      const ofNoise = yield* attempt(Objective.noise)
      assert.isTrue(Result.isFailure(ofNoise) && ofNoise.failure._tag === "UndefinedWeight")
      assert.isTrue(Result.isSuccess(yield* attempt(Objective.velocity)))
    }))

  it.effect("needs a variance to be hybrid", () =>
    Effect.gen(function*() {
      const build = (lambda: number, learnsVariance: boolean) =>
        Effect.flip(
          Effect.provide(
            hybridLoss({ lambda }),
            Layer.merge(given(linear), denoiser(learnsVariance))
          )
        )
      assert.include((yield* build(0.001, false)).message, "the denoiser none predicts no variance")
      assert.include((yield* build(-1, true)).message, `"lambda" is -1`)
    }))
})
