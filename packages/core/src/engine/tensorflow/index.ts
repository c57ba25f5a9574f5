/**
 * The engine on TensorFlow: for NVIDIA GPUs, and for processors.
 */
export * as TensorflowEngine from "./TensorflowEngine.ts"
