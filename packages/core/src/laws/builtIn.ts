/**
 * The laws of what Effusion brings along.
 */
import { ddim, ddpm } from "../sampling/index.ts"
import { anyDerivedSchedule } from "./arbitraries.ts"
import type { Suite } from "./Law.ts"
import { noising } from "./noising.ts"
import { sampler } from "./sampler.ts"
import { schedules } from "./schedule.ts"

/**
 * Suites of everything here that needs no engine: schedules of every family with any options, noising, samplers.
 *
 * @example
 * for (const suite of Laws.builtIn) Laws.test(it, suite)
 */
export const builtIn: ReadonlyArray<Suite> = [
  schedules(anyDerivedSchedule, { subject: "schedules of every family" }),
  noising(),
  sampler(ddpm()),
  sampler(ddpm({ variance: "fixedLarge" }), { subject: `the sampler "ddpm" (fixedLarge)`, keepsVariance: false }),
  sampler(ddim()),
  sampler(ddim({ eta: 0.5 }), { subject: `the sampler "ddim" (eta 0.5)` }),
  sampler(ddim({ eta: 1 }), { subject: `the sampler "ddim" (eta 1)`, sameAs: { sampler: ddpm() } })
]
