/**
 * Checkpoints: the state of a run on disk. A checkpoint is a folder of safetensors files with a manifest
 * (see `internal/manifest.ts` for its files), and it is there whole or not at all: it is written beside its place, synced,
 * and renamed into it. A process may be killed at any moment.
 *
 * The tensors are float32, named by dotted path, so `average.safetensors` is a state dict that other frameworks read as it
 * is; diffusers finds it as `diffusion_pytorch_model.safetensors`.
 */
import { Effect, FileSystem, Path, Result, Schema } from "effect"
import type { PlatformError } from "effect"
import type { HostTensors } from "../pipeline/Pipeline.ts"
import { Safetensors } from "../tensor/index.ts"
import {
  CheckpointDamaged,
  CheckpointNotFound,
  CheckpointUnreadable,
  CheckpointUnwritable,
  ConfigMismatch
} from "./CheckpointError.ts"
import { configDifferences } from "./internal/configDifferences.ts"
import { syncFolder, writeDurably } from "./internal/durable.ts"
import {
  fileOf,
  folderName,
  Format,
  formatName,
  formatVersion,
  groupsOf,
  Manifest,
  manifestFile,
  manifestSum,
  manifestSumFile,
  parseFolderName,
  removingPrefix,
  replacedName,
  savingPrefix,
  stateOf
} from "./internal/manifest.ts"
import { sha256 } from "./internal/sha256.ts"
import type { CheckpointPolicy, TrainingState } from "./TrainingState.ts"

/** A checkpoint that was read. */
export interface Checkpoint {
  /** Its folder. */
  readonly path: string
  readonly state: TrainingState
  /** The configuration of its run, as JSON. */
  readonly config: unknown
}

/** What there is in a folder of checkpoints. */
export interface Latest {
  /** The newest whole checkpoint, if there is one. */
  readonly checkpoint: Checkpoint | undefined
  /** The checkpoints newer than it that had to be passed over, newest first. */
  readonly damaged: ReadonlyArray<CheckpointDamaged>
}

/** The weights of a checkpoint, for whoever samples or evaluates. */
export interface Weights {
  /** The checkpoint's folder. */
  readonly path: string
  readonly step: number
  /** The averaged parameters, where the run averages; else the trained ones. */
  readonly parameters: HostTensors
}

/** The weights that there are in a folder of checkpoints. */
export interface LatestWeights {
  /** Those of the newest whole checkpoint, if there is one. */
  readonly weights: Weights | undefined
  /** The checkpoints newer than it that had to be passed over, newest first. */
  readonly damaged: ReadonlyArray<CheckpointDamaged>
}

/** What is saved, and where. */
export interface SaveOptions {
  /** The folder of the run's checkpoints; made if it is not there. One process at a time may write to it. */
  readonly folder: string
  readonly state: TrainingState
  /** The configuration of the run: anything that JSON can say. It is compared when the run resumes. */
  readonly config?: unknown
  /** How many checkpoints to keep, this one included, besides those that are pinned. Default: all. */
  readonly keep?: number
  /** Steps, from 1, whose checkpoints are never removed. Default: none. */
  readonly pinned?: ReadonlyArray<number>
}

/**
 * Saves a state as `<folder>/step-<step>`, and returns that path. Older checkpoints beyond `keep` are removed, and so is
 * what a killed process has left unfinished. A checkpoint of the same step is replaced.
 *
 * Fails with {@link CheckpointUnwritable} (disk full, no permission), and then leaves nothing of the checkpoint behind.
 *
 * @throws RangeError when `keep` or a pinned step is no positive integer: a mistake of the program.
 * @example
 * const path = yield* Checkpoint.save({ folder: "runs/digits/checkpoints", state, config, keep: 3 })
 */
export const save = Effect.fnUntraced(function*(
  { config, folder, keep = Infinity, pinned = [], state }: SaveOptions
): Effect.fn.Return<string, CheckpointUnwritable, FileSystem.FileSystem | Path.Path> {
  requireCounts(keep, pinned)
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const name = folderName(state.step)
  const target = path.join(folder, name)
  const write = Effect.gen(function*() {
    yield* fs.makeDirectory(folder, { recursive: true })
    yield* removeUnfinished(folder)
    const temporary = path.join(folder, `${savingPrefix}${name}`)
    yield* Effect.acquireUseRelease(
      fs.makeDirectory(temporary),
      () => Effect.andThen(writeFiles(temporary, state, config), moveInto(temporary, folder, name)),
      () => Effect.ignore(fs.remove(temporary, { recursive: true, force: true }))
    )
    yield* syncFolder(folder)
    yield* syncFolder(path.dirname(folder))
    yield* removeOlder(folder, state.step, keep, pinned)
  })
  yield* Effect.mapError(write, (error) => unwritable(target, error))
  return target
})

