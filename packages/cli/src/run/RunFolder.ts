/**
 * The folder of a run: where everything lies that a training run leaves behind.
 *
 *     config.json     the configuration, as it was resolved
 *     metrics.jsonl   one JSON object a line: the loss of every step
 *     engines.jsonl   what computed it: a line for each time that it was begun or gone on with
 *     checkpoints/    what a run is resumed from, and samples are drawn with
 *     previews/       pictures drawn on the way, step-<n>.png (or .svg, for points)
 *     loss.svg        the loss over the steps
 *     samples.png     what the finished network draws (or samples.svg, for points)
 *     bound.svg       what each timestep adds to the variational bound, after `effusion evaluate bound`
 *     profile.*       where the time of a step goes, after `effusion train --profile --out`
 *     run.lock        the process that is training the run; gone when none is
 */
import { Data, Effect, FileSystem, Path, Result } from "effect"
import type { Scope } from "effect"
import { hostname } from "node:os"
import type { RunConfig } from "../configuration/config.ts"
import { decodeRunConfig, encodeRunConfig, InvalidRunConfig } from "../configuration/config.ts"
import { FileProblem, fileProblem, isFolder, makeFolder, meaningOf, requireWritable, writeWhole } from "../files.ts"
import * as Lock from "../lock.ts"
import type { EngineFields } from "../report/engine.ts"

/** Paths inside of a run's folder. */
export interface RunFolder {
  readonly path: string
  readonly config: string
  readonly metrics: string
  readonly engines: string
  readonly lock: string
  readonly checkpoints: string
  readonly lossPlot: string
  /** The picture of a step, with as many leading zeros as `steps` needs. Types are extensions: `.png`. */
  readonly preview: (step: number, steps: number, type: string) => string
  /** What `effusion evaluate bound` draws. */
  readonly boundPlot: string
  /** The final samples. */
  readonly samples: (type: string) => string
}

/** A folder that must not be written to holds a run, or something else. */
export class FolderInUse extends Data.TaggedError("FolderInUse")<{
  readonly path: string
  readonly holdsRun: boolean
}> {
  override get message() {
    return this.holdsRun
      ? `"${this.path}" already holds a run; go on with it (--resume ${this.path}), replace it (--out ${this.path} ` +
        `--overwrite), or choose another folder with --out`
      : `the folder "${this.path}" is not empty, and what it holds is no run; choose another folder with --out`
  }
}

/** Another process is training the run of a folder. */
export class RunInTraining extends Data.TaggedError("RunInTraining")<{
  readonly path: string
  readonly lock: string
  readonly pid: number
  readonly host: string
  /** Whether that is the machine of this process. */
  readonly isHere: boolean
}> {
  override get message() {
    const where = this.isHere ? "" : ` on the machine "${this.host}"`
    const unless = this.isHere ? "" : `, or remove "${this.lock}" if it is gone`
    return `process ${this.pid}${where} is training the run in "${this.path}"; wait for it, or stop it (Ctrl-C)${unless}`
  }
}

/** A folder does not hold a run. */
export class NoRun extends Data.TaggedError("NoRun")<{ readonly path: string; readonly reason: string }> {
  override get message() {
    return `"${this.path}" holds no run: ${this.reason}; give the folder of a run, as "effusion train" made it`
  }
}

/**
 * The paths of a run in a folder.
 *
 * @example
 * const { metrics } = yield* layout("runs/digits-1") // "runs/digits-1/metrics.jsonl"
 */
export const layout = (path: string): Effect.Effect<RunFolder, never, Path.Path> =>
  Effect.map(Path.Path, (paths) => ({
    path,
    config: paths.join(path, configFile),
    metrics: paths.join(path, "metrics.jsonl"),
    engines: paths.join(path, enginesFile),
    lock: paths.join(path, lockFile),
    checkpoints: paths.join(path, "checkpoints"),
    lossPlot: paths.join(path, "loss.svg"),
    preview: (step, steps, type) =>
      paths.join(path, "previews", `step-${String(step).padStart(String(steps).length, "0")}${type}`),
    boundPlot: paths.join(path, "bound.svg"),
    samples: (type) => paths.join(path, `samples${type}`)
  }))

const configFile = "config.json"
const enginesFile = "engines.jsonl"
const lockFile = "run.lock"

