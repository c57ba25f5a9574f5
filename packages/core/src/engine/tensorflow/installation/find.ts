/**
 * Where TensorFlow is. Nothing is loaded, and where it is nowhere it costs a dozen looks at the file system.
 *
 * A folder that somebody names (the option `package`, or the variable `EFFUSION_TENSORFLOW`) is taken or refused. Else the
 * first of these that has a built addon: `@tensorflow/tfjs-node-gpu`, then `@tensorflow/tfjs-node`, as Node resolves them
 * from the working directory, then from this package; then what `effusion engine install tensorflow` has put into the
 * engines folder (`EFFUSION_ENGINES`, or `effusion/engines` in the user's data folder).
 */
import { Effect } from "effect"
import { createRequire } from "node:module"
import { homedir } from "node:os"
import { dirname, isAbsolute, join, resolve } from "node:path"
import { AddonNotBuilt, type FailedPlace, PackageMissing, WrongFolder } from "../TensorflowError.ts"
import { type Environment, environment } from "./environment.ts"
import { type Installation, type PackageName, packageNames, readPackage } from "./Installation.ts"
import type { Settings } from "./settings.ts"

/** Where to look. */
export interface FindOptions {
  /** What is to be computed on: it decides what to install where nothing is. */
  readonly device?: Settings["device"]
  /** The folder of the package; found when not given. */
  readonly package?: string | undefined
  /** Variables; those of the process unless given. */
  readonly environment?: Environment | undefined
  /** The folder that packages are resolved from first; the process's unless given. */
  readonly workingDirectory?: string | undefined
}

/** A folder that was looked at. */
export type Place = Installation | (FailedPlace & { readonly package?: PackageName })

/** Whether a place has what is looked for. */
export const isInstallation = (place: Place): place is Installation => "addon" in place

/**
 * Finds the package.
 *
 * Fails with `PackageMissing` where it is nowhere, with `AddonNotBuilt` where it is there without its addon, and with
 * `WrongFolder` where a folder that was named is another one.
 *
 * @example
 * const { addon, version } = yield* find()
 */
export const find = (
  options: FindOptions = {}
): Effect.Effect<Installation, PackageMissing | WrongFolder | AddonNotBuilt> =>
  Effect.suspend((): Effect.Effect<Installation, PackageMissing | WrongFolder | AddonNotBuilt> => {
    const places = look(options)
    const found = places.find(isInstallation)
    if (found !== undefined) return Effect.succeed(found)
    const failed = places.flatMap((place) => isInstallation(place) ? [] : [place])
    const unbuilt = failed.find(({ package: name }) => name !== undefined)
    if (unbuilt !== undefined) {
      return Effect.fail(
        new AddonNotBuilt({ folder: unbuilt.folder, package: unbuilt.package!, detail: unbuilt.detail })
      )
    }
    const named = failed.find(({ namedBy }) => namedBy === byOption || namedBy === byVariable)
    return Effect.fail(
      named === undefined ? new PackageMissing({ places: failed, device: options.device }) : new WrongFolder(named)
    )
  })

/** Every folder that is looked at, in order, with what is there. */
export const look = (options: FindOptions = {}): ReadonlyArray<Place> => {
  const variables = options.environment ?? environment()
  const workingDirectory = options.workingDirectory ?? process.cwd()
  const nodeApi = Number(process.versions.napi)
  return candidates(options.package, variables, workingDirectory).map(({ folder, namedBy }): Place => {
    const place = readPackage(folder, { namedBy, nodeApi })
    return "addon" in place ? place : { namedBy, folder, ...place }
  })
}

/**
 * The folder that engines are installed to.
 *
 * @example
 * enginesFolder({ HOME: "/home/ada" }) // => "/home/ada/.local/share/effusion/engines"
 */
export const enginesFolder = (variables: Environment): string => {
  if (given(variables["EFFUSION_ENGINES"])) return resolve(variables["EFFUSION_ENGINES"])
  const { HOME: home, XDG_DATA_HOME: data } = variables
  // The XDG base directory specification has relative paths ignored.
  const dataFolder = given(data) && isAbsolute(data) ? data : join(given(home) ? home : homedir(), ".local", "share")
  return join(dataFolder, "effusion", "engines")
}

const byOption = "the option package"
const byVariable = "EFFUSION_TENSORFLOW"

type Candidate = Pick<FailedPlace, "folder" | "namedBy">

const candidates = (
  option: string | undefined,
  variables: Environment,
  workingDirectory: string
): ReadonlyArray<Candidate> => {
  if (option !== undefined) return [{ namedBy: byOption, folder: resolve(workingDirectory, option) }]
  const variable = variables["EFFUSION_TENSORFLOW"]
  if (given(variable)) return [{ namedBy: byVariable, folder: resolve(workingDirectory, variable) }]
  const engine = join(enginesFolder(variables), "tensorflow")
  const all = [
    ...resolved("the working directory", join(workingDirectory, "_")),
    ...resolved("this package", import.meta.url),
    ...packageNames.map((name) => ({ namedBy: "the engines folder", folder: join(engine, "node_modules", name) }))
  ]
  return all.filter(({ folder }, index) => all.findIndex((other) => other.folder === folder) === index)
}

/** The packages as a module would resolve them. */
const resolved = (namedBy: string, module: string): ReadonlyArray<Candidate> => {
  const require = createRequire(module)
  return packageNames.flatMap((name) => {
    try {
      return [{ namedBy, folder: dirname(require.resolve(`${name}/package.json`)) }]
    } catch {
      return []
    }
  })
}

const given = (value: string | undefined): value is string => value !== undefined && value !== ""
