/**
 * Writing files so that they are there after a crash.
 */
import { Effect, FileSystem } from "effect"

/** Writes a new file and waits until the disk has it. */
export const writeDurably = Effect.fnUntraced(function*(path: string, bytes: Uint8Array) {
  const fs = yield* FileSystem.FileSystem
  const file = yield* fs.open(path, { flag: "wx" })
  yield* file.writeAll(bytes)
  yield* file.sync
}, Effect.scoped)

/** Waits until the disk has the names in a folder. Not every system can: where one cannot, this does nothing. */
export const syncFolder = Effect.fnUntraced(
  function*(path: string) {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.open(path, { flag: "r" })
    yield* folder.sync
  },
  Effect.scoped,
  (sync) => Effect.ignore(sync)
)
