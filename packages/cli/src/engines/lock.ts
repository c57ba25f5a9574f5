/**
 * One installation at a time: a file with the number of the process that installs.
 */
import { Effect, FileSystem, Path } from "effect"
import { fileProblem, makeFolder } from "../files.ts"
import { InstallationRunning } from "./errors.ts"
import { remove } from "./stages.ts"

/**
 * Holds the lock while an effect runs. A lock whose process is gone is taken over.
 *
 * @param lock the path of the file
 * @example
 * yield* locked("engines/tensorflow.lock", install)
 */
export const locked = <A, E, R>(lock: string, use: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(acquire(lock), () => use, () => Effect.ignore(remove(lock)))

const acquire = Effect.fnUntraced(function*(lock: string) {
  const fs = yield* FileSystem.FileSystem
  yield* makeFolder((yield* Path.Path).dirname(lock))
  const write = fs.writeFileString(lock, String(process.pid), { flag: "wx" })
  const holder = Effect.map(Effect.orElseSucceed(fs.readFileString(lock), () => ""), Number)
  yield* write.pipe(
    Effect.catchIf((error) => error.reason._tag === "AlreadyExists", () =>
      Effect.gen(function*() {
        const pid = yield* holder
        if (pid > 0 && pid !== process.pid && isAlive(pid)) return yield* new InstallationRunning({ pid, lock })
        yield* remove(lock)
        yield* write
      })),
    Effect.mapError((error) => error._tag === "PlatformError" ? fileProblem("write", lock)(error) : error)
  )
})

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // A process of another user's may not be asked, and is there.
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}
