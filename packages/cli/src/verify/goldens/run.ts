/**
 * Runs a case as the loops of diffusers' tests do: the inputs, the denoiser, the noise, and what a step is given.
 */
import { torchNormals } from "@effusion/core/random"
import {
  type Combination,
  type DenoisingStep,
  type HostState,
  inputOnHost,
  needsNoise,
  startOnHost,
  stepOnHost
} from "@effusion/core/sampling"
import { lambdaOf } from "@effusion/core/schedule"
import { Result } from "effect"
import { GoldenProblem, unknownValue } from "./GoldenProblem.ts"
import { planOf } from "./plans.ts"
import type { Loop, SchedulerCase } from "./SchedulerCase.ts"
import { type Config, configOf, kindOf, type SchedulerKind, schedulerOf } from "./schedulers.ts"
import { type Precision, roundingOf } from "./tables.ts"
import { type Way, wayOf } from "./way.ts"

/** What came out. */
export interface Outcome {
  /** x at the end, in the variable of the scheduler. */
  readonly x: Float64Array
  readonly shape: ReadonlyArray<number>
  /** What the denoiser is told, step by step, as the scheduler lists it. */
  readonly timesteps: ReadonlyArray<number>
  readonly sigmas?: ReadonlyArray<number> | undefined
  /** How far timesteps are from those of an implementation in float32, at most, where they come from logarithms. */
  readonly timestepTolerance: number
  /** What an element of x is uncertain by, computed in float32. */
  readonly uncertainty: number
}

/** The formats of a run, which computes in float64 in any case. */
export interface RunOptions {
  /** What tables are rounded to. */
  readonly tables: Precision
  /** What x and the denoiser's predictions are rounded to at every step; `float64` unless given. */
  readonly state?: Precision
}

/**
 * Runs a case.
 *
 * Fails with `GoldenProblem`.
 *
 * @example
 * const { x } = Result.getOrThrow(runCase(golden, { tables: "float32" }))
 */
export const runCase = (
  golden: SchedulerCase,
  { state: format = "float64", tables }: RunOptions
): Result.Result<Outcome, GoldenProblem> =>
  Result.gen(function*() {
    const round = roundingOf(format)
    const { config: given, loop, name } = golden
    const kind = yield* kindOf({ name, className: given._class_name })
    const config = configOf(kind, given)
    const way = yield* wayOf(kind, config, loop, tables)
    const { isNoisy, skip } = yield* startOf(golden, kind, way)
    const plan = yield* planOf({ kind, config, loop, way, skip })
    const draw = yield* drawsOf(loop)
    const scaled = yield* scaledInput(kind, loop)

    const inputs = dummies(loop.shape ?? (/^uni_?pc_?1d/i.test(name) ? [4, 3, 8] : [4, 3, 8, 8]))
    const first = plan.steps[0]!.from
    let state: HostState = {
      ...startOnHost(plan, inputs.sample, inputs.shape[0]!),
      x: initial(kind, config, loop, way, inputs, isNoisy ? first : undefined, first)
    }
    const variance = plan.variance === undefined ? undefined : dummyVariance(loop, inputs.sample.length)
    let size = 0
    let uncertainty = 0
    for (const exact of plan.steps) {
      const step = format === "float32" ? roundedStep(exact) : exact
      if (format === "float32") state = { ...state, x: state.x.map(round) }
      const shown = showsOwn(kind, loop) ? state.x.map((value) => value / step.from.signal) : inputOnHost(step, state)
      const prediction = dummyModel(shown, step.timestep).map(round)
      if (scaled) state = { ...state, x: state.x.map((value) => step.from.signal * value) }
      const before = largest(state.x) / ownScale(kind, step.from)
      // What was uncertain has since been scaled with x.
      uncertainty *= size === 0 ? 0 : before / size
      const noise = draws(kind, config, loop, step) ? draw(state.x.length) : undefined
      state = stepOnHost(plan, step, state, prediction, needsNoise(step) ? noise : undefined, variance)
      size = largest(state.x) / ownScale(kind, step.to)
      uncertainty = Math.hypot(
        before === 0 ? 0 : uncertainty * size / before,
        2 ** -23 * before * conditionOf(kind, config, step)
      )
    }
    const end = plan.steps.at(-1)!.to
    return {
      x: state.x.map((value) => value / ownScale(kind, end)),
      shape: inputs.shape,
      ...listed(kind, way),
      timestepTolerance: timestepTolerance(kind, config),
      uncertainty
    }
  })

const largest = (x: Float64Array): number => x.reduce((most, value) => Math.max(most, Math.abs(value)), 0)

/** What the scheduler's own x is to be multiplied by for x_t. */
const ownScale = (kind: SchedulerKind, { signal }: Level): number => isSigmaScaled(kind) ? signal : 1

/**
 * How many times its rounding a step leaves x uncertain by, in float32. The Euler family adds a multiple of the slope to x,
 * which is as good as x is. Solvers that go by the noise multiply it by e^h, where h is made of four logarithms, and take it
 * from x times as much.
 */
