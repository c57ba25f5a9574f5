/**
 * Loading TensorFlow in a process of its own, to read its log and to see what it does: a broken library can end the
 * process that loads it.
 */
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { type LoadError, LoadingCrashed, LoadingFailed } from "../TensorflowError.ts"
import { type Environment, environment } from "./environment.ts"
import type { Installation } from "./Installation.ts"
import { loadError } from "./load.ts"
import type { Answer } from "./probe.ts"

/** What came of loading TensorFlow. */
export interface Diagnosis {
  /** The version of libtensorflow. */
  readonly version: string
  readonly usesGpu: boolean
  /** What TensorFlow said to a convolution, where it cannot compute one. */
  readonly failure?: string
  /** What TensorFlow wrote to standard error with its full log. */
  readonly log: string
}

/** A process that takes longer than this to load libtensorflow will not do it any more. */
const patienceMilliseconds = 120_000

/**
 * Loads the addon in a process of its own and reads the log.
 *
 * Fails as loading does, and with `LoadingCrashed` where the process dies of it.
 *
 * @example
 * const { log, usesGpu } = yield* diagnose(installation)
 */
export const diagnose = (
  { addon }: Installation,
  variables: Environment = environment()
): Effect.Effect<Diagnosis, LoadError> =>
  Effect.callback((resume) => {
    const child = execFile(
      process.execPath,
      [probePath, addon],
      { env: { ...variables, ...talkative }, encoding: "utf8", timeout: patienceMilliseconds, killSignal: "SIGKILL" },
      (failure, stdout, log) => resume(Effect.suspend(() => outcome(addon, failure, stdout, log)))
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })

/** Everything that is logged, and the names of libraries, which newer versions keep to themselves (tensorflow#66987). */
const talkative = { TF_CPP_MIN_LOG_LEVEL: "0", TF_CPP_VMODULE: "dso_loader=1", NODE_OPTIONS: "", NODE_NO_WARNINGS: "1" }

/** The module beside this one: TypeScript in the source tree, JavaScript in the package. */
const probePath = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "./probe.ts" : "./probe.js", import.meta.url)
)

type Failure = Error & {
  readonly killed?: boolean
  readonly signal?: NodeJS.Signals | null
  readonly code?: unknown
}

const outcome = (
  addon: string,
  failure: Failure | null,
  stdout: string,
  log: string
): Effect.Effect<Diagnosis, LoadError> => {
  if (failure?.killed === true) {
    const detail = `it is not loaded after ${patienceMilliseconds / 1000} seconds`
    return Effect.fail(new LoadingFailed({ addon, detail }))
  }
  if (failure !== null) {
    const ending = typeof failure.signal === "string" ? `signal ${failure.signal}` : `exit code ${String(failure.code)}`
    return Effect.fail(new LoadingCrashed({ addon, ending }))
  }
  const answer = JSON.parse(stdout) as Answer
  return "error" in answer ? Effect.fail(loadError(answer.error, addon)) : Effect.succeed({ ...answer, log })
}
