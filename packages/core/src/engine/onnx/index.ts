/**
 * The default engine, and the ONNX models that it makes.
 */
export type { Frame, Origin } from "../graph/Origin.ts"
export { encode } from "./encode.ts"
export type * from "./Model.ts"
export * as OnnxEngine from "./OnnxEngine.ts"
export * as Optimizations from "./Optimizations.ts"
export type * from "./Profile.ts"
export { ProfileMissing, Profiler } from "./Profiler.ts"