const conditionOf = (kind: SchedulerKind, config: Config, { from, to }: DenoisingStep): number => {
  const byNoise = kind === "deis" || (kind === "unipc" && !config.predict_x0) ||
    ((kind === "dpmMultistep" || kind === "dpmSinglestep") && !config.algorithm_type.endsWith("++"))
  return byNoise ? 4 * Math.max(1, Math.abs(lambdaOf(from))) * to.signal / from.signal : 1
}

/** A step with its coefficients in float32. */
const roundedStep = (step: DenoisingStep): DenoisingStep => ({
  ...step,
  sample: roundedFactors(step.sample),
  epsilon: roundedFactors(step.epsilon),
  next: roundedCombination(step.next),
  remember: Object.fromEntries(
    Object.entries(step.remember).map(([name, combination]) => [name, roundedCombination(combination)])
  )
})

const roundedCombination = ({ memory = {}, ...factors }: Combination): Combination => ({
  ...roundedFactors(factors),
  memory: roundedFactors(memory)
})

const roundedFactors = <Factors extends object>(factors: Factors): Factors =>
  Object.fromEntries(Object.entries(factors).map(([name, factor]) => [name, Math.fround(factor)])) as Factors

/** Whether a scheduler's own x is x_t / signal. */
const isSigmaScaled = (kind: SchedulerKind): boolean =>
  kind === "euler" || kind === "eulerAncestral" || kind === "heun" || kind === "lms" || kind === "edmEuler" ||
  kind === "edmDpmMultistep"

/** Inputs of diffusers' tests: rising and falling numbers, that of [b, c, h, w] at (((c H + h) W + w) B + b). */
const dummies = (shape: ReadonlyArray<number>) => {
  const size = shape.reduce((product, length) => product * length, 1)
  const batch = shape[0]!
  const example = size / batch
  const rising = Float64Array.from({ length: size }, (_, i) => i % example * batch + Math.floor(i / example))
  return {
    shape,
    sample: rising.map((value) => value / size),
    noise: rising.map((value) => (size - 1 - value) / size)
  }
}

/** The denoiser of diffusers' tests. */
const dummyModel = (x: Float64Array, t: number): Float64Array => x.map((value) => value * t / (t + 1))

/** What the denoiser says of its variance, element by element. */
const dummyVariance = ({ variance_channels: said = "cos(0.11*i)" }: Loop, size: number): Float64Array =>
  Float64Array.from({ length: size }, (_, i) => said === "cos(0.11*i)" ? Math.cos(0.11 * i) : said)

/** Where a case starts: at the beginning, or part of the way with noise on the sample. */
const startOf = (
  { loop: { start }, name }: SchedulerCase,
  kind: SchedulerKind,
  { levels, timesteps }: Way
): Result.Result<{ readonly isNoisy: boolean; readonly skip: number }, GoldenProblem> => {
  const fail = (reason: string) => Result.fail(new GoldenProblem({ option: "loop.start", reason }))
  if (start === undefined && /with_?noise/i.test(name)) {
    // Files may leave out where; then it is where diffusers' own tests start.
    const { noisyStart } = schedulerOf(kind)
    const skip = noisyStart < 0 ? levels.length + noisyStart : noisyStart
    return skip >= 0 && skip < levels.length
      ? Result.succeed({ isNoisy: true, skip })
      : fail(`it is missing, and the usual one, step ${noisyStart}, is not among ${levels.length} steps`)
  }
  if (start === undefined || /^deter(\s*\*\s*init_noise_sigma)?$/.test(start)) {
    return Result.succeed({ isNoisy: false, skip: 0 })
  }
  const isNoisy = start.startsWith("add_noise")
  const position = /^(?:add_noise|deter(?:\s*\*\s*init_noise_sigma)?) at timesteps\[(\d+):?\]$/.exec(start)?.[1]
  const timestep = /^add_noise at t=(\d+)$/.exec(start)?.[1]
  if (position === undefined && timestep === undefined) {
    const known = [
      "deter",
      "deter*init_noise_sigma",
      "deter at timesteps[3]",
      "add_noise at timesteps[8]",
      "add_noise at t=1"
    ]
    return Result.fail(unknownValue("loop.start", start, known))
  }
  if (timestep !== undefined) {
    const skip = timesteps.indexOf(Number(timestep))
    return skip === -1 ? fail(`t = ${timestep} is not visited`) : Result.succeed({ isNoisy: true, skip })
  }
  // Heun lists every timestep but the first twice, and starts at the second of the two.
  const skip = kind === "heun" ? Math.ceil(Number(position) / 2) : Number(position)
  if (skip >= levels.length) return fail(`timesteps[${position}] is beyond the last of ${levels.length} steps`)
  return timesteps.indexOf(timesteps[skip]!) === timesteps.lastIndexOf(timesteps[skip]!)
    ? Result.succeed({ isNoisy, skip })
    : fail(
      `timesteps[${position}] is ${timesteps[skip]}, and so are others; where diffusers starts then is not known here`
    )
}

type Dummies = ReturnType<typeof dummies>
type Level = DenoisingStep["from"]

