/**
 * The npm package of TensorFlow for Node, with its dependencies: versions and checksums are those of a lock file that comes
 * with this package. Install scripts are off: they would download an old libtensorflow, and need Python and make.
 */
import { Effect, FileSystem, Path } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"
import { type FileProblem, fileProblem } from "../files.ts"
import { NoNpm, NpmFailed } from "./errors.ts"
import { variable } from "./folders.ts"
import { lastLines, runProgram } from "./internal/process.ts"
import { Machine } from "./machine.ts"

/** How npm is started. */
export interface Npm {
  readonly command: string
  readonly args: ReadonlyArray<string>
}

/**
 * npm: the one that started this process, else the one beside Node, else the one on the PATH.
 *
 * @example
 * const npm = yield* findNpm
 */
export const findNpm: Effect.Effect<
  Npm,
  NoNpm,
  FileSystem.FileSystem | Path.Path | ChildProcessSpawner.ChildProcessSpawner
> = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const { node } = yield* Machine
  const running = yield* variable("npm_execpath")
  const beside = paths.join(paths.dirname(node), "..", "lib", "node_modules", "npm", "bin", "npm-cli.js")
  const scripts = [
    // Other package managers set the same variable.
    ...running !== undefined && paths.basename(running) === "npm-cli.js" ? [running] : [],
    beside
  ]
  for (const script of scripts) {
    if (yield* Effect.orElseSucceed(fs.exists(script), () => false)) return { command: node, args: [script] }
  }
  const version = yield* Effect.option(runProgram("npm", ["--version"], {}))
  if (version._tag === "Some" && version.value.code === 0) return { command: "npm", args: [] }
  return yield* new NoNpm({ tried: [...scripts, "npm on the PATH"] })
})

/** The name of the package. */
export const packageName = ({ gpu }: { readonly gpu: boolean }): string =>
  gpu ? "@tensorflow/tfjs-node-gpu" : "@tensorflow/tfjs-node"

/** The files of an installation by npm. */
export const npmFiles = ["package.json", "package-lock.json"]

/** The folder with the lock file of a package. */
const lockFolder = (gpu: boolean): string =>
  fileURLToPath(new URL(`../../engines/tensorflow/tfjs-node${gpu ? "-gpu" : ""}`, import.meta.url))

/**
 * What decides which packages are installed: the contents of the two files.
 *
 * @example
 * const [manifest, lock] = yield* npmSource({ gpu: false })
 */
export const npmSource = Effect.fnUntraced(function*({ gpu }: { readonly gpu: boolean }) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  return yield* Effect.forEach(npmFiles, (name) => {
    const path = paths.join(lockFolder(gpu), name)
    return Effect.mapError(fs.readFileString(path), fileProblem("read", path))
  })
})

/**
 * Installs the package, and the C headers of Node-API, into `node_modules` of a folder.
 *
 * @example
 * yield* installPackage("engines/tensorflow.building", { gpu: false, npm: yield* findNpm })
 */
export const installPackage = Effect.fnUntraced(
  function*(
    folder: string,
    { gpu, npm }: { readonly gpu: boolean; readonly npm: Npm }
  ): Effect.fn.Return<
    void,
    NpmFailed | FileProblem,
    FileSystem.FileSystem | Path.Path | ChildProcessSpawner.ChildProcessSpawner
  > {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    yield* Effect.forEach(npmFiles, (name) => {
      const to = paths.join(folder, name)
      return Effect.mapError(fs.copyFile(paths.join(lockFolder(gpu), name), to), fileProblem("write", to))
    }, { discard: true })
    const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress", "--loglevel=error"]
    const ended = yield* runProgram(npm.command, [...npm.args, ...args, "--prefix", folder], { cwd: folder }).pipe(
      Effect.mapError(fileProblem("run", npm.command))
    )
    if (ended.code !== 0) return yield* new NpmFailed({ code: ended.code, lines: lastLines(ended, 4) })
  }
)
