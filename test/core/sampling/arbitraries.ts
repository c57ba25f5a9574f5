/**
 * Schedules, ways to go down them, and samplers, for properties.
 */
import {
  ddim,
  ddpm,
  deis,
  dpmSolver,
  dpmSolverAlgorithms,
  dpmSolverSinglestep,
  edm,
  euler,
  eulerAncestral,
  heun,
  lms,
  type PlanOptions,
  type Sampler,
  uniPC
} from "@effusion/core/sampling"
import { fromBetas, type Schedule } from "@effusion/core/schedule"
import { Result } from "effect"
import * as fc from "fast-check"

/** Any schedule of 1 to 60 timesteps. */
export const schedules: fc.Arbitrary<Schedule> = fc
  .array(fc.double({ min: 1e-4, max: 0.4, noNaN: true }), { minLength: 1, maxLength: 60 })
  .map((betas) => Result.getOrThrow(fromBetas(betas)))

/** A schedule and any number of its timesteps, in any spacing. */
export const grids: fc.Arbitrary<{ readonly schedule: Schedule; readonly grid: Omit<PlanOptions, "predictionType"> }> =
  schedules.chain((schedule) =>
    fc.record({
      schedule: fc.constant(schedule),
      grid: fc.oneof(
        fc.record({
          steps: fc.integer({ min: 1, max: schedule.steps }),
          spacing: fc.constantFrom("leading", "linspace", "trailing", undefined)
        }),
        fc.subarray(Array.from(schedule.alphaBar.keys()), { minLength: 1 }).map((rising) => ({
          timesteps: rising.toReversed()
        }))
      ) as fc.Arbitrary<Omit<PlanOptions, "predictionType">>
    })
  )

export const predictionTypes = fc.constantFrom("epsilon", "sample", "v_prediction")

/** DDIM with any eta, with and without clipped model output. */
export const ddims: fc.Arbitrary<Sampler> = fc
  .record({ eta: fc.double({ min: 0, max: 1, noNaN: true }), useClippedModelOutput: fc.boolean() })
  .map(ddim)

const order = (highest: number) => fc.integer({ min: 1, max: highest })
const lowerOrderFinal = fc.boolean()
const churn = fc.record({
  churn: fc.double({ min: 0, max: 20, noNaN: true }),
  sTmin: fc.constantFrom(0, 0.3),
  sTmax: fc.constantFrom(3, Infinity),
  sNoise: fc.constantFrom(1, 1.007)
})
const dpmOptions = {
  algorithm: fc.constantFrom(...dpmSolverAlgorithms),
  order: order(3),
  solverType: fc.constantFrom("midpoint" as const, "heun" as const),
  lowerOrderFinal
}

/** Every sampler that takes one step from a timestep to the next, and remembers nothing. */
export const onestep: fc.Arbitrary<Sampler> = fc.oneof(
  fc.constantFrom("fixed-small", "fixed-large").map((variance) => ddpm({ variance: variance as "fixed-small" })),
  ddims,
  fc.constant(euler()),
  fc.double({ min: 0, max: 1, noNaN: true }).map((eta) => eulerAncestral({ eta }))
)

/** Every solver of higher order that asks once a step. */
export const multistep: fc.Arbitrary<Sampler> = fc.oneof(
  fc.record({
    ...dpmOptions,
    eulerAtFinal: fc.boolean(),
    thirdOrder: fc.constantFrom("published" as const, "exact" as const)
  }).map(dpmSolver),
  fc.record({ ...dpmOptions, algorithm: fc.constantFrom("dpmsolver++", "dpmsolver", "sde-dpmsolver++") })
    .map(dpmSolverSinglestep),
  fc.record({ order: order(3), lowerOrderFinal }).map(deis),
  fc.record({
    order: order(4),
    lowerOrderFinal,
    solverType: fc.constantFrom("bh1" as const, "bh2" as const),
    predictX0: fc.boolean(),
    disableCorrector: fc.constantFrom([], [0], [1, 2])
  }).map(uniPC),
  order(4).map((order) => lms({ order }))
)

/** Every sampler that asks the denoiser twice a step, or makes x noisier before it asks. */
export const churning: fc.Arbitrary<Sampler> = fc.oneof(churn.map(euler), churn.map(heun), churn.map(edm))

/** Every sampler that asks once at each level that it visits. */
export const samplers: fc.Arbitrary<Sampler> = fc.oneof(onestep, multistep)

/** Every sampler. */
export const allSamplers: fc.Arbitrary<Sampler> = fc.oneof(onestep, multistep, churning)

/** Well-conditioned elements: no subnormals, no huge values. */
export const values = (length: number): fc.Arbitrary<ReadonlyArray<number>> =>
  fc.array(fc.noBias(fc.integer({ min: -3072, max: 3072 })).map((n) => n / 1024), {
    minLength: length,
    maxLength: length
  })
