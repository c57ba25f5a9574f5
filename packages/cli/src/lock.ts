/**
 * One process at a time: a file that says which one.
 *
 * A process that is killed leaves its lock behind, so a lock counts only as long as its process lives. A number alone does
 * not tell: it is given to another process in time, and in a container always the same one has it. Where the system says
 * when a process began (Linux), that is compared as well. Of a process on another machine nothing can be known here, and its
 * lock counts until somebody removes it.
 */
import { Effect, FileSystem, Option, Schedule, Schema } from "effect"
import type { Scope } from "effect"
import type { PlatformError } from "effect/PlatformError"
import { hostname } from "node:os"
import type { FileProblem } from "./files.ts"
import { fileProblem } from "./files.ts"

/** Who holds a lock. */
const Holder = Schema.Struct({
  pid: Schema.Int,
  host: Schema.String,
  /** What tells the process from a later one of its number; absent where the system does not say. */
  began: Schema.optionalKey(Schema.String)
})

/** Who holds a lock. */
export type Holder = typeof Holder.Type

const HolderText = Schema.fromJsonString(Holder)

/**
 * Takes a lock, and releases it when the scope closes. A lock whose process is gone is taken over. The folder that it is in
 * has to be there.
 *
 * @param lock the path of the file
 * @param refusal the error, where another process holds it
 * @example
 * yield* acquire("engines/tensorflow.lock", ({ pid }) => new InstallationRunning({ pid, lock }))
 */
export const acquire = <E>(
  lock: string,
  refusal: (holder: Holder) => E
): Effect.Effect<void, E | FileProblem, FileSystem.FileSystem | Scope.Scope> =>
  Effect.asVoid(Effect.acquireRelease(take(lock, refusal), (text) => release(lock, text)))

const take = Effect.fnUntraced(function*<E>(lock: string, refusal: (holder: Holder) => E) {
  const fs = yield* FileSystem.FileSystem
  const problem = Effect.mapError(fileProblem("write", lock))
  const text = yield* holderText
  const write = fs.writeFileString(lock, text, { flag: "wx" }).pipe(
    Effect.as(true),
    Effect.catchIf((error) => error.reason._tag === "AlreadyExists", () => Effect.succeed(false)),
    problem
  )
  while (!(yield* write)) {
    const found = yield* read(lock)
    const holder = Option.getOrUndefined(holderOf(found))
    if (holder !== undefined && (yield* isThere(holder))) return yield* Effect.fail(refusal(holder))
    yield* problem(clear(lock, found))
  }
  return text
})

/** Where somebody has removed the lock by hand, another process may hold one of its own by now. */
const release = Effect.fnUntraced(function*(lock: string, text: string) {
  const fs = yield* FileSystem.FileSystem
  const found = yield* Effect.orElseSucceed(fs.readFileString(lock), () => "")
  if (found === text) yield* Effect.ignore(fs.remove(lock, { force: true }))
})

/** What is in a lock. A process that has just made it may not have written into it yet. */
const read = (lock: string): Effect.Effect<string, never, FileSystem.FileSystem> =>
  FileSystem.FileSystem.use((fs) => Effect.orElseSucceed(fs.readFileString(lock), () => "")).pipe(
    Effect.repeat({ while: (text) => Option.isNone(holderOf(text)), schedule: patience })
  )

const patience = Schedule.max([Schedule.spaced("20 millis"), Schedule.recurs(10)])

const holderOf = Schema.decodeOption(HolderText)

/**
 * Takes a lock that nobody holds out of the way. Of two processes that have found it, the slower one may take away what the
 * faster one has made by now: it puts that back.
 */
const clear = (lock: string, found: string): Effect.Effect<void, PlatformError, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const aside = `${lock}.${process.pid}`
    yield* fs.rename(lock, aside)
    const taken = yield* fs.readFileString(aside)
    if (taken !== found) yield* Effect.ignore(fs.writeFileString(lock, taken, { flag: "wx" }))
    yield* fs.remove(aside, { force: true })
  }).pipe(Effect.catchIf((error) => error.reason._tag === "NotFound", () => Effect.void))

/** What this process writes into its locks. */
const holderText = Effect.map(
  Effect.suspend(() => beginning(process.pid)),
  (began) =>
    JSON.stringify(
      { pid: process.pid, host: hostname(), ...(began === undefined ? {} : { began }) } satisfies Holder
    )
)

/** Whether the process that holds a lock is there, as far as can be told. */
const isThere = Effect.fnUntraced(function*({ began, host, pid }: Holder) {
  if (host !== hostname()) return true
  if (!isAlive(pid)) return false
  const now = yield* beginning(pid)
  if (now === ended) return false
  // This process holds no lock that it does not know of, so one with its number is that of an earlier process.
  return began === undefined || now === undefined ? pid !== process.pid : began === now
})

const isAlive = (pid: number): boolean => {
  if (pid <= 0) return false
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // A process of another user's may not be asked, and is there.
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}

/** A process that has ended is listed until its parent asks for it. */
const ended = "ended"

/** When a process began, since which start of the machine; `undefined` where the system does not say. See proc(5). */
const beginning = (pid: number): Effect.Effect<string | undefined, never, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const boot = (yield* fs.readFileString("/proc/sys/kernel/random/boot_id")).trim()
    const stat = yield* fs.readFileString(`/proc/${pid}/stat`)
    // The name before these may have spaces and parentheses in it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    const [state, began] = [fields[0], fields[19]]
    return state === "Z" || state === "X" ? ended : `${boot} ${began}`
  }).pipe(Effect.orElseSucceed(() => undefined))
