/**
 * Sampling: from noise to data.
 *
 * @example
 * import { ddim, Sampling } from "@effusion/core/sampling"
 *
 * const digits = Sampling.images({ sampler: ddim(), steps: 50, count: 16, seed: 7, parameters: averaged })
 */
export { type Estimates, estimates } from "./estimates.ts"
export { guidedDenoiser, type GuidedSteps } from "./internal/guided.ts"
export { lerp, slerp } from "./interpolate.ts"
export { type HostSampling, type HostState, inputOnHost, sampleOnHost, startOnHost, stepOnHost } from "./onHost.ts"
export { levelsFor } from "./otherSchedule.ts"
export { type Leg, route } from "./route.ts"
export {
  type Clip,
  type Combination,
  type DenoisingStep,
  denoisingStep,
  type LearnedVariance,
  needsNoise,
  type Plan,
  planAlong,
  type PlanError,
  type PlanOptions,
  planOver,
  type PlanSpec,
  type Sampler,
  type StepRule
} from "./Sampler.ts"
export type { Churn } from "./samplers/churn.ts"
export { ddim, ddimInversion, ddimNext, type DdimOptions } from "./samplers/ddim.ts"
export { ddpm, type DdpmOptions, type DdpmVariance, ddpmVariances } from "./samplers/ddpm.ts"
export { deis, type DeisOptions } from "./samplers/deis.ts"
export {
  dpmSolver,
  type DpmSolverAlgorithm,
  dpmSolverAlgorithms,
  type DpmSolverOptions,
  dpmSolverSinglestep,
  type DpmSolverSinglestepOptions
} from "./samplers/dpmSolver.ts"
export { euler, eulerAncestral, type EulerAncestralOptions } from "./samplers/euler.ts"
export { edm, heun } from "./samplers/heun.ts"
export { lms, type LmsOptions } from "./samplers/lms.ts"
export { repaint, type RepaintOptions } from "./samplers/repaint.ts"
export { uniPC, type UniPCOptions } from "./samplers/uniPC.ts"
export * as Sampling from "./Sampling.ts"
export { InvalidSampling, ParameterMismatch, UndefinedEstimate } from "./SamplingError.ts"
export {
  type RouteEnds,
  type SigmaSpacing,
  sigmaSpacings,
  type Spacing,
  type TimestepChoice,
  type TimestepSpacing,
  timestepSpacings,
  withSpacing
} from "./TimestepChoice.ts"
