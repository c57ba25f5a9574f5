/**
 * How an engine lives in a worker thread: the engine's side ({@link makeRuntime}), and the thread's ({@link work}).
 * A runtime blocks its thread while it computes; in a thread of its own, the main one stays free.
 */
export { type Thread, workerBeside } from "./client.ts"
export type { Compiled, Held, Machine } from "./Machine.ts"
export { type Arrays, type Elements, messageOf } from "./protocol.ts"
export { type Compilation, makeLocalRuntime, makeRuntime, type Runtime, type RuntimeOptions } from "./Runtime.ts"
export { serve, work } from "./serve.ts"
export { mismatch } from "./signature.ts"
