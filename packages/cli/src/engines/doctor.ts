/**
 * `effusion engine doctor`: everything that the tensorflow engine needs, one line a finding, with a remedy where something
 * is broken.
 */
import { type Environment, environment, isInstallation } from "@effusion/core/engine/tensorflow/installation"
import { Console, Data, Effect, Result } from "effect"
import { findCompiler } from "./addon.ts"
import { type Examination, examine, type Fault } from "./examine.ts"
import { describeMachine, Machine } from "./machine.ts"
import { findNpm } from "./npmPackage.ts"

/** Something that was looked at. */
export interface Finding {
  readonly state: "right" | "broken" | "noted"
  /** What was looked at. */
  readonly subject: string
  readonly detail: string
  /** What to do, where it is broken. */
  readonly remedy?: string
}

/** Something that should work does not. */
export class EngineBroken extends Data.TaggedError("EngineBroken")<{ readonly broken: ReadonlyArray<Finding> }> {
  override get message() {
    const [first] = this.broken
    return `the tensorflow engine does not work as it should: ${first!.detail}; ${first!.remedy}`
  }
}

/**
 * Prints the findings. Fails when one of them is broken.
 *
 * @example
 * yield* runDoctor({ json: false })
 */
export const runDoctor = Effect.fnUntraced(function*({ json }: { readonly json: boolean }) {
  const variables = environment()
  const examination = yield* examine(variables)
  const tools = examination.isAbsent ? yield* toolFindings : []
  const findings = [
    { state: "noted", subject: "machine", detail: `${describeMachine(yield* Machine)}, ${nodeVersion()}` } as const,
    ...variableFindings(variables),
    ...findingsOf(examination),
    ...tools
  ]
  yield* Console.log(json ? JSON.stringify({ findings }) : findings.flatMap(linesOf).join("\n"))
  const broken = findings.filter(({ state }) => state === "broken")
  if (broken.length > 0) return yield* new EngineBroken({ broken })
})

const nodeVersion = (): string => `Node ${process.versions.node} (Node-API ${process.versions.napi})`

/** What installing would need. */
const toolFindings = Effect.gen(function*() {
  const compiler = yield* Effect.result(findCompiler)
  const npm = yield* Effect.result(findNpm)
  return [
    noted("a compiler", Result.isSuccess(compiler) ? compiler.success : compiler.failure.message),
    noted("npm", Result.isSuccess(npm) ? [npm.success.command, ...npm.success.args].join(" ") : npm.failure.message)
  ]
})

const noted = (subject: string, detail: string): Finding => ({ state: "noted", subject, detail })
const right = (subject: string, detail: string): Finding => ({ state: "right", subject, detail })
const broken = (subject: string, { problem, remedy }: Fault): Finding => ({
  state: "broken",
  subject,
  detail: problem,
  remedy
})

/**
 * Variables that decide where TensorFlow is looked for, how it is loaded, and what it does. Others that begin with `TF_`
 * are Terraform's, and may be secrets.
 */
const deciding =
  /^(EFFUSION_(TENSORFLOW|ENGINES)|XDG_DATA_HOME|LD_LIBRARY_PATH|LD_PRELOAD|CUDA_.*|NVIDIA_.*|XLA_FLAGS|TF_(CPP|CUDNN|CUBLAS|DETERMINISTIC|DISABLE|ENABLE|FORCE|GPU|NUM|ONEDNN|USE|XLA)_.*)$/

/** The variables in force, in the order of the alphabet. */
export const variableFindings = (variables: Environment): ReadonlyArray<Finding> =>
  Object.entries(variables).flatMap(([name, value]) =>
    value !== undefined && deciding.test(name) ? [noted("variable", `${name}=${value}`)] : []
  ).sort((a, b) => a.detail < b.detail ? -1 : 1)

/**
 * What an examination says, in the order in which things depend on each other.
 *
 * @example
 * findingsOf(yield* examine()).filter(({ state }) => state === "broken")
 */
