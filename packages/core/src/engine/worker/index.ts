/**
 * How an engine lives in a worker thread: {@link makeRuntime} is its side of it. The thread's module imports `work` from
 * `serve.ts` instead, which loads next to nothing, so that threads start at once.
 *
 * A runtime blocks its thread while it computes; in a thread of its own, the main one stays free.
 */
export { type Thread, workerBeside } from "./client.ts"
export type { Compiled, Held, Machine } from "./Machine.ts"
export type { Identity } from "./ProgramRegistry.ts"
export { type Arrays, type Elements, messageOf } from "./protocol.ts"
export {
  type Compilation,
  makeLocalRuntime,
  makeRuntime,
  type Runtime,
  type RuntimeOptions,
  type Sharing
} from "./Runtime.ts"
export { mismatch } from "./signature.ts"
