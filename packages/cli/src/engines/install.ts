/**
 * Installs the tensorflow engine: libraries, the npm package, the addon between them, and a check; each a stage that an
 * interrupted installation need not do again. What was installed before is in use until all of it is done.
 */
import {
  type Manifest,
  manifestName,
  type PackageName,
  readPackage
} from "@effusion/core/engine/tensorflow/installation"
import { Clock, DateTime, Effect, FileSystem, Option, Path, Schema } from "effect"
import type { HttpClient } from "effect/http"
import type { ChildProcessSpawner } from "effect/process"
import { type FileProblem, fileProblem, isFolder, makeFolder, writeWhole } from "../files.ts"
import * as Lock from "../lock.ts"
import { addonFile, addonFolder, compileAddon, findCompiler } from "./addon.ts"
import { EngineCheck } from "./EngineCheck.ts"
import { EngineDoesNotWork, InstallationRunning, UnsupportedMachine } from "./errors.ts"
import type * as Problems from "./errors.ts"
import { enginePlaces } from "./folders.ts"
import { InstallReporter } from "./InstallReporter.ts"
import { Machine } from "./machine.ts"
import { findNpm, installPackage, npmFiles, npmSource, packageName } from "./npmPackage.ts"
import { type Asked, bring, findSource, identityOf, unpack, unpackedLibraries } from "./source.ts"
import { fingerprint, remove, removeStamps, runStage } from "./stages.ts"

/** Everything that installing can fail with. */
export type InstallError =
  | Problems.UnsupportedMachine
  | Problems.NoCompiler
  | Problems.NoNpm
  | Problems.NotAWheel
  | Problems.WrongWheel
  | Problems.NoTensorflowInWheel
  | Problems.TwoLibtensorflows
  | Problems.DamagedArchive
  | Problems.NoLibtensorflow
  | Problems.DownloadFailed
  | Problems.NpmFailed
  | Problems.CompileFailed
  | Problems.EngineDoesNotWork
  | Problems.InstallationRunning
  | FileProblem

type Services =
  | FileSystem.FileSystem
  | Path.Path
  | HttpClient.HttpClient
  | ChildProcessSpawner.ChildProcessSpawner
  | InstallReporter
  | EngineCheck

export interface InstallOptions extends Asked {
  /** The folder of all engines. */
  readonly engines: string
  /** Begin anew, even if the very same thing is installed and works. */
  readonly force: boolean
}

/**
 * Installs the tensorflow engine into the engines folder.
 *
 * @example
 * yield* installTensorflow({ engines, gpu: false, wheels: [wheel], libtensorflow: undefined, force: false })
 */
export const installTensorflow = Effect.fnUntraced(
  function*(options: InstallOptions): Effect.fn.Return<void, InstallError, Services> {
    yield* requireSupported
    // What is missing is said before anything is downloaded.
    const tools = { compiler: yield* findCompiler, npm: yield* findNpm }
    const source = yield* findSource(options)
    const places = yield* enginePlaces(options.engines)
    yield* makeFolder(places.engines)
    yield* Effect.scoped(Effect.andThen(
      Lock.acquire(places.lock, ({ pid }) => new InstallationRunning({ pid, lock: places.lock })),
      build(options, tools, source)
    ))
  }
)

const requireSupported: Effect.Effect<void, UnsupportedMachine> = Effect.gen(function*() {
  const { arch, glibc, platform } = yield* Machine
  const machine = `${platform}-${arch}`
  if (platform === "win32") {
    const reason = "there is no current libtensorflow for it that the addon can be linked to"
    return yield* new UnsupportedMachine({
      machine,
      reason,
      remedy: "install it in Windows' subsystem for Linux (WSL)"
    })
  }
  if ((platform !== "linux" && platform !== "darwin") || (arch !== "x64" && arch !== "arm64")) {
    return yield* new UnsupportedMachine({
      machine,
      reason: "TensorFlow is not made for it",
      remedy: "use --engine onnx"
    })
  }
  if (platform === "linux" && glibc === undefined) {
    const reason = "TensorFlow needs glibc, and this system has another C library (musl, as in Alpine)"
    return yield* new UnsupportedMachine({ machine, reason, remedy: "use a system with glibc, such as Debian" })
  }
})

interface Tools {
  readonly compiler: Effect.Success<typeof findCompiler>
  readonly npm: Effect.Success<typeof findNpm>
}

