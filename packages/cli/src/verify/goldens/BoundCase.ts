/**
 * Cases of a file of reference numbers for the variational bound and the losses made of it, in the names of OpenAI's
 * implementation of Nichol and Dhariwal, "Improved Denoising Diffusion Probabilistic Models" (2021).
 */
import {
  addNoise,
  type BoundOptions,
  boundTerm,
  discretizedGaussianLogLikelihoodTanh,
  kl,
  type ModelOutput,
  posterior,
  posteriorLogVariance,
  priorTerm,
  reverseStep
} from "@effusion/core/diffusion"
import { cosine, fromBetas, linear, respace, type Schedule, Timesteps } from "@effusion/core/schedule"
import { Result, Schema } from "effect"
import { Count } from "../../internal/numbers.ts"
import { type Check, near } from "./Check.ts"
import { decode } from "./decode.ts"
import { GoldenProblem, unknownValue } from "./GoldenProblem.ts"

const Numbers = Schema.Array(Schema.Finite)

const settings = {
  /** OpenAI's `linear`, whose betas are scaled by 1000 / T, or `cosine`. */
  schedule: Schema.String,
  T: Count,
  variance: Schema.Literals(["FIXED_SMALL", "FIXED_LARGE", "LEARNED", "LEARNED_RANGE"]),
  /** What the model predicts; `EPSILON` where nothing is said. */
  mean: Schema.optionalKey(Schema.Literals(["EPSILON", "START_X"])),
  /** Whether the model predicts x_0; another way to say `START_X`. */
  predict_xstart: Schema.optionalKey(Schema.Boolean),
  /** The timesteps of the schedule that are kept, in OpenAI's words: `ddim25`, `10,15,20`, or a list; all where nothing is said. */
  timestep_respacing: Schema.optionalKey(Schema.Union([Schema.String, Numbers])),
  /** The betas, in place of those of `schedule`: themselves, or `linspace(1e-3,0.2,100)`. */
  betas: Schema.optionalKey(Schema.Union([Numbers, Schema.String])),
  /** Only of the loop over all timesteps. */
  clip_denoised: Schema.optionalKey(Schema.Boolean),
  noise: Schema.optionalKey(Schema.String),
  /** The timestep of each example, in place of the file's. */
  t: Schema.optionalKey(Schema.Array(Schema.Int))
} as const

/** What is computed for each of four examples, each at its own timestep. */
const ofTerm = {
  vb_bits: "the term of the bound",
  vb_bits_clip_denoised: "the term of the bound, with clipped estimates of x_0",
  mse: "the mean squared error of the prediction",
  rescaled_kl: "the term times T",
  prior_bits: "the prior's term",
  "hybrid_vb_term(vb*T/1000)": "the bound's part of the hybrid loss",
  hybrid_loss: "the hybrid loss"
} as const

/** What is computed over all timesteps. */
const ofLoop = {
  total_bits: "the bound of each example",
  prior_bits: "the prior's term of each example",
  vb_item0_t_descending: "the terms of the first example",
  mse_item0_t_descending: "the errors of its noise",
  xstart_mse_item0_t_descending: "the errors of its estimate of x_0"
} as const

const numbersFor = <Name extends string>(quantities: { readonly [N in Name]: string }) =>
  Object.fromEntries(Object.keys(quantities).map((name) => [name, Schema.optionalKey(Numbers)])) as {
    readonly [N in Name]: Schema.optionalKey<typeof Numbers>
  }

const TermCase = Schema.Struct({ ...settings, ...numbersFor(ofTerm) })
const LoopCase = Schema.Struct({ ...settings, ...numbersFor(ofLoop) })

type Settings = Pick<typeof TermCase.Type, keyof typeof settings>
type Quantity = keyof typeof ofTerm | keyof typeof ofLoop
type Golden = Settings & { readonly [Name in Quantity]?: ReadonlyArray<number> }

/**
 * The checks of a case: of some timesteps, or of the loop over all of them.
 *
 * Fails with `GoldenProblem` where the case cannot be read or run.
 *
 * @param inputs what the file says of its inputs; `t=[...]` in it are the timesteps of the examples
 * @example
 * const checks = Result.getOrThrow(boundChecksOf(JSON.parse(text).cases[0], "term", ""))
 */
