/**
 * Noise schedules in continuous time.
 *
 * @example
 * import { Continuous } from "@effusion/core/schedule"
 *
 * const schedule = Result.flatMap(Continuous.cosine({ shift: 0.5 }), (c) => Continuous.discretize(c, { steps: 1000 }))
 */
export { fromLogSnr, levelAt, timeOfLogSnr } from "./ContinuousSchedule.ts"
export type { ContinuousSchedule } from "./ContinuousSchedule.ts"
export { discretize, interpolate } from "./discretize.ts"
export { cosine, type CosineOptions, linear, type LinearOptions } from "./families.ts"
