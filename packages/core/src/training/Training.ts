/**
 * Training: run a pipeline on data, step by step, and evaluate what came of it.
 */
export { evaluate } from "./evaluate.ts"
export type { Evaluation, EvaluationOptions } from "./evaluate.ts"
export { run, start, stopOnInterrupt } from "./run.ts"
export type { Run, StartError, TrainingOptions } from "./run.ts"
