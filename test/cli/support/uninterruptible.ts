/** A process that has something to finish when it is interrupted: longer than anybody wants to wait. */
import { Effect } from "effect"
import { runUntilSignal } from "../../../packages/cli/src/runMain.ts"

runUntilSignal(
  Effect.andThen(
    Effect.sync(() => process.stdout.write("ready\n")),
    Effect.uninterruptible(Effect.sleep("1 minute"))
  )
)
