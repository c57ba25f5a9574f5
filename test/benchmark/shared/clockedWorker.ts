/**
 * The onnx engine's worker with a clock on ONNX Runtime's native session: it is the engine's own worker module, loaded
 * after the native class has been replaced by one that adds up the milliseconds of its calls.
 */
import { createRequire } from "node:module"
import { getEnvironmentData } from "node:worker_threads"
import { type SessionClock, sessionClockName } from "./sessionClock.ts"

interface NativeSession {
  loadModel(...args: ReadonlyArray<unknown>): unknown
  run(...args: ReadonlyArray<unknown>): unknown
}

const require = createRequire(new URL("../../../packages/core/src/engine/onnx/internal/session.ts", import.meta.url))
const { binding } = require("onnxruntime-node/dist/binding.js") as {
  readonly binding: { InferenceSession: new() => NativeSession }
}
const [creating, running] = [0, 1] as const
const clock = new Float64Array(getEnvironmentData(sessionClockName) as unknown as SessionClock["buffer"])

const addTo = <A>(position: typeof creating | typeof running, call: () => A): A => {
  const begin = performance.now()
  try {
    return call()
  } finally {
    clock[position]! += performance.now() - begin
  }
}

binding.InferenceSession = class extends binding.InferenceSession {
  override loadModel(...args: ReadonlyArray<unknown>): unknown {
    return addTo(creating, () => super.loadModel(...args))
  }
  override run(...args: ReadonlyArray<unknown>): unknown {
    return addTo(running, () => super.run(...args))
  }
}

await import("../../../packages/core/src/engine/onnx/internal/worker.ts")
