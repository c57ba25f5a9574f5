/**
 * The addon: the C++ of the npm package, compiled against the libraries of the installation. Two files and one command;
 * node-gyp would ask for Python, make and a download of Node's headers besides.
 */
import { Effect, type FileSystem, Path } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"
import { type FileProblem, fileProblem, makeFolder } from "../files.ts"
import { CompileFailed, NoCompiler } from "./errors.ts"
import { variable } from "./folders.ts"
import { lastLines, runProgram } from "./internal/process.ts"
import { Machine } from "./machine.ts"

/**
 * A C++ compiler: the one that the variable CXX names, else the first of `c++`, `g++`, `clang++`.
 *
 * @example
 * yield* findCompiler // => "c++"
 */
export const findCompiler: Effect.Effect<string, NoCompiler, ChildProcessSpawner.ChildProcessSpawner> = Effect.gen(
  function*() {
    const given = yield* variable("CXX")
    const names = given === undefined ? ["c++", "g++", "clang++"] : [given]
    for (const name of names) {
      const version = yield* Effect.option(runProgram(name, ["--version"], {}))
      if (version._tag === "Some" && version.value.code === 0) return name
    }
    return yield* new NoCompiler({ tried: names })
  }
)

/** What is linked, as paths below `site/`. */
export interface Libraries {
  /** The folder of TensorFlow's headers. */
  readonly include: string
  readonly tensorflow: ReadonlyArray<string>
  /** Those of CUDA that TensorFlow looks for by their names when it first needs them. */
  readonly cuda: ReadonlyArray<string>
}

/** libtensorflow opens these by name; what is linked into the addon is there already under that name. */
const opened = /^lib(cudart|cublas|cublasLt|cudnn|cufft|cupti|cusolver|cusparse|nccl|nvJitLink)\.so\.\d+$/

/**
 * What there is to link in a `site/` folder.
 *
 * @param files the paths of all its files, with `/`
 * @example
 * librariesIn(["tensorflow/libtensorflow_cc.so.2", ...]).include // => "tensorflow/include"
 */
export const librariesIn = (files: ReadonlyArray<string>): Libraries => ({
  include: files.some((file) => file.startsWith("libtensorflow/")) ? "libtensorflow/include" : "tensorflow/include",
  tensorflow: files.filter((file) =>
    /^(tensorflow|libtensorflow\/lib)\/libtensorflow(_cc|_framework)?\.(so\.2|2\.dylib)$/.test(file)
  ).sort(),
  cuda: files.filter((file) => file.startsWith("nvidia/") && opened.test(file.split("/").at(-1)!)).sort()
})

/** The folder of the package's addon, relative to the package. Node-API 8 is in every Node that the package runs on. */
export const addonFolder = "lib/napi-v8"
export const addonFile = "tfjs_binding.node"

/** Headers that some versions of TensorFlow do not ship where the addon includes them. */
const shims = fileURLToPath(new URL("../../engines/tensorflow/include", import.meta.url))

/**
 * The compiler's arguments, relative to the folder that is being built. The addon finds the libraries by their places
 * relative to its own (`$ORIGIN`), so that the engines folder can be moved. That is written as RPATH, which comes before
 * `LD_LIBRARY_PATH`: another TensorFlow of the user's must not take the place of this one.
 *
 * @param name the npm package
 * @param output the file to write
 * @example
 * compilerArguments("linux", "@tensorflow/tfjs-node", libraries, "tfjs_binding.node")
 */
export const compilerArguments = (
  platform: string,
  name: string,
  { cuda, include, tensorflow }: Libraries,
  output: string
): ReadonlyArray<string> => {
  const binding = `node_modules/${name}/binding`
  // From <package>/lib/napi-v8 up to the folder with node_modules and site in it.
  const up = "../".repeat(`node_modules/${name}/${addonFolder}`.split("/").length)
  const folders = [...new Set([...tensorflow, ...cuda].map((file) => file.slice(0, file.lastIndexOf("/"))))]
  const origin = platform === "darwin" ? "@loader_path" : "$ORIGIN"
  return [
    "-shared",
    "-fPIC",
    "-std=c++17",
    "-O2",
    "-w",
    "-DNAPI_VERSION=8",
    "-DNODE_GYP_MODULE_NAME=tfjs_binding",
    "-Inode_modules/node-api-headers/include",
    `-Isite/${include}`,
    `-I${binding}`,
    `-idirafter${shims}`,
    `${binding}/tfjs_backend.cc`,
    `${binding}/tfjs_binding.cc`,
    "-o",
    output,
    // What is linked only to be there by its name is used by nothing that the linker sees.
    ...platform === "darwin" ? ["-undefined", "dynamic_lookup"] : ["-Wl,--no-as-needed", "-Wl,--disable-new-dtags"],
    ...[...tensorflow, ...cuda].map((file) => `site/${file}`),
    ...folders.map((folder) => `-Wl,-rpath,${origin}/${up}site/${folder}`)
  ]
}

/**
 * Compiles the addon.
 *
 * @param building the folder with `node_modules` and `site` in it
 * @param options.output the file to write; the addon is to be moved to its place in the package
 * @example
 * yield* compileAddon("engines/tensorflow.building", { name: "@tensorflow/tfjs-node", compiler: "c++", libraries, output })
 */
export const compileAddon = Effect.fnUntraced(
  function*(
    building: string,
    { compiler, libraries, name, output }: {
      readonly name: string
      readonly compiler: string
      readonly libraries: Libraries
      readonly output: string
    }
  ): Effect.fn.Return<
    void,
    CompileFailed | FileProblem,
    FileSystem.FileSystem | Path.Path | ChildProcessSpawner.ChildProcessSpawner
  > {
    const { platform } = yield* Machine
    yield* makeFolder((yield* Path.Path).dirname(output))
    const ended = yield* runProgram(compiler, compilerArguments(platform, name, libraries, output), { cwd: building })
      .pipe(Effect.mapError(fileProblem("run", compiler)))
    if (ended.code !== 0) {
      return yield* new CompileFailed({ compiler, code: ended.code, lines: lastLines(ended, 3) })
    }
  }
)