/**
 * Reads a checkpoint, and checks every byte of it against its checksums.
 *
 * Fails with {@link CheckpointNotFound}, with {@link CheckpointDamaged}, which names the file and what is wrong with it,
 * or with {@link CheckpointUnreadable} when the operating system refuses.
 *
 * @example
 * const { config, state } = yield* Checkpoint.load("runs/digits/checkpoints/step-00002000")
 */
export const load = Effect.fnUntraced(function*(
  checkpoint: string
): Effect.fn.Return<
  Checkpoint,
  CheckpointNotFound | CheckpointDamaged | CheckpointUnreadable,
  FileSystem.FileSystem | Path.Path
> {
  const manifest = yield* readManifest(checkpoint)
  const groups: { [group: string]: HostTensors } = {}
  for (const group of Object.keys(manifest.groups)) groups[group] = yield* readGroup(checkpoint, manifest, group)
  const state = stateOf(manifest.step, groups, checkpoint)
  if (state === undefined) return yield* lacksParameters(checkpoint)
  return { path: checkpoint, state, config: manifest.config }
})

/**
 * {@link load}, but of the state only the weights to sample or to evaluate with are kept: a quarter of what Adam trains with, where
 * weights are averaged.
 * Every byte of the checkpoint is checked all the same.
 *
 * Fails with {@link CheckpointNotFound}, {@link CheckpointDamaged} and {@link CheckpointUnreadable}.
 *
 * @example
 * const { parameters, step } = yield* Checkpoint.loadWeights("runs/digits/checkpoints/step-00002000")
 */
export const loadWeights = Effect.fnUntraced(function*(
  checkpoint: string
): Effect.fn.Return<
  Weights,
  CheckpointNotFound | CheckpointDamaged | CheckpointUnreadable,
  FileSystem.FileSystem | Path.Path
> {
  const manifest = yield* readManifest(checkpoint)
  const groups = Object.keys(manifest.groups)
  if (!groups.includes("parameters")) return yield* lacksParameters(checkpoint)
  const wanted = groups.includes("average") ? "average" : "parameters"
  for (const group of groups) if (group !== wanted) yield* readBytes(checkpoint, manifest, group)
  return { path: checkpoint, step: manifest.step, parameters: yield* readGroup(checkpoint, manifest, wanted) }
})

/**
 * The folder of the checkpoint of a step, whether it is there or not.
 *
 * @example
 * const path = yield* Checkpoint.pathOf("runs/digits/checkpoints", 200)
 */
export const pathOf = (folder: string, step: number): Effect.Effect<string, never, Path.Path> =>
  Effect.map(Path.Path, (path) => path.join(folder, folderName(step)))

/**
 * The newest whole checkpoint of a folder. Damaged ones are passed over and reported by name, not touched; a folder that
 * is not there has none.
 *
 * Fails with {@link CheckpointUnreadable}.
 *
 * @example
 * const { checkpoint, damaged } = yield* Checkpoint.latest("runs/digits/checkpoints")
 */
export const latest = (
  folder: string
): Effect.Effect<Latest, CheckpointUnreadable, FileSystem.FileSystem | Path.Path> =>
  Effect.map(newest(folder, load), ({ damaged, whole }) => ({ checkpoint: whole, damaged }))

/**
 * The weights of {@link latest}, without the rest of the state.
 *
 * Fails with {@link CheckpointUnreadable}.
 *
 * @example
 * const { damaged, weights } = yield* Checkpoint.latestWeights("runs/digits/checkpoints")
 */
export const latestWeights = (
  folder: string
): Effect.Effect<LatestWeights, CheckpointUnreadable, FileSystem.FileSystem | Path.Path> =>
  Effect.map(newest(folder, loadWeights), ({ damaged, whole }) => ({ weights: whole, damaged }))

/**
 * Makes sure that a run resumes with the configuration it began with. What JSON leaves out (`undefined`) does not count.
 *
 * Fails with {@link ConfigMismatch}, which lists every value that differs.
 *
 * @example
 * yield* Checkpoint.requireConfig(checkpoint, config)
 */
export const requireConfig = (checkpoint: Checkpoint, config: unknown): Effect.Effect<void, ConfigMismatch> => {
  const differences = configDifferences(checkpoint.config, asJson(config))
  return differences.length === 0
    ? Effect.void
    : Effect.fail(new ConfigMismatch({ path: checkpoint.path, differences }))
}

/**
 * A policy for `Training.run`: a checkpoint every so many steps, after the pinned ones, and after the last.
 *
 * @throws RangeError when `keep` or a pinned step is no positive integer.
 * @example
 * Training.run({ ...options, checkpoints: Checkpoint.policy({ folder, config, every: 500, keep: 3 }) })
 */