export const boundChecksOf = (
  input: unknown,
  kind: "term" | "loop",
  inputs: string
): Result.Result<ReadonlyArray<Check>, GoldenProblem> =>
  Result.gen(function*() {
    const known = Object.keys({ ...settings, ...(kind === "term" ? ofTerm : ofLoop) })
    const golden: Golden = kind === "term"
      ? yield* decode(TermCase, input, "", known)
      : yield* decode(LoopCase, input, "", known)
    const process = yield* processOf(golden)
    const got = kind === "term"
      ? termsOf(process, yield* timestepsOf(process, golden, inputs))
      : loopOf(process, golden)
    return (Object.entries(got) as ReadonlyArray<readonly [Quantity, ReadonlyArray<number>]>).flatMap(
      ([name, numbers]) => {
        const wanted = golden[name]
        if (wanted === undefined) return []
        return wanted.length === numbers.length
          ? wanted.map((value, i) => near(`${name}[${i}]`, value, numbers[i]!, 0))
          : [{ what: `${name}.length`, expected: wanted.length, got: numbers.length, tolerance: 0 }]
      }
    )
  })

/**
 * What to call a case that has no name.
 *
 * @example
 * boundName({ schedule: "linear", T: 1000, variance: "FIXED_SMALL" }, "term") // => "bound.linear.T1000.FIXED_SMALL"
 */
export const boundName = (input: { readonly [field: string]: unknown }, kind: "term" | "loop"): string =>
  [
    kind === "term" ? "bound" : "bound_loop",
    input["schedule"],
    `T${String(input["T"])}`,
    input["variance"],
    ...(input["mean"] === undefined ? [] : [input["mean"]]),
    ...(input["clip_denoised"] === undefined ? [] : [input["clip_denoised"] === true ? "clipped" : "unclipped"])
  ].join(".")

const scheduleOf = ({ betas, schedule, T: steps }: Settings): Result.Result<Schedule, GoldenProblem> => {
  const problem = (option: string) => ({ message }: { readonly message: string }) =>
    new GoldenProblem({ option, reason: message })
  if (betas !== undefined) {
    const spaced = typeof betas === "string" ? linspaceOf(betas) : betas
    return spaced === undefined
      ? Result.fail(unknownValue("betas", betas, ["a list of numbers", "linspace(1e-3,0.2,100)"]))
      : Result.mapError(fromBetas(spaced), problem("betas"))
  }
  switch (schedule) {
    case "linear":
      return Result.mapError(linear({ steps, referenceSteps: 1000 }), problem("schedule"))
    case "cosine":
      return Result.mapError(cosine({ steps }), problem("schedule"))
    default:
      return Result.fail(unknownValue("schedule", schedule, ["linear", "cosine"]))
  }
}

/** A diffusion process and its model. */
interface Process {
  readonly schedule: Schedule
  readonly predictionType: "epsilon" | "sample"
  readonly variance: Settings["variance"]
  /** What the model is told at a timestep of the schedule. */
  readonly told: (t: number) => number
}

const processOf = (golden: Settings): Result.Result<Process, GoldenProblem> =>
  Result.gen(function*() {
    const { mean, predict_xstart, timestep_respacing: respacing = "", variance } = golden
    const schedule = yield* scheduleOf(golden)
    const predictionType = predict_xstart === true || mean === "START_X" ? "sample" : "epsilon"
    if (respacing === "") return { schedule, predictionType, variance, told: (t: number) => t }
    const respaced = yield* Result.mapError(
      Result.flatMap(
        Timesteps.sections({ steps: schedule.steps, sections: respacing }),
        (timesteps) => respace(schedule, timesteps)
      ),
      ({ message }) => new GoldenProblem({ option: "timestep_respacing", reason: message })
    )
    return { schedule: respaced, predictionType, variance, told: (t: number) => respaced.timesteps[t]! }
  })

const linspaceOf = (text: string): ReadonlyArray<number> | undefined => {
  const [, start, end, count] = /^linspace\(\s*([^,\s]+)\s*,\s*([^,\s]+)\s*,\s*(\d+)\s*\)$/.exec(text) ?? []
  const [from, to, n] = [Number(start), Number(end), Number(count)]
  return Number.isFinite(from) && Number.isFinite(to) && n >= 2
    ? Array.from({ length: n }, (_, i) => from + (to - from) * i / (n - 1))
    : undefined
}

const batch = 4
const size = 3 * 8 * 8

const timestepsOf = (
  { schedule: { steps } }: Process,
  { t }: Settings,
  inputs: string
): Result.Result<ReadonlyArray<number>, GoldenProblem> => {
  const said = /\bt=\[([\d,\s]+)\]/.exec(inputs)?.[1]?.split(",").map(Number)
  const timesteps = t ?? said ?? [0, 1, 500, 999]
  return timesteps.length === batch && timesteps.every((t) => t >= 0 && t < steps)
    ? Result.succeed(timesteps)
    : Result.fail(
      new GoldenProblem({
        option: "t",
        reason: `[${timesteps.join(", ")}] are not ${batch} timesteps of a schedule of ${steps}`
      })
    )
}

