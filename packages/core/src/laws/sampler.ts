/**
 * Laws of samplers.
 *
 * A sampler is coefficients, so what it does to Gaussian data with the exact denoiser is computed, not sampled: means and
 * variances are carried through the plan step by step (see `internal/gaussianFlow.ts`), and no law here fails by chance.
 */
import { Result } from "effect"
import * as fc from "fast-check"
import { type PredictionType, predictionTypes } from "../diffusion/index.ts"
import { Distribution, draw, Key } from "../random/index.ts"
import { type Plan, type PlanOptions, sampleOnHost, type Sampler } from "../sampling/index.ts"
import { cosine, levelAt, type Schedule } from "../schedule/index.ts"
import { allNear, first, near, same } from "./internal/compare.ts"
import { distributionsOf, type GaussianData, marginalAt } from "./internal/gaussianFlow.ts"
import { allTimesteps, fineSchedules, fineSteps, gaussians, type Grid, grids, showGrid } from "./internal/grids.ts"
import { showSchedule } from "./internal/subject.ts"
import { type Law, law, type Suite, suite, type Violation } from "./Law.ts"

/** How the laws of a sampler are stated. */
export interface SamplerLawOptions {
  /** What the suite is called: `the sampler "ddim"` unless given. */
  readonly subject?: string | undefined
  /** The order of convergence that it claims; 1 unless given. */
  readonly order?: number | undefined
  /**
   * Whether the noise that it adds is that of the posterior of the known data, as it is but for DDPM's `fixed-large`. True
   * unless given.
   */
  readonly keepsVariance?: boolean | undefined
  /** Whether it adds noise before a step, so that it begins above the level that it was given. False unless given. */
  readonly churns?: boolean | undefined
  /** How near the samples of Gaussian data come to their mean and variance in a thousand steps; 0.01 unless given. */
  readonly accuracy?: number | undefined
  /** What the denoiser says of the variance, always the same, where the sampler's is learned. */
  readonly variance?: number | undefined
  /** Another sampler that it is the same as. */
  readonly sameAs?: {
    readonly sampler: Sampler
    /** Where that comes from. */
    readonly source: string
  } | undefined
}

/**
 * The laws of a sampler, on any schedule.
 *
 * @example
 * Laws.test(it, Laws.sampler(mySolver, { order: 2 }))
 */
export const sampler = (sampler: Sampler, options: SamplerLawOptions = {}): Suite =>
  suite(options.subject ?? `the sampler "${sampler.name}"`, lawsOf(sampler, options))

const types: fc.Arbitrary<PredictionType> = fc.constantFrom(...predictionTypes)

/** What is wrong with the plan, or with there being none. */
const withPlan = (
  sampler: Sampler,
  { schedule, timesteps }: Grid,
  options: Omit<PlanOptions, "steps" | "spacing" | "timesteps">,
  violation: (plan: Plan) => Violation
): Violation =>
  Result.match(sampler.plan(schedule, { clip: "none", timesteps, ...options } as PlanOptions), {
    onFailure: (error) => `there is no plan: ${error.message}`,
    onSuccess: (plan) => plan.steps.length === 0 ? "the plan has no steps" : violation(plan)
  })

/** What is wrong with a distribution that should be another, each of its moments in units of the whole. */
const distributionIs = (
  what: string,
  actual: GaussianData,
  reference: string,
  expected: GaussianData,
  tolerance: number
): Violation =>
  first(
    near(`the mean of ${what}`, actual.mean, reference, expected.mean, tolerance),
    near(`the variance of ${what}`, actual.variance, reference, expected.variance, tolerance)
  )

