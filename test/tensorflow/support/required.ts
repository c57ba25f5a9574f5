/** What vitest does before these tests: without the engine there is nothing to test, which is said once. */
import { Effect } from "effect"
import { find } from "../../../packages/core/src/engine/tensorflow/installation/index.ts"

export const setup = (): Promise<void> =>
  Effect.runPromise(
    find().pipe(
      Effect.asVoid,
      Effect.catch((problem) => {
        const error = new Error(`these tests need the tensorflow engine: ${problem.message}`)
        // Where this is thrown says nothing.
        error.stack = error.message
        return Effect.die(error)
      })
    )
  )
