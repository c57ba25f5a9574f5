/**
 * What there is of the tensorflow engine on this machine, from the places where it is looked for to a computation. Nothing
 * here fails: what is broken is a fact among others.
 */
import {
  damageOf,
  diagnose,
  driverVersionOf,
  enginesFolder,
  type Environment,
  environment,
  find,
  gpusOf,
  type Installation,
  isGpuExpected,
  look,
  type Place,
  whyNoGpu
} from "@effusion/core/engine/tensorflow/installation"
import { Effect, FileSystem, type Path, Result } from "effect"
import type { ChildProcessSpawner } from "effect/process"
import { normalize } from "node:path"
import { compute } from "./EngineCheck.ts"
import { enginePlaces } from "./folders.ts"
import { runProgram } from "./internal/process.ts"

/** What is wrong with something, and what to do. */
export interface Fault {
  readonly problem: string
  readonly remedy: string
}

/** What a process that loaded the engine found out. */
export interface Loaded {
  /** The version of libtensorflow. */
  readonly version: string
  readonly usesGpu: boolean
  /** What TensorFlow wrote. */
  readonly log: string
}

/** What there is of the tensorflow engine. */
export interface Examination {
  /** The engines folder. */
  readonly engines: string
  /** The folders that were looked at, in order. */
  readonly places: ReadonlyArray<Place>
  /** An installation was begun and did not come to its end. */
  readonly isUnfinished: boolean
  readonly found: Result.Result<Installation, Fault>
  /** TensorFlow is nowhere, and nobody says that it is somewhere. */
  readonly isAbsent: boolean
  /** The shared libraries that the addon needs, and where they are; undefined where that cannot be told. */
  readonly libraries: ReadonlyArray<SharedLibrary> | undefined
  readonly loaded: Result.Result<Loaded, Fault> | undefined
  readonly computed: Result.Result<void, Fault> | undefined
  readonly gpu: GpuExamination
}

export interface SharedLibrary {
  readonly name: string
  /** Undefined if it is nowhere. */
  readonly path: string | undefined
}

export interface GpuExamination {
  readonly models: ReadonlyArray<string>
  readonly driver: string | undefined
  /** There is a GPU, and nobody has hidden it. */
  readonly isExpected: boolean
  /** Why it is not used. */
  readonly fault: Fault | undefined
}

/**
 * Examines the tensorflow engine.
 *
 * @example
 * const { found, loaded } = yield* examine()
 */
export const examine = Effect.fnUntraced(
  function*(variables: Environment = environment()): Effect.fn.Return<
    Examination,
    never,
    FileSystem.FileSystem | Path.Path | ChildProcessSpawner.ChildProcessSpawner
  > {
    const fs = yield* FileSystem.FileSystem
    const engines = enginesFolder(variables)
    const { building } = yield* enginePlaces(engines)
    const isUnfinished = yield* Effect.orElseSucceed(fs.exists(building), () => false)
    const whole = yield* Effect.result(find({ environment: variables }))
    const found = Result.mapError(whole, faultOf)
    const base = {
      engines,
      places: look({ environment: variables }),
      isUnfinished,
      found,
      isAbsent: Result.isFailure(whole) && whole.failure._tag === "PackageMissing"
    }
    const gpu = { models: gpusOf().map(({ model }) => model), driver: driverVersionOf(), isExpected: isGpuExpected() }
    if (Result.isFailure(found)) {
      return {
        ...base,
        libraries: undefined,
        loaded: undefined,
        computed: undefined,
        gpu: { ...gpu, fault: undefined }
      }
    }
    const installation = found.success
    const damage = damageOf(installation)
    const loaded = damage === undefined
      ? Result.mapError(yield* Effect.result(diagnose(installation, variables)), faultOf)
      : Result.fail(faultOf(damage))
    const computed = Result.isSuccess(loaded)
      ? Result.mapError(
        yield* Effect.result(compute(installation)),
        ({ reason, remedy }) => ({ problem: reason, remedy })
      )
      : undefined
    const unused = Result.isSuccess(loaded) && !loaded.success.usesGpu && gpu.isExpected
      ? faultOf(yield* whyNoGpu(installation))
      : undefined
    const libraries = yield* sharedLibraries(installation.addon)
    return { ...base, libraries, loaded, computed, gpu: { ...gpu, fault: unused } }
  }
)

const faultOf = ({ problem, remedy }: Fault): Fault => ({ problem, remedy })

/** What the dynamic loader says of an addon and all that it needs: `ldd` asks it. */
const sharedLibraries = Effect.fnUntraced(function*(addon: string) {
  const ended = yield* Effect.option(runProgram("ldd", [addon], {}))
  return ended._tag === "Some" && ended.value.code === 0 ? readLdd(ended.value.stdout) : undefined
})

/**
 * What `ldd` wrote, each library once.
 *
 * @example
 * readLdd("\tlibm.so.6 => /lib/libm.so.6 (0x00007f)\n\tlibx.so.1 => not found\n")
 * // => [{ name: "libm.so.6", path: "/lib/libm.so.6" }, { name: "libx.so.1", path: undefined }]
 */
export const readLdd = (text: string): ReadonlyArray<SharedLibrary> =>
  [...text.matchAll(/^\s*(\S+) => (not found|(\S+) \(0x[0-9a-f]+\))$/gm)]
    .map(([, name, , path]) => ({ name: name!, path: path === undefined ? undefined : normalize(path) }))
    .filter(({ name }, i, all) => all.findIndex((other) => other.name === name) === i)