const lawsOf = (sampler: Sampler, options: SamplerLawOptions): ReadonlyArray<Law> => {
  const { accuracy = 0.01, churns = false, keepsVariance = true, order = 1, sameAs, variance } = options
  return [
    law({
      name: "sampler/levels-connect",
      sentence: `a plan begins at the first timestep that it was given${
        churns ? ", or above it," : ""
      } and ends at the data; a step begins at the level of noise where the one before it ended`,
      source: "Ho et al. 2020, algorithm 2: from x_T to x_0, one step after the other",
      inputs: fc.record({ grid: grids, predictionType: types }),
      show: ({ grid, predictionType }) => `${predictionType}, ${showGrid(grid)}`,
      violation: ({ grid, predictionType }) =>
        withPlan(sampler, grid, { predictionType }, (plan) => levelsConnect(plan, grid, churns))
    }),
    law({
      name: "sampler/told-the-level",
      sentence:
        "the denoiser is told the timestep whose level of noise x has: sqrt(alphaBar_t) of it is the data, within 1e-12; a fraction of a timestep lies between its neighbours",
      source: "Ho et al. 2020, algorithm 2: epsilon_theta(x_t, t)",
      inputs: fc.record({ grid: grids, predictionType: types }),
      show: ({ grid, predictionType }) => `${predictionType}, ${showGrid(grid)}`,
      violation: ({ grid, predictionType }) =>
        withPlan(sampler, grid, { predictionType }, (plan) => toldTheLevel(plan, grid.schedule, churns))
    }),
    law({
      name: "sampler/keeps-marginal",
      sentence: keepsVariance
        ? "for data that is one point, x has the mean signal x_0 and the variance spread^2 of its level after every step, within 1e-6"
        : "for data that is one point, x has the mean signal x_0 of its level after every step, within 1e-6, and at least the variance spread^2",
      source:
        "Song, Meng and Ermon 2020, lemma 1, for DDIM; any solver of the same equations is exact where the prediction is constant",
      inputs: fc.record({ grid: grids, predictionType: types, x0: fc.integer({ min: -8, max: 8 }).map((n) => n / 4) }),
      show: ({ grid, predictionType, x0 }) => `${predictionType}, x_0 = ${x0}, ${showGrid(grid)}`,
      violation: ({ grid, predictionType, x0 }) =>
        withPlan(sampler, grid, { predictionType }, (plan) => {
          const data = { mean: x0, variance: 0 }
          const states = distributionsOf(plan, data, predictionType, marginalAt(data, plan.steps[0]!.from), variance)
          for (const [i, step] of plan.steps.entries()) {
            const expected = marginalAt(data, step.to)
            const actual = states[i + 1]!
            const judged = keepsVariance || actual.variance < expected.variance
              ? actual
              : { ...actual, variance: expected.variance }
            const found = distributionIs(
              `x after step ${i + 1} of ${plan.steps.length}`,
              judged,
              "that of its level is",
              expected,
              1e-6
            )
            if (found !== undefined) return found
          }
          return undefined
        })
    }),
    law({
      name: "sampler/no-noise-at-the-end",
      sentence: "the last step adds no noise",
      source: "Ho et al. 2020, algorithm 2, line 3: z = 0 if t = 1",
      inputs: fc.record({ grid: grids, predictionType: types }),
      show: ({ grid, predictionType }) => `${predictionType}, ${showGrid(grid)}`,
      violation: ({ grid, predictionType }) =>
        withPlan(sampler, grid, { predictionType }, ({ steps }) => {
          const { noise = 0 } = steps.at(-1)!.next
          return noise === 0 ? undefined : `the last step adds noise with a standard deviation of ${noise}`
        })
    }),
    law({
      name: "sampler/any-prediction",
      sentence:
        "the exact denoiser leads to the same samples whether it predicts noise, data, v or the score, within 1e-5",
      source: "Salimans and Ho 2022, section 4: each prediction determines the others",
      inputs: fc.record({ grid: grids, data: gaussians }),
      show: ({ data, grid }) => `data N(${data.mean}, ${data.variance}), ${showGrid(grid)}`,
      violation: ({ data, grid }) => anyPrediction(sampler, grid, data, variance)
    }),
    law({
      name: "sampler/gaussian",
      sentence:
        `with the exact denoiser and ${fineSteps} steps, Gaussian data come out with their mean and variance, within ${
          100 * accuracy
        } %`,
      source:
        "Anderson 1982 and Song et al. 2021, section 3.3 and appendix D: the reverse process has the marginals of the forward one",
      atMost: 2,
      inputs: fc.record({ schedule: fineSchedules, data: gaussians, predictionType: types }),
      show: ({ data, predictionType, schedule }) =>
        `${predictionType}, data N(${data.mean}, ${data.variance}), ${showSchedule(schedule)}`,
      violation: ({ data, predictionType, schedule }) =>
        withPlan(sampler, { schedule, timesteps: allTimesteps(schedule) }, { predictionType }, (plan) => {
          const start = marginalAt(data, plan.steps[0]!.from)
          const end = distributionsOf(plan, data, predictionType, start, variance).at(-1)!
          const size = Math.max(1, Math.abs(data.mean), data.variance)
          return distributionIs("the samples", end, "that of the data is", data, accuracy * size)
        })
    }),
    law({
      name: "sampler/order",
      sentence:
        `with twice as many steps the error of mean and variance is 2^${order} times smaller: the order of convergence is at least ${order} - 0.2`,
      source: "the definition of weak convergence of order p; on Gaussian data, where the solution is known",
      atMost: 1,
      inputs: fc.constantFrom<PredictionType>("epsilon"),
      show: () => "",
      violation: (predictionType) => convergence(sampler, order, predictionType, variance)
    }),
    law({
      name: "sampler/same-key-same-sample",
      sentence: "the same schedule and options give the same plan, and the same key the same samples, bit for bit",
      source: "a draw is a pure function of its key",
      inputs: fc.record({ grid: grids, predictionType: types, seed: fc.integer() }),
      show: ({ grid, predictionType, seed }) => `seed ${seed}, ${predictionType}, ${showGrid(grid)}`,
      violation: ({ grid, predictionType, seed }) => {
        const samples = [0, 1].map(() => {
          const result = sampler.plan(grid.schedule, { clip: "none", timesteps: grid.timesteps, predictionType })
          return Result.map(result, (plan) => sampleFrom(plan, seed, variance))
        })
        return Result.isFailure(samples[0]!) || Result.isFailure(samples[1]!)
          ? Result.match(samples[0]!, {
            onFailure: ({ message }) => `there is no plan: ${message}`,
            onSuccess: () => "the second time there is no plan"
          })
          : same("the second sample", samples[1].success, "the first has", samples[0].success)
      }
    }),
    ...(sameAs === undefined ? [] : [law({
      name: `sampler/is-${sameAs.sampler.name}`,
      sentence:
        `it is the sampler "${sameAs.sampler.name}": whatever the denoiser says, both give the same samples, within 1e-8`,
      source: sameAs.source,
      inputs: fc.record({
        grid: grids,
        predictionType: types,
        seed: fc.integer()
      }),
      show: ({ grid, predictionType, seed }: { grid: Grid; predictionType: PredictionType; seed: number }) =>
        `seed ${seed}, ${predictionType}, ${showGrid(grid)}`,
      violation: ({ grid, predictionType, seed }) =>
        withPlan(
          sampler,
          grid,
          { predictionType },
          (plan) =>
            withPlan(sameAs.sampler, grid, { predictionType }, (other) => {
              const expected = sampleFrom(other, seed, variance)
              const size = Math.max(1, ...expected.map(Math.abs))
              return allNear(
                "the sample",
                sampleFrom(plan, seed, variance),
                `that of ${sameAs.sampler.name} has`,
                expected,
                1e-8 * size
              )
            })
        )
    })])
  ]
}

