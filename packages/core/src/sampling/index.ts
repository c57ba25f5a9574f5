/**
 * Sampling: from noise to data.
 *
 * @example
 * import { ddim, Sampling } from "@effusion/core/sampling"
 *
 * const digits = Sampling.images({ sampler: ddim(), steps: 50, count: 16, seed: 7, parameters: averaged })
 */
export { ddim, type DdimOptions } from "./ddim.ts"
export { ddpm, type DdpmOptions } from "./ddpm.ts"
export { type Estimates, estimates } from "./estimates.ts"
export type { TimestepChoice, TimestepSpacing } from "./internal/chooseTimesteps.ts"
export { type HostSampling, type HostState, sampleOnHost, startOnHost, stepOnHost } from "./onHost.ts"
export {
  type Combination,
  type DenoisingStep,
  needsNoise,
  type Plan,
  type PlanError,
  type PlanOptions,
  planOver,
  type Sampler
} from "./Sampler.ts"
export * as Sampling from "./Sampling.ts"
export { InvalidSampling, ParameterMismatch, UndefinedEstimate } from "./SamplingError.ts"
