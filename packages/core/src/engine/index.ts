/**
 * The engine's interface: programs, what compiles and runs them, and what can go wrong.
 * The engines themselves have faces of their own, beside this one: `@effusion/core/engine/onnx`.
 */
export { constants } from "./constants.ts"
export * from "./Engine.ts"
export * from "./EngineError.ts"
export * as Operations from "./operations/index.ts"
export * from "./Program.ts"
export type { Rematerialize } from "./Rematerialize.ts"