/** The inputs of an example: x_0 goes through all bytes, the noise through sines. */
const exampleOf = (item: number) => {
  const elements = (f: (i: number) => number) => Float64Array.from({ length: size }, (_, i) => f(item * size + i))
  return {
    x0: elements((i) => 37 * i % 256 / 127.5 - 1),
    noise: elements((i) => Math.SQRT2 * Math.sin(0.37 * i)),
    variance: elements((i) => Math.cos(0.11 * i))
  }
}

const predict = (xt: Float64Array, t: number): Float64Array => xt.map((value) => value * t / (t + 1))

interface Term {
  readonly bits: number
  readonly noiseError: number
  readonly dataError: number
}

const termOf = (process: Process, item: number, t: number, clip: number | "none"): Term => {
  const { predictionType, schedule, told, variance } = process
  const { noise, variance: said, x0 } = exampleOf(item)
  const xt = addNoise(schedule, t, x0, noise)
  const output: ModelOutput = { prediction: predict(xt, told(t)), variance: said }
  const options: BoundOptions = {
    predictionType,
    clip,
    variance: variance === "FIXED_LARGE"
      ? "fixed-large"
      : variance === "LEARNED_RANGE"
      ? "learned-range"
      : "fixed-small",
    decoder: "discretized-gaussian-tanh"
  }
  const { dataError, nats, noiseError } = boundTerm(schedule, t, { x0, xt }, output, options)
  if (variance !== "LEARNED") return { bits: bitsOf(nats), noiseError, dataError }
  // OpenAI's LEARNED takes the model's word for the log-variance itself.
  const model = { mean: reverseStep(schedule, t, xt, output, options).mean, logVariance: said }
  const learned = t === 0
    ? discretizedGaussianLogLikelihoodTanh(x0, model).map((value) => -value)
    : kl({ mean: posterior(schedule, t, x0, xt).mean, logVariance: posteriorLogVariance(schedule, t) }, model)
  return { bits: bitsOf(learned), noiseError, dataError }
}

const meanOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length

const bitsOf = (nats: Float64Array): number => meanOf(nats) / Math.LN2

const termsOf = (
  process: Process,
  timesteps: ReadonlyArray<number>
): { readonly [Name in keyof typeof ofTerm]: ReadonlyArray<number> } => {
  const { predictionType, schedule, told } = process
  const bits = timesteps.map((t, item) => termOf(process, item, t, "none").bits)
  const mse = timesteps.map((t, item) => {
    const { noise, x0 } = exampleOf(item)
    const prediction = predict(addNoise(schedule, t, x0, noise), told(t))
    const target = predictionType === "sample" ? x0 : noise
    return meanOf(prediction.map((value, i) => (value - target[i]!) ** 2))
  })
  const hybrid = bits.map((value) => value * schedule.steps / 1000)
  return {
    vb_bits: bits,
    vb_bits_clip_denoised: timesteps.map((t, item) => termOf(process, item, t, 1).bits),
    mse,
    rescaled_kl: bits.map((value) => value * schedule.steps),
    prior_bits: timesteps.map((_, item) => bitsOf(priorTerm(schedule, exampleOf(item).x0))),
    "hybrid_vb_term(vb*T/1000)": hybrid,
    hybrid_loss: hybrid.map((value, item) => value + mse[item]!)
  }
}

const loopOf = (
  process: Process,
  golden: Settings
): { readonly [Name in keyof typeof ofLoop]: ReadonlyArray<number> } => {
  const { schedule } = process
  const clip = golden.clip_denoised === false ? "none" : 1
  const items = Array.from({ length: batch }, (_, item) => ({
    prior: bitsOf(priorTerm(schedule, exampleOf(item).x0)),
    terms: Array.from(
      { length: schedule.steps },
      (_, i) => termOf(process, item, schedule.steps - 1 - i, clip)
    )
  }))
  return {
    total_bits: items.map(({ prior, terms }) => terms.reduce((sum, { bits }) => sum + bits, prior)),
    prior_bits: items.map(({ prior }) => prior),
    vb_item0_t_descending: items[0]!.terms.map(({ bits }) => bits),
    mse_item0_t_descending: items[0]!.terms.map(({ noiseError }) => noiseError),
    xstart_mse_item0_t_descending: items[0]!.terms.map(({ dataError }) => dataError)
  }
}