export const findingsOf = (examination: Examination): ReadonlyArray<Finding> => {
  const { computed, engines, found, isUnfinished, libraries, loaded } = examination
  return [
    ...examination.places.map((place) =>
      noted("looked at", `${place.folder} (${place.namedBy}): ${isInstallation(place) ? "is one" : place.detail}`)
    ),
    ...isUnfinished
      ? [
        noted(
          "installing",
          `an installation in ${engines} did not come to its end; call the same command again to go on`
        )
      ]
      : [],
    ...packageFindings(examination),
    ...Result.isFailure(found) || libraries === undefined ? [] : libraryFindings(libraries),
    ...loaded === undefined
      ? []
      : [
        Result.isSuccess(loaded)
          ? right("loading", `libtensorflow ${loaded.success.version}`)
          : broken("loading", loaded.failure)
      ],
    ...computed === undefined
      ? []
      : [Result.isSuccess(computed) ? right("computing", "2 + 3 is 5") : broken("computing", computed.failure)],
    ...gpuFindings(examination)
  ]
}

const packageFindings = ({ found, isAbsent }: Examination): ReadonlyArray<Finding> => {
  if (Result.isFailure(found)) {
    const { problem, remedy } = found.failure
    return [isAbsent ? noted("package", `${problem}; ${remedy}`) : broken("package", found.failure)]
  }
  const { addon, folder, manifest, package: name, version } = found.success
  return [
    right("package", `${name} ${version} in ${folder}`),
    ...manifest === undefined ? [] : [noted("installed", `${manifest.date}, out of ${manifest.source}`)],
    right("addon", addon)
  ]
}

/** Those that are missing, one by one; those of TensorFlow and NVIDIA with their places. */
const libraryFindings = (libraries: NonNullable<Examination["libraries"]>): ReadonlyArray<Finding> => {
  const missing = libraries.filter(({ path }) => path === undefined)
  return [
    ...libraries.flatMap(({ name, path }) =>
      path !== undefined && /^lib(tensorflow|cu|nccl|nv|stdc\+\+)/.test(name)
        ? [right("library", `${name}: ${path}`)]
        : []
    ),
    ...missing.map(({ name }) =>
      broken("library", {
        problem: `${name} is missing`,
        remedy: name.startsWith("libtensorflow")
          ? `build the engine anew with "effusion engine install tensorflow"`
          : "install it with the system's package manager, or put its folder into LD_LIBRARY_PATH"
      })
    ),
    ...missing.length === 0 ? [right("libraries", `all ${libraries.length} shared libraries are there`)] : []
  ]
}

const gpuFindings = ({ gpu: { driver, fault, isExpected, models }, loaded }: Examination): ReadonlyArray<Finding> => {
  const state = loaded !== undefined && Result.isSuccess(loaded) ? loaded.success : undefined
  return [
    noted(
      "GPU",
      models.length > 0 ? models.join(", ") : isExpected ? "one without a driver" : "no NVIDIA GPU that is visible"
    ),
    ...driver === undefined ? [] : [noted("driver", driver)],
    ...state?.usesGpu === true ? [right("device", "TensorFlow computes with the GPU")] : [],
    ...state?.usesGpu === false && fault === undefined ? [right("device", "TensorFlow computes with the CPU")] : [],
    ...fault === undefined ? [] : [
      broken("device", fault),
      ...(state?.log ?? "").split("\n").filter((line) => line.trim() !== "").map((line) =>
        noted("TensorFlow says", line)
      )
    ]
  ]
}

const marks = { right: "ok", broken: "!!", noted: "  " } as const

const linesOf = ({ detail, remedy, state, subject }: Finding): ReadonlyArray<string> => [
  `${marks[state]}  ${subject.padEnd(10)}  ${detail}`,
  ...remedy === undefined ? [] : [`    ${"".padEnd(10)}  -> ${remedy}`]
]
