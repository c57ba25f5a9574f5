/**
 * Sampling: from noise to data.
 *
 * @example
 * import { ddim, Sampling } from "@effusion/core/sampling"
 *
 * const digits = Sampling.images({ sampler: ddim(), steps: 50, count: 16, seed: 7, parameters: averaged })
 */
export { ddim, ddimNext, type DdimOptions } from "./ddim.ts"
export { ddpm, type DdpmOptions } from "./ddpm.ts"
export { type Estimates, estimates } from "./estimates.ts"
export type { TimestepChoice, TimestepSpacing } from "./internal/chooseTimesteps.ts"
export { type HostSampling, type HostState, inputOnHost, sampleOnHost, startOnHost, stepOnHost } from "./onHost.ts"
export { type Leg, route } from "./route.ts"
export {
  type Combination,
  type DenoisingStep,
  denoisingStep,
  needsNoise,
  type Plan,
  type PlanError,
  type PlanOptions,
  planOver,
  type Sampler,
  type StepRule
} from "./Sampler.ts"
export * as Sampling from "./Sampling.ts"
export { InvalidSampling, ParameterMismatch, UndefinedEstimate } from "./SamplingError.ts"
