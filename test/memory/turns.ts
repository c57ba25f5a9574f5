import { Effect } from "effect"

/** Waits for so many turns of the event loop: time for messages of other threads to arrive, and not much else. */
export const turns = (count: number): Effect.Effect<void> =>
  Effect.promise(async () => {
    for (let turn = 0; turn < count; turn++) await new Promise<void>((resume) => void setImmediate(resume))
  })
