/**
 * The installation of TensorFlow: where it is, whether it works, and what it computes on.
 */
export * from "./find.ts"
export * from "./Installation.ts"
export * from "./load.ts"
export * from "./settings.ts"
