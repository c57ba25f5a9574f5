/** A process that takes a lock, notes when it has it and when it lets go, and ends; it says nothing where it is refused. */
import { NodeServices } from "@effect/platform-node"
import { Effect } from "effect"
import { appendFileSync } from "node:fs"
import { acquire } from "../../../packages/cli/src/lock.ts"
import { runUntilSignal } from "../../../packages/cli/src/runMain.ts"

const [lock = "", log = ""] = process.argv.slice(2)
const note = (what: string) => Effect.sync(() => appendFileSync(log, `${what} ${process.pid}\n`))

runUntilSignal(
  Effect.gen(function*() {
    yield* acquire(lock, () => "refused" as const)
    yield* note("has")
    yield* Effect.sleep("300 millis")
    yield* note("ends")
  }).pipe(Effect.scoped, Effect.ignore, Effect.provide(NodeServices.layer))
)
