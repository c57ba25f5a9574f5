/** A worker that keeps the answers to steps back until it is asked to read. */
import { parentPort } from "node:worker_threads"
import type { Greeting, Reply, Request } from "../../../../../packages/core/src/engine/worker/protocol.ts"

const port = parentPort!
const greet = (greeting: Greeting): void => port.postMessage(greeting)
const answer = (reply: Reply): void => port.postMessage(reply)
const steps: Array<number> = []

port.on("message", ({ id, type }: Request<unknown>) => {
  if (type === "step") {
    steps.push(id)
    return
  }
  if (type === "read") { for (const id of steps.splice(0)) answer({ id, ok: true, value: {} }) }
  answer({ id, ok: true, value: type === "read" ? {} : undefined })
})
greet({ ready: true })
