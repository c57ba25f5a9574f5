/**
 * Training: run a pipeline on data, step by step, and evaluate what came of it.
 */
export { evaluate } from "./evaluate.ts"
export type { Evaluation, EvaluationOptions } from "./evaluate.ts"
export { evaluateBound } from "./evaluateBound.ts"
export type { BoundError, BoundEvaluation, BoundEvaluationOptions, BoundRow, Estimate } from "./evaluateBound.ts"
export { run, start, stopOnInterrupt } from "./run.ts"
export type { Run, StartError, TrainingOptions } from "./run.ts"