/** x_t at the start. */
const initial = (
  kind: SchedulerKind,
  config: Config,
  loop: Loop,
  way: Way,
  { noise, sample }: Dummies,
  noisy: Level | undefined,
  { signal }: Level
): Float64Array => {
  const spread = noisy?.spread ?? 0
  if (!isSigmaScaled(kind)) {
    const factor = noisy?.signal ?? 1
    return sample.map((value, i) => factor * value + spread * noise[i]!)
  }
  // The scheduler's x is `init_noise_sigma` times the sample, plus sigma times the noise; x_t is signal times that.
  const plain = showsOwn(kind, loop) || (loop.start?.startsWith("deter") && !loop.start.includes("init_noise_sigma"))
  const sigma = plain ? 1 : initNoiseSigma(kind, config, way)
  return sample.map((value, i) => signal * sigma * value + spread * noise[i]!)
}

const initNoiseSigma = (kind: SchedulerKind, config: Config, { sigmas = [] }: Way): number => {
  if (kind === "edmEuler" || kind === "edmDpmMultistep") return Math.hypot(config.sigma_max ?? 80, 1)
  const largest = Math.max(...sigmas)
  return config.timestep_spacing === "leading" ? Math.hypot(largest, 1) : largest
}

/**
 * Whether the denoiser is shown the scheduler's own x, unscaled, as diffusers' tests of EDM's DPM-Solver do; they start from
 * the plain sample, too.
 */
const showsOwn = (kind: SchedulerKind, { step_input }: Loop): boolean =>
  kind === "edmDpmMultistep" && step_input === undefined

/** Whether a step is given the sample that the denoiser was shown, as in the loops of diffusers' tests. */
const scaledInput = (kind: SchedulerKind, { step_input }: Loop): Result.Result<boolean, GoldenProblem> => {
  if (!isSigmaScaled(kind)) return Result.succeed(false)
  if (step_input === undefined) return Result.succeed(kind !== "edmEuler" && kind !== "edmDpmMultistep")
  if (/^scaled/i.test(step_input)) return Result.succeed(true)
  return /^unscaled/i.test(step_input)
    ? Result.succeed(false)
    : Result.fail(unknownValue("loop.step_input", step_input, ["SCALED sample", "unscaled"]))
}

/** Where a step's noise comes from. */
const drawsOf = ({ noise, seed }: Loop): Result.Result<(size: number) => ArrayLike<number>, GoldenProblem> => {
  if (/^(zeros?|none)$/i.test(noise ?? "")) return Result.succeed((size) => new Float64Array(size))
  const said = noise === undefined ? undefined : /\bseed\s*[=:]?\s*(\d+)/i.exec(noise)?.[1]
  if (noise !== undefined && said === undefined) {
    return Result.fail(unknownValue("loop.noise", noise, ["zero", "torch CPU mt19937 seed 0"]))
  }
  const chosen = Number(said ?? seed ?? 0)
  return chosen < 2 ** 32
    ? Result.succeed(torchNormals(chosen))
    : Result.fail(new GoldenProblem({ option: "loop.noise", reason: `the seed ${chosen} is not below 2^32` }))
}

/** Whether a scheduler draws noise for a step, whatever it does with it. */
const draws = (kind: SchedulerKind, config: Config, { eta = 0 }: Loop, step: DenoisingStep): boolean => {
  switch (kind) {
    case "ddpm":
      return step.timestep > 0
    case "ddim":
      return eta > 0
    case "eulerAncestral":
      return true
    case "euler":
    case "edmEuler":
      return needsNoise(step)
    case "dpmMultistep":
    case "dpmSinglestep":
    case "edmDpmMultistep":
      return config.algorithm_type.startsWith("sde")
    default:
      return false
  }
}

/**
 * Where a timestep is the place of a sigma among those of the schedule, float32 leaves its last digits open. Solvers cut it
 * to a whole one, and where it is one already that may be the one before.
 */
const timestepTolerance = (kind: SchedulerKind, config: Config): number => {
  if (kind === "edmEuler" || kind === "edmDpmMultistep") return 1e-6
  const cuts = kind === "dpmMultistep" || kind === "dpmSinglestep" || kind === "unipc" || kind === "deis"
  const isPlace = config.use_karras_sigmas || config.use_exponential_sigmas || config.use_lu_lambdas ||
    config.use_beta_sigmas
  return isPlace ? cuts ? 1 : 1e-4 : 0
}

/** Timesteps and sigmas as the scheduler lists them: Heun's, that it asks the denoiser at twice, twice. */
const listed = (kind: SchedulerKind, { sigmas, timesteps }: Way): Pick<Outcome, "sigmas" | "timesteps"> => {
  if (kind !== "heun" || sigmas === undefined) return { timesteps, sigmas }
  const twice = (values: ReadonlyArray<number>) => values.flatMap((value) => [value, value])
  return {
    timesteps: [timesteps[0]!, ...twice(timesteps.slice(1))],
    sigmas: [sigmas[0]!, ...twice(sigmas.slice(1, -1)), sigmas.at(-1)!]
  }
}
