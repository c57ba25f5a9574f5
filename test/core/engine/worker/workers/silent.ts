/** A worker that never says that it has loaded, and stays. */
import { parentPort } from "node:worker_threads"

parentPort!.on("message", () => {})
