/**
 * The choice of an engine that suits the machine.
 */
export * as AutoEngine from "./AutoEngine.ts"
export { EngineChoice } from "./AutoEngine.ts"
export { engines } from "./engines.ts"
