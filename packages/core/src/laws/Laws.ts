/**
 * Everything of the laws under one name: `Laws.schedule(mine)`, `Laws.test(it, ...)`, `Laws.check(...)`.
 */
export {
  anyBetas,
  anyContinuousSchedule,
  anyDerivedSchedule,
  anySchedule,
  zeroTerminalSchedule
} from "./arbitraries.ts"
export { builtIn, builtInOn } from "./builtIn.ts"
export {
  brokenLaws,
  check,
  type CheckOptions,
  isNamed,
  type LawReport,
  LawsBroken,
  type Replay,
  showBroken,
  type SuiteReport
} from "./check.ts"
export { continuous, type ContinuousLawOptions, interpolation } from "./continuous.ts"
export { engine } from "./engine.ts"
export { expose, type Fault, type FaultReport } from "./Fault.ts"
export { faults } from "./faults/index.ts"
export { faultsOn } from "./faults/onEngine.ts"
export { guidance, type GuidanceInput, type GuidanceLawOptions, type Guiding } from "./guidance.ts"
export type { EngineService } from "./internal/onEngine.ts"
export { inversion, type InversionLawOptions } from "./inversion.ts"
export {
  type Counterexample,
  type Law,
  law,
  type LawDefinition,
  onEngine,
  type Outcome,
  type Search,
  type Suite,
  suite,
  type SuiteOnEngine,
  type Violation
} from "./Law.ts"
export { distance, loss, type LossFunction, type LossLawOptions, type LossPoint, type TensorDistance } from "./loss.ts"
export { model, type ModelLawOptions } from "./model.ts"
export { type Noising, noising, type NoisingLawOptions } from "./noising.ts"
export { pipeline, type PipelineLawOptions, stage, type Through } from "./pipeline.ts"
export { type MeanReduction, reduction } from "./reducer.ts"
export { sampler, type SamplerLawOptions } from "./sampler.ts"
export { type Formulas, formulas, type Quantity, schedule, type ScheduleLawOptions, schedules } from "./schedule.ts"
export {
  type DrawnTimesteps,
  type DrawTimesteps,
  type StatedProbability,
  type TimestepLawOptions,
  timesteps
} from "./timesteps.ts"
export { training, type TrainingLawOptions } from "./training.ts"
export { type DeclareTest, test } from "./vitest.ts"
export {
  type StatedWeight,
  type WeightBounds,
  weighting,
  type WeightingLawOptions,
  type WeightOf
} from "./weighting.ts"
