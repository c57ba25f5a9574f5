/** A worker that finds ONNX Runtime missing. */
import { parentPort } from "node:worker_threads"
import type { Greeting } from "../../../../../packages/core/src/engine/worker/protocol.ts"

const port = parentPort!
const greet = (greeting: Greeting): void => port.postMessage(greeting)
greet({ ready: false, reason: "Cannot find module 'onnxruntime-node'" })
