/**
 * The worker thread that owns ONNX Runtime. A session blocks its thread while it computes, so it has one of its own.
 */
import { parentPort } from "node:worker_threads"
import { type Greeting, messageOf } from "./protocol.ts"
import { serve } from "./serve.ts"
import { loadSessions } from "./session.ts"

if (parentPort === null) throw new Error("this module is the engine's worker thread; it does not run by itself")

const port = parentPort
const greet = (greeting: Greeting): void => port.postMessage(greeting)

loadSessions().then(
  (sessions) => {
    serve(port, sessions)
    greet({ ready: true })
  },
  (cause: unknown) => greet({ ready: false, reason: messageOf(cause) })
)