const levelsConnect = ({ steps }: Plan, { timesteps }: Grid, churns: boolean): Violation => {
  const begins = steps[0]!.timestep
  if (!(begins === timesteps[0] || (churns && begins > timesteps[0]!))) {
    return `it begins at timestep ${begins}, not at ${timesteps[0]}`
  }
  for (const [i, { from }] of steps.entries()) {
    const before = steps[i - 1]?.to
    if (before !== undefined && Math.abs(before.spread - from.spread) > 1e-12) {
      return `step ${i + 1} begins with a spread of ${from.spread}, but the one before it ended with ${before.spread}`
    }
  }
  const { spread } = steps.at(-1)!.to
  return spread === 0 ? undefined : `the last step ends with a spread of ${spread}, not at the data`
}

const toldTheLevel = ({ steps }: Plan, schedule: Schedule, churns: boolean): Violation => {
  for (const [i, { from, timestep }] of steps.entries()) {
    if (!(timestep >= 0 && timestep <= schedule.steps - 1)) {
      return `step ${i + 1} tells the denoiser timestep ${timestep}`
    }
    const [below, above] = [levelAt(schedule, Math.floor(timestep)), levelAt(schedule, Math.ceil(timestep))]
    // Noise that is added may lead beyond the schedule, whose last timestep is all that can be told then.
    const isBeyond = churns && timestep === schedule.steps - 1
    if (from.signal > below.signal + 1e-12 || (from.signal < above.signal - 1e-12 && !isBeyond)) {
      return `step ${i + 1} tells the denoiser timestep ${timestep}, where the factor of the data is ` +
        `${
          below.signal === above.signal ? below.signal : `${above.signal} to ${below.signal}`
        }, but it is ${from.signal}`
    }
  }
  return undefined
}

