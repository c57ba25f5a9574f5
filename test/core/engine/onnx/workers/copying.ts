/** The engine's worker where ONNX Runtime can be used by its public interface alone. */
import { parentPort } from "node:worker_threads"
import type { Greeting } from "../../../../../packages/core/src/engine/onnx/internal/protocol.ts"
import { serve } from "../../../../../packages/core/src/engine/onnx/internal/serve.ts"
import { loadCopyingSessions } from "../../../../../packages/core/src/engine/onnx/internal/session.ts"

const port = parentPort!
const greet = (greeting: Greeting): void => port.postMessage(greeting)
serve(port, loadCopyingSessions())
greet({ ready: true })
