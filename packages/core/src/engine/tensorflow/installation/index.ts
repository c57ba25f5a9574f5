/**
 * The installation of TensorFlow: where it is, whether it works, and what it computes on.
 */
export * from "./device.ts"
export * from "./diagnose.ts"
export { type Environment, environment } from "./environment.ts"
export * from "./find.ts"
export * from "./gpus.ts"
export * from "./Installation.ts"
export * from "./load.ts"
export * from "./prepare.ts"
export * from "./settings.ts"
export { operands, wrongSums } from "./trial.ts"
