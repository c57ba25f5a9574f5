/**
 * The default engine, and the ONNX models that it makes.
 */
export { encode } from "./encode.ts"
export type * from "./Model.ts"
export * as OnnxEngine from "./OnnxEngine.ts"
