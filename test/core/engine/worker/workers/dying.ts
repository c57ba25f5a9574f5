/** A worker that does as it is asked until a step comes, and then dies: of an error, or by leaving. */
import { parentPort } from "node:worker_threads"
import type { Greeting, Reply, Request } from "../../../../../packages/core/src/engine/worker/protocol.ts"

const port = parentPort!
const greet = (greeting: Greeting): void => port.postMessage(greeting)
const answer = (reply: Reply): void => port.postMessage(reply)

port.on("message", ({ body, id, type }: Request<unknown>) => {
  if (type !== "step") return answer({ id, ok: true, value: undefined })
  if ("x" in body.input) throw new Error("the worker breaks")
  process.exit(7)
})
greet({ ready: true })
