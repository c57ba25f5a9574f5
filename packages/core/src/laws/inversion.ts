/**
 * Laws of the inversion of a sampler: the way from data to the noise that the sampler would make it of.
 */
import { Result } from "effect"
import * as fc from "fast-check"
import { type Plan, sampleOnHost, type Sampler } from "../sampling/index.ts"
import type { Schedule } from "../schedule/index.ts"
import { allNear, first, near } from "./internal/compare.ts"
import { distributionsOf, marginalAt } from "./internal/gaussianFlow.ts"
import { allTimesteps, fineSchedules, gaussians, type Grid, grids, showGrid } from "./internal/grids.ts"
import { showSchedule } from "./internal/subject.ts"
import { law, type Suite, suite, type Violation } from "./Law.ts"

/** How the laws of an inversion are stated. */
export interface InversionLawOptions {
  /** What the suite is called: `the inversion "ddim-inversion"` unless given. */
  readonly subject?: string | undefined
  /** The sampler that goes back: one that adds no noise. */
  readonly of: Sampler
}

/**
 * The laws of the inversion of a sampler.
 *
 * @example
 * Laws.test(it, Laws.inversion(ddimInversion(), { of: ddim() }))
 */
export const inversion = (inverse: Sampler, { of, subject }: InversionLawOptions): Suite =>
  suite(subject ?? `the inversion "${inverse.name}"`, [
    law({
      name: "inversion/levels",
      sentence:
        "it begins where the sampler ends and ends where the sampler begins, and each step where the one before it ended",
      source: "Song, Meng and Ermon 2020, section 4.3: the same way, backwards",
      inputs: grids,
      show: showGrid,
      violation: (grid) => withPlans(inverse, of, grid, reversesLevels)
    }),
    law({
      name: "inversion/back",
      sentence:
        "where the denoiser always says the same noise, the sampler leads back to the data exactly, within 1e-6",
      source: "every step of the equation of Song et al. 2020 (14) is exact where the noise is constant",
      inputs: fc.record({
        grid: grids,
        x: fc.integer({ min: -8, max: 8 }).map((n) => n / 4),
        noise: fc.integer({ min: -8, max: 8 }).map((n) => n / 4)
      }),
      show: ({ grid, noise, x }) => `x_0 = ${x}, the noise ${noise}, ${showGrid(grid)}`,
      violation: ({ grid, noise, x }) =>
        withPlans(inverse, of, grid, (up, down) => {
          const along = (plan: Plan, noised: ArrayLike<number>) =>
            sampleOnHost(plan, { noise: noised, predict: () => [noise] })
          return allNear("the data that comes back", along(down, along(up, [x])), "what went in has", [x], 1e-6)
        })
    }),
    law({
      name: "inversion/gaussian",
      sentence:
        "with the exact denoiser and 1000 steps, Gaussian data become noise of the mean and variance of the last level, within 2 %",
      source:
        "Song et al. 2021, section 4.3 and appendix D: the equation of flow has the marginals of the forward process",
      atMost: 2,
      inputs: fc.record({ schedule: fineSchedules, data: gaussians }),
      show: ({ data, schedule }) => `data N(${data.mean}, ${data.variance}), ${showSchedule(schedule)}`,
      violation: ({ data, schedule }) =>
        withPlans(inverse, of, { schedule, timesteps: allTimesteps(schedule) }, (up) => {
          const end = distributionsOf(up, data, "epsilon", data).at(-1)!
          const expected = marginalAt(data, up.steps.at(-1)!.to)
          const size = Math.max(1, Math.abs(data.mean), data.variance)
          return first(
            near("the mean of the noise", end.mean, "that of x_T is", expected.mean, 0.02 * size),
            near("the variance of the noise", end.variance, "that of x_T is", expected.variance, 0.02 * size)
          )
        })
    })
  ])

const withPlans = (
  inverse: Sampler,
  of: Sampler,
  { schedule, timesteps }: Grid,
  violation: (up: Plan, down: Plan) => Violation
): Violation => {
  const planOf = (sampler: Sampler, schedule: Schedule) =>
    sampler.plan(schedule, { clip: "none", timesteps, predictionType: "epsilon" })
  return Result.match(Result.all([planOf(inverse, schedule), planOf(of, schedule)]), {
    onFailure: ({ message }) => `there is no plan: ${message}`,
    onSuccess: ([up, down]) => violation(up, down)
  })
}

const reversesLevels = (up: Plan, down: Plan): Violation => {
  const [start, end] = [up.steps[0]?.from, up.steps.at(-1)?.to]
  if (start === undefined || end === undefined) return "the plan has no steps"
  const broken = up.steps.findIndex(({ from }, i) => i > 0 && up.steps[i - 1]!.to.spread !== from.spread)
  return first(
    near("the spread that it begins with", start.spread, "the sampler ends with", down.steps.at(-1)!.to.spread, 1e-12),
    near("the spread that it ends with", end.spread, "the sampler begins with", down.steps[0]!.from.spread, 1e-12),
    broken === -1 ? undefined : `step ${broken + 1} does not begin where the one before it ended`
  )
}