/** What a run writes; nothing else is ever removed. */
const contents = [
  configFile,
  "metrics.jsonl",
  enginesFile,
  "checkpoints",
  "previews",
  "loss.svg",
  "samples.png",
  "samples.svg",
  "samples.json",
  "bound.svg",
  "profile.txt",
  "profile.svg",
  "profile.speedscope.json"
]

/** Where a new run is to go. */
export interface CreateOptions {
  /** The folder; `runs/<preset>-<n>` with the first number that is free when not given. */
  readonly out?: string | undefined
  /** Replace a run that the folder holds. */
  readonly overwrite: boolean
  readonly config: RunConfig
}

/**
 * Makes the folder of a new run, with its configuration, and keeps other processes from training there until the scope
 * closes. A folder that holds anything is left as it is, but for a run that is to be replaced.
 *
 * Fails with {@link FolderInUse}, or with {@link RunInTraining} where another process is training there.
 *
 * @example
 * const folder = yield* create({ config, overwrite: false })
 */
export const create = Effect.fnUntraced(
  function*(
    { config, out, overwrite }: CreateOptions
  ): Effect.fn.Return<
    RunFolder,
    FolderInUse | RunInTraining | FileProblem,
    FileSystem.FileSystem | Path.Path | Scope.Scope
  > {
    const fs = yield* FileSystem.FileSystem
    const path = out ?? (yield* claimNumberedFolder("runs", config.preset))
    const folder = yield* layout(path)
    yield* makeFolder(path)
    // A folder that is refused is not touched; and what another process has made until it let go counts, too.
    yield* requireRoom(path, overwrite)
    yield* hold(folder)
    const isTaken = yield* requireRoom(path, overwrite)
    if (isTaken) {
      const paths = yield* Path.Path
      yield* Effect.forEach(contents, (entry) => fs.remove(paths.join(path, entry), { recursive: true, force: true }), {
        discard: true
      }).pipe(Effect.mapError(fileProblem("empty the folder", path)))
    }
    yield* writeConfig(folder, config)
    return folder
  }
)

/** Fails unless a folder is empty, or holds a run that is to be replaced; says which. */
const requireRoom = Effect.fnUntraced(function*(path: string, overwrite: boolean) {
  const fs = yield* FileSystem.FileSystem
  const names = yield* fs.readDirectory(path).pipe(Effect.mapError(fileProblem("read the folder", path)))
  // A lock alone is what a process leaves that was killed before it wrote anything.
  if (names.every((name) => name === lockFile)) return false
  const holdsRun = names.includes(configFile)
  return overwrite && holdsRun ? true : yield* new FolderInUse({ path, holdsRun })
})

/** Keeps other processes from training the run of a folder until the scope closes. */
const hold = ({ lock, path }: RunFolder) =>
  Lock.acquire(lock, ({ host, pid }) => new RunInTraining({ path, lock, pid, host, isHere: host === hostname() }))

/**
 * Fails as {@link create} would, and leaves nothing.
 *
 * @example
 * yield* requireCreatable({ out: "runs/mine", overwrite: false })
 */
export const requireCreatable = Effect.fnUntraced(
  function*(
    { out, overwrite }: Pick<CreateOptions, "out" | "overwrite">
  ): Effect.fn.Return<void, FolderInUse | RunInTraining | FileProblem, FileSystem.FileSystem | Path.Path> {
    const paths = yield* Path.Path
    // A numbered folder is one that is not there yet.
    if (out === undefined) return yield* requireWritable(paths.join("runs", configFile))
    const path = out
    // What cannot be looked at is below a file, or where nobody may look: nothing can be made there either.
    const isThere = yield* Effect.orElseSucceed(FileSystem.FileSystem.use((fs) => fs.exists(path)), () => false)
    if (isThere && !(yield* isFolder(path))) {
      return yield* new FileProblem({ action: "make the folder", path, ...meaningOf("EEXIST") })
    }
    if (isThere) {
      yield* requireRoom(path, overwrite)
      const folder = yield* layout(path)
      yield* requireWritable(folder.config)
      return yield* Effect.scoped(Effect.asVoid(hold(folder)))
    }
    const cannotMake = ({ reason, remedy }: FileProblem) =>
      new FileProblem({ action: "make the folder", path, reason, remedy })
    yield* Effect.mapError(requireWritable(path), cannotMake)
  }
)

