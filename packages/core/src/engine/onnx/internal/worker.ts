/**
 * The worker thread that owns ONNX Runtime. A session blocks its thread while it computes, so it has one of its own.
 */
import { work } from "../../worker/serve.ts"
import { makeMachine } from "./machine.ts"
import { loadSessions } from "./session.ts"

work(async () => makeMachine(await loadSessions()))