const anyPrediction = (
  sampler: Sampler,
  grid: Grid,
  data: GaussianData,
  variance: number | undefined
): Violation => {
  let reference: { readonly type: PredictionType; readonly end: GaussianData } | undefined
  for (const type of predictionTypes) {
    const found = withPlan(sampler, grid, { predictionType: type }, (plan) => {
      const end = distributionsOf(plan, data, type, { mean: 0.5, variance: 1 }, variance).at(-1)!
      const known = reference ??= { type, end }
      const size = Math.max(1, Math.abs(known.end.mean), known.end.variance)
      return distributionIs(`samples by ${type}`, end, `by ${known.type} it is`, known.end, 1e-5 * size)
    })
    if (found !== undefined) return found
  }
  return undefined
}

/**
 * Steps that are halved, and where they begin and end: within the schedule, away from where alphaBar is nearly 0 or 1. One
 * more step than a multiple of 2 and of 3 follows the last of them, so that solvers which group their steps end a group.
 */
const coarse = { from: 1800, to: 264, steps: [48, 96, 192] } as const
const convergenceSchedule = Result.getOrThrow(cosine({ steps: 2000 }))

/** Several, so that no error passes zero by chance for all of them. */
const convergenceData: ReadonlyArray<GaussianData> = [
  { mean: 0.5, variance: 0.3 },
  { mean: -1, variance: 0.05 },
  { mean: 1, variance: 2 }
]

/**
 * Goes from one timestep to another in more and more steps, beginning with the exact distribution; the error is that of
 * mean and variance where it ends. What follows, from there to the data, is not looked at: that one step has no size.
 */
const convergence = (
  sampler: Sampler,
  order: number,
  predictionType: PredictionType,
  variance: number | undefined
): Violation => {
  const schedule = convergenceSchedule
  const errors: Array<number> = []
  for (const count of coarse.steps) {
    const stride = (coarse.from - coarse.to) / count
    const timesteps = Array.from({ length: count + 1 }, (_, i) => coarse.from - i * stride)
    const found = withPlan(sampler, { schedule, timesteps }, { predictionType }, (plan) => {
      const end = plan.steps.findLastIndex(({ from }) => from.timestep === coarse.to)
      if (end === -1) return `the plan never tells the denoiser timestep ${coarse.to}, which it was given`
      errors.push(Math.max(...convergenceData.map((data) => {
        const actual = distributionsOf(
          plan,
          data,
          predictionType,
          marginalAt(data, plan.steps[0]!.from),
          variance
        )[end]!
        const expected = marginalAt(data, levelAt(schedule, coarse.to))
        return Math.hypot(actual.mean - expected.mean, actual.variance - expected.variance)
      })))
      return undefined
    })
    if (found !== undefined) return found
  }
  // What is at the level of rounding has converged.
  const orders = errors.slice(1).map((error, i) => error < 1e-13 ? Infinity : Math.log2(errors[i]! / error))
  const shown = errors.map((error) => error.toExponential(2)).join(", ")
  return orders.every((measured) => measured >= order - 0.2)
    ? undefined
    : `with ${coarse.steps.join(", ")} steps the errors are ${shown}: the orders are ${
      orders.map((measured) => measured.toFixed(2)).join(", ")
    }`
}

/** A sample of two elements from a plan, with a denoiser that says something else at every step. */
const sampleFrom = (plan: Plan, seed: number, variance: number | undefined): Float64Array => {
  const normals = (name: string | number) =>
    draw(Key.fold(Key.make(seed), name), { distribution: Distribution.normal, shape: [2] }).data
  return sampleOnHost(plan, {
    noise: normals("start"),
    predict: (x, t) => x.map((value) => Math.tanh(value / 2 + 0.1 * t)),
    stepNoise: normals,
    ...(plan.variance === undefined ? {} : { variance: () => [variance ?? 0, variance ?? 0] })
  })
}