/**
 * Writes the configuration of a run.
 *
 * @example
 * yield* writeConfig(folder, { ...config, steps: 2000 })
 */
export const writeConfig = (folder: RunFolder, config: RunConfig) =>
  writeWhole(folder.config, `${JSON.stringify(encodeRunConfig(config), undefined, 2)}\n`)

/**
 * Notes what computes the steps of a run from here on. Nothing reads it again: a run can go on with another engine.
 *
 * @param note.step the last step that was done before; 0 where the run begins
 * @example
 * yield* noteEngine(folder, { step: 0, ...engineFields(engine) })
 */
export const noteEngine = Effect.fnUntraced(function*(
  { engines }: RunFolder,
  note: { readonly step: number } & EngineFields
): Effect.fn.Return<void, FileProblem, FileSystem.FileSystem | Path.Path> {
  const fs = yield* FileSystem.FileSystem
  const before = note.step === 0 ? "" : yield* Effect.orElseSucceed(fs.readFileString(engines), () => "")
  yield* writeWhole(engines, `${before}${JSON.stringify(note)}\n`)
})

/** What opening a run's folder can fail with. */
export type OpenError = NoRun | InvalidRunConfig | FileProblem

/**
 * Opens the folder of a run that was begun before.
 *
 * Fails with {@link NoRun} when it is no such folder, and with {@link InvalidRunConfig} when its configuration is damaged.
 *
 * @example
 * const { config, folder } = yield* open("runs/digits-1")
 */
export const open = Effect.fnUntraced(
  function*(path: string): Effect.fn.Return<
    { readonly folder: RunFolder; readonly config: RunConfig },
    OpenError,
    FileSystem.FileSystem | Path.Path
  > {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* layout(path)
    if (!(yield* isFolder(path))) return yield* new NoRun({ path, reason: "there is no such folder" })
    const exists = yield* Effect.orElseSucceed(fs.exists(folder.config), () => true)
    if (!exists) return yield* new NoRun({ path, reason: `it has no ${configFile}` })
    const text = yield* fs.readFileString(folder.config).pipe(Effect.mapError(fileProblem("read", folder.config)))
    return { folder, config: yield* decodeRunConfig(yield* parseJson(folder.config, text), folder.config) }
  }
)

/**
 * {@link open}, to go on with the run: keeps other processes from training it until the scope closes.
 *
 * Fails with {@link RunInTraining} where another process is doing so.
 *
 * @example
 * const { config, folder } = yield* openToTrain("runs/digits-1")
 */
export const openToTrain = Effect.fnUntraced(
  function*(path: string): Effect.fn.Return<
    Effect.Success<ReturnType<typeof open>>,
    OpenError | RunInTraining,
    FileSystem.FileSystem | Path.Path | Scope.Scope
  > {
    // A folder that holds no run is not touched; and what another process has written until it let go counts.
    yield* hold((yield* open(path)).folder)
    return yield* open(path)
  }
)

/**
 * The value of a JSON text.
 *
 * @param source what to call the text in messages
 * @example
 * const value = yield* parseJson("run.json", `{ "steps": 10 }`)
 */
export const parseJson = (source: string, text: string): Effect.Effect<unknown, InvalidRunConfig> =>
  Effect.suspend(() => {
    const parsed = Result.try(() => JSON.parse(text) as unknown)
    return Result.isSuccess(parsed)
      ? Effect.succeed(parsed.success)
      : new InvalidRunConfig({ source, problems: [`it is not JSON (${String((parsed.failure as Error).message)})`] })
  })

/**
 * Makes the first of `<parent>/<preset>-1`, `-2`, ... that does not exist; two that begin at once get two folders.
 *
 * @example
 * const folder = yield* claimNumberedFolder("runs", "digits") // "runs/digits-1"
 */
export const claimNumberedFolder = Effect.fnUntraced(function*(parent: string, preset: string) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  yield* makeFolder(parent)
  for (let number = 1;; number++) {
    const path = paths.join(parent, `${preset}-${number}`)
    const made = yield* fs.makeDirectory(path).pipe(
      Effect.as(true),
      Effect.catchIf((error) => error.reason._tag === "AlreadyExists", () => Effect.succeed(false)),
      Effect.mapError(fileProblem("make the folder", path))
    )
    if (made) return path
  }
})