export const policy = (
  { every, ...options }: Omit<SaveOptions, "state"> & { readonly every: number }
): CheckpointPolicy<CheckpointUnwritable, FileSystem.FileSystem | Path.Path> => {
  requireCounts(options.keep ?? Infinity, options.pinned ?? [])
  return { every, at: options.pinned ?? [], save: (state) => save({ ...options, state }) }
}

// Writing

const writeFiles = Effect.fnUntraced(function*(folder: string, state: TrainingState, config: unknown) {
  const path = yield* Path.Path
  const groups: { [group: string]: { readonly bytes: number; readonly sha256: string } } = {}
  for (const [group, tensors] of Object.entries(groupsOf(state))) {
    // "pt" is what transformers and diffusers ask of a file that they load.
    const bytes = Safetensors.encode(tensors, { format: "pt" })
    yield* writeDurably(path.join(folder, fileOf(group)), bytes)
    groups[group] = { bytes: bytes.length, sha256: yield* sha256(bytes) }
  }
  const manifest: Manifest = {
    format: formatName,
    version: formatVersion,
    step: state.step,
    config: asJson(config),
    groups
  }
  const bytes = new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`)
  yield* writeDurably(path.join(folder, manifestFile), bytes)
  const sum = manifestSum(yield* sha256(bytes))
  yield* writeDurably(path.join(folder, manifestSumFile), new TextEncoder().encode(sum))
  yield* syncFolder(folder)
})

/** Renames a finished folder into its place. Where one of that name is, it steps aside until the new one is there. */
const moveInto = Effect.fnUntraced(function*(temporary: string, folder: string, name: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const target = path.join(folder, name)
  const replaced = path.join(folder, replacedName(name))
  if (yield* fs.exists(target)) {
    yield* fs.remove(replaced, { recursive: true, force: true })
    yield* fs.rename(target, replaced)
  }
  yield* fs.rename(temporary, target)
  yield* remove(folder, replacedName(name))
})

const removeUnfinished = Effect.fnUntraced(function*(folder: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  for (const name of yield* fs.readDirectory(folder)) {
    if (name.startsWith(savingPrefix) || name.startsWith(removingPrefix)) {
      yield* fs.remove(path.join(folder, name), { recursive: true, force: true })
    }
  }
})

/**
 * Removes what is older than the newest `keep` checkpoints up to `step`, but for the pinned ones; what is newer is not
 * this run's to judge.
 */
const removeOlder = Effect.fnUntraced(function*(
  folder: string,
  step: number,
  keep: number,
  pinned: ReadonlyArray<number>
) {
  const found = (yield* list(folder)).filter((checkpoint) =>
    checkpoint.step <= step && !pinned.includes(checkpoint.step)
  )
  for (const { name } of found.slice(keep)) yield* remove(folder, name)
})

/** Removes a checkpoint: takes its name away first, so that a kill leaves no half of it under that name. */
const remove = Effect.fnUntraced(function*(folder: string, name: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const checkpoint = path.join(folder, name)
  if (!(yield* fs.exists(checkpoint))) return
  const doomed = path.join(folder, `${removingPrefix}${name}`)
  yield* fs.rename(checkpoint, doomed)
  yield* fs.remove(doomed, { recursive: true, force: true })
})

// Reading

/** The checkpoints of a folder by name, newest first. */
const list = Effect.fnUntraced(function*(folder: string) {
  const fs = yield* FileSystem.FileSystem
  if (!(yield* fs.exists(folder))) return []
  return (yield* fs.readDirectory(folder))
    .flatMap((name) => {
      const parsed = parseFolderName(name)
      return parsed === undefined ? [] : [{ name, ...parsed }]
    })
    .sort((a, b) => b.step - a.step || Number(a.isReplaced) - Number(b.isReplaced))
})

/** The newest checkpoint that can be read, and the damaged ones that were passed over for it. */
const newest = Effect.fnUntraced(function*<A>(
  folder: string,
  read: (
    checkpoint: string
  ) => Effect.Effect<
    A,
    CheckpointNotFound | CheckpointDamaged | CheckpointUnreadable,
    FileSystem.FileSystem | Path.Path
  >
) {
  const path = yield* Path.Path
  const found = yield* Effect.mapError(list(folder), (error) => unreadable(folder, error))
  const damaged: Array<CheckpointDamaged> = []
  for (const { name } of found) {
    const result = yield* Effect.result(read(path.join(folder, name)))
    if (Result.isSuccess(result)) return { whole: result.success, damaged }
    if (result.failure._tag === "CheckpointUnreadable") return yield* result.failure
    if (result.failure._tag === "CheckpointDamaged") damaged.push(result.failure)
  }
  return { whole: undefined, damaged }
})

const readManifest = Effect.fnUntraced(function*(checkpoint: string) {
  const fs = yield* FileSystem.FileSystem
  const isThere = yield* Effect.mapError(fs.exists(checkpoint), (error) => unreadable(checkpoint, error))
  if (!isThere) return yield* new CheckpointNotFound({ path: checkpoint })
  const bytes = yield* readFile(checkpoint, manifestFile)
  const sum = new TextDecoder().decode(yield* readFile(checkpoint, manifestSumFile))
  if (sum !== manifestSum(yield* sha256(bytes))) {
    return yield* damaged(checkpoint, manifestFile, `does not have the checksum that ${manifestSumFile} says`)
  }
  const json = Result.try({
    try: (): unknown => JSON.parse(new TextDecoder().decode(bytes)),
    catch: () => damaged(checkpoint, manifestFile, "is not JSON")
  })
  const manifest = yield* Effect.fromResult(json)
  const format = Schema.decodeUnknownResult(Format)(manifest)
  if (Result.isSuccess(format) && format.success.version !== formatVersion) {
    const { version } = format.success
    return yield* damaged(
      checkpoint,
      manifestFile,
      `is of format version ${version}, and this program reads version ${formatVersion}`
    )
  }
  return yield* Schema.decodeUnknownEffect(Manifest)(manifest).pipe(
    Effect.mapError(({ message }) =>
      damaged(checkpoint, manifestFile, `has the wrong form: ${message.replace(/\s+/g, " ")}`)
    )
  )
})

const readGroup = Effect.fnUntraced(function*(checkpoint: string, manifest: Manifest, group: string) {
  const bytes = yield* readBytes(checkpoint, manifest, group)
  const { tensors } = yield* Effect.fromResult(Safetensors.decode(bytes)).pipe(
    Effect.mapError(({ reason }) => damaged(checkpoint, fileOf(group), `is not a safetensors file: ${reason}`))
  )
  return tensors
})

/** The file of a group, which is what the manifest says. */
const readBytes = Effect.fnUntraced(function*(checkpoint: string, manifest: Manifest, group: string) {
  const file = fileOf(group)
  const expected = manifest.groups[group]!
  const bytes = yield* readFile(checkpoint, file)
  if (bytes.length !== expected.bytes) {
    return yield* damaged(checkpoint, file, `has ${bytes.length} bytes, not ${expected.bytes}`)
  }
  if ((yield* sha256(bytes)) !== expected.sha256) {
    return yield* damaged(checkpoint, file, "does not have the checksum that the manifest says")
  }
  return bytes
})

const readFile = Effect.fnUntraced(function*(checkpoint: string, file: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  return yield* fs.readFile(path.join(checkpoint, file)).pipe(
    Effect.mapError((error) =>
      error.reason._tag === "NotFound"
        ? damaged(checkpoint, file, "is missing")
        : unreadable(path.join(checkpoint, file), error)
    )
  )
})

// Errors

const damaged = (path: string, file: string, reason: string): CheckpointDamaged =>
  new CheckpointDamaged({ path, file, reason })

const lacksParameters = (path: string): CheckpointDamaged => damaged(path, manifestFile, "lists no parameters")

const unreadable = (path: string, error: PlatformError.PlatformError): CheckpointUnreadable =>
  new CheckpointUnreadable({ path, reason: error.message })

const unwritable = (path: string, error: PlatformError.PlatformError): CheckpointUnwritable => {
  const [reason, remedy] = causeOf(error)
  return new CheckpointUnwritable({ path, reason, remedy })
}

/** What is behind an error of the file system, and what to do about it. */
const causeOf = ({ message, reason }: PlatformError.PlatformError): readonly [reason: string, remedy: string] => {
  const code = errorCode(reason.cause)
  if (code === "ENOSPC") return ["the disk is full", "free some space, and resume"]
  if (code === "EDQUOT") return ["the disk quota is used up", "free some space, and resume"]
  if (code === "EROFS") return ["the file system is read-only", "choose another folder"]
  if (reason._tag === "PermissionDenied") return ["permission is denied", "make the folder writable, or choose another"]
  if (code === "ENOTDIR" || reason._tag === "AlreadyExists") {
    return ["there is a file where a folder should be", "choose another folder"]
  }
  return [message, "check the disk and the folder"]
}

const errorCode = (cause: unknown): unknown =>
  typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined

const asJson = (config: unknown): unknown => config === undefined ? null : JSON.parse(JSON.stringify(config))

const requireCounts = (keep: number, pinned: ReadonlyArray<number>): void => {
  if (!(keep === Infinity || isCount(keep))) {
    throw new RangeError(`a run keeps a positive number of checkpoints, not ${keep}`)
  }
  const wrong = pinned.find((step) => !isCount(step))
  if (wrong !== undefined) throw new RangeError(`the step of a pinned checkpoint is a positive integer, not ${wrong}`)
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value > 0
