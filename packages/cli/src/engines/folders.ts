/**
 * The engines folder.
 *
 *     tensorflow              a link to the installation that is used
 *     tensorflow-<number>/    that installation
 *       installation.json       what it is; written last
 *       package.json, package-lock.json, node_modules/
 *       site/                   libraries, laid out as in Python's site-packages
 *     tensorflow.building/    an installation that is not done
 *     tensorflow.lock         the process that is installing
 *     downloads/              archives, and parts of archives (.part)
 *
 * A folder in place of the link serves as well, for an engine that was put there by hand.
 */
import { Config, Effect, Path } from "effect"

/** Paths of the tensorflow engine. */
export interface EnginePlaces {
  readonly engines: string
  /** What is used: a link. */
  readonly installed: string
  /** The link before it takes its place. */
  readonly link: string
  readonly building: string
  readonly lock: string
  readonly downloads: string
}

/**
 * The paths of the tensorflow engine.
 *
 * @param engines the folder of all engines
 * @example
 * const { installed } = yield* enginePlaces(enginesFolder(environment())) // => ".../effusion/engines/tensorflow"
 */
export const enginePlaces = (engines: string): Effect.Effect<EnginePlaces, never, Path.Path> =>
  Effect.map(Path.Path, (paths) => ({
    engines,
    installed: paths.join(engines, "tensorflow"),
    link: paths.join(engines, "tensorflow.link"),
    building: paths.join(engines, "tensorflow.building"),
    lock: paths.join(engines, "tensorflow.lock"),
    downloads: paths.join(engines, "downloads")
  }))

/**
 * A variable of the environment; undefined when it is not set, or empty.
 *
 * @example
 * yield* variable("CXX") // => "clang++"
 */
export const variable = (name: string): Effect.Effect<string | undefined> =>
  Effect.map(Effect.orElseSucceed(Config.String(name), () => ""), (value) => value === "" ? undefined : value)
