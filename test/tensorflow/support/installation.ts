/** The installation that these tests are run with: the one that a user's program would find. */
import { Effect } from "effect"
import { find, type Installation } from "../../../packages/core/src/engine/tensorflow/installation/index.ts"

export const installation: Installation = await Effect.runPromise(find())