const build = Effect.fnUntraced(
  function*(
    options: InstallOptions,
    { compiler, npm }: Tools,
    source: Effect.Success<ReturnType<typeof findSource>>
  ): Effect.fn.Return<void, InstallError, Services> {
    const paths = yield* Path.Path
    const { report } = yield* InstallReporter
    const { engines, force, gpu } = options
    const { building, downloads, installed } = yield* enginePlaces(engines)
    const startedAt = yield* Clock.currentTimeMillis
    const name = packageName({ gpu })

    if (force) yield* remove(building)
    const local = yield* bring(source, downloads)
    const libraries = yield* identityOf(local)
    const npmIdentity = yield* npmSource({ gpu })
    const identity = fingerprint({ libraries, npm: npmIdentity })
    if (!force && (yield* isInstalled(installed, identity))) {
      const before = yield* Effect.option(checked(installed, name))
      if (Option.isSome(before)) {
        const { builtForGpu: _, usesGpu, version } = before.value
        return yield* report({
          event: "installed",
          path: installed,
          package: name,
          libtensorflow: version,
          gpu: usesGpu,
          before: true,
          seconds: 0
        })
      }
      yield* report({ event: "warning", message: "what is installed does not work, and is installed anew" })
    }

    yield* runStage(building, {
      name: "libraries",
      text: `unpacking the libraries of ${source.text}`,
      source: libraries,
      makes: ["site"],
      run: (folder) => unpack(local, folder)
    })
    yield* runStage(building, {
      name: "package",
      text: `installing ${name} with npm`,
      source: npmIdentity,
      makes: ["node_modules", ...npmFiles],
      run: (folder) => installPackage(folder, { gpu, npm })
    })
    const linked = yield* unpackedLibraries(building)
    const addon = paths.join("node_modules", name, addonFolder, addonFile)
    yield* runStage(building, {
      name: "addon",
      text: `compiling the addon with ${compiler}`,
      source: { identity, compiler },
      makes: [addon],
      run: (folder) => compileAddon(building, { name, compiler, libraries: linked, output: paths.join(folder, addon) })
    })
    yield* report({ event: "stage", stage: "check", text: "checking that it computes", skipped: false })
    const working = yield* checked(building, name)
    const version = yield* versionOf(building, name)
    const manifest: Manifest & { readonly identity: string } = {
      package: name as PackageName,
      version,
      libtensorflow: working.version,
      gpu: working.builtForGpu,
      source: source.text,
      libraries: [...linked.tensorflow, ...linked.cuda].map((file) => `site/${file}`),
      date: DateTime.formatIso(yield* DateTime.now),
      identity
    }
    yield* writeWhole(paths.join(building, manifestName), `${JSON.stringify(manifest, undefined, 2)}\n`)
    yield* removeStamps(building, ["libraries", "package", "addon"])
    yield* putInPlace(engines)
    if (gpu && !working.usesGpu) {
      const message = working.builtForGpu
        ? `TensorFlow does not use a GPU here; "effusion engine doctor" says why`
        : `this libtensorflow is built without CUDA: for a GPU, give the wheel of "tensorflow" and those of NVIDIA`
      yield* report({ event: "warning", message })
    }
    const seconds = ((yield* Clock.currentTimeMillis) - startedAt) / 1000
    yield* report({
      event: "installed",
      path: installed,
      package: name,
      libtensorflow: working.version,
      gpu: working.usesGpu,
      before: false,
      seconds
    })
  }
)

/** Whether the installation in use is whole, and was made out of the same. */
const isInstalled = Effect.fnUntraced(function*(installed: string, identity: string) {
  const fs = yield* FileSystem.FileSystem
  const path = (yield* Path.Path).join(installed, manifestName)
  const text = yield* Effect.orElseSucceed(fs.readFileString(path), () => "")
  const known = Schema.decodeOption(Schema.fromJsonString(Schema.Struct({ identity: Schema.String })))(text)
  return Option.exists(known, (found) => found.identity === identity)
})

/** Checks the engine in a folder. */
const checked = Effect.fnUntraced(function*(folder: string, name: string) {
  const { check } = yield* EngineCheck
  const path = (yield* Path.Path).join(folder, "node_modules", name)
  const installation = readPackage(path, { namedBy: "the installation", nodeApi: Number(process.versions.napi) })
  if (!("addon" in installation)) {
    return yield* new EngineDoesNotWork({
      reason: `${path} ${installation.detail}`,
      remedy: "run it again with --force"
    })
  }
  return yield* check(installation)
})

const versionOf = Effect.fnUntraced(function*(folder: string, name: string) {
  const path = (yield* Path.Path).join(folder, "node_modules", name, "package.json")
  const text = yield* Effect.mapError(
    FileSystem.FileSystem.use((fs) => fs.readFileString(path)),
    fileProblem("read", path)
  )
  return Option.match(Schema.decodeOption(Schema.fromJsonString(Schema.Struct({ version: Schema.String })))(text), {
    onNone: () => "unknown",
    onSome: ({ version }) => version
  })
})

/**
 * Makes the installation that was built the one that is used. That is one rename, of a link; what was used before is
 * removed afterwards.
 */
const putInPlace = Effect.fnUntraced(
  function*(engines: string): Effect.fn.Return<void, FileProblem, FileSystem.FileSystem | Path.Path> {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const { building, installed, link } = yield* enginePlaces(engines)
    const others = (yield* Effect.mapError(fs.readDirectory(engines), fileProblem("read", engines)))
      .filter((name) => numbered.test(name))
    const last = Math.max(0, ...others.map((name) => Number(numbered.exec(name)![1])))
    const name = `tensorflow-${last + 1}`
    yield* remove(link)
    const place = Effect.gen(function*() {
      yield* fs.rename(building, paths.join(engines, name))
      yield* fs.symlink(name, link)
      // A folder that somebody put there by hand cannot be replaced by a link at once.
      const byHand = (yield* isFolder(installed)) && Option.isNone(yield* Effect.option(fs.readLink(installed)))
      if (byHand) yield* fs.rename(installed, paths.join(engines, `tensorflow-${last + 2}`))
      yield* fs.rename(link, installed)
    })
    yield* Effect.mapError(Effect.uninterruptible(place), fileProblem("write", installed))
    const left = (yield* Effect.mapError(fs.readDirectory(engines), fileProblem("read", engines)))
      .filter((other) => numbered.test(other) && other !== name)
    yield* Effect.forEach(left, (other) => remove(paths.join(engines, other)), { discard: true })
  }
)

/** What an installation is called. */
const numbered = /^tensorflow-(\d+)$/
