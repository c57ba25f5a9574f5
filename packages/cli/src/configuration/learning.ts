/**
 * What of a configuration says what a network is to learn: the fields, what they do not go together with, and the
 * services that they stand for.
 */
import {
  boundWeighting,
  edmWeighting,
  huberSchedules,
  type InvalidObjective,
  minSnrWeighting,
  p2Weighting,
  predictionTypes,
  simpleWeighting,
  snrWeighting,
  softMinSnrWeighting,
  truncatedSnrWeighting,
  uniformWeighting,
  type Weighting
} from "@effusion/core/diffusion"
import { Distance, LossWeighting, Objective } from "@effusion/core/pipeline"
import type { NoiseSchedule } from "@effusion/core/schedule"
import { Effect, Layer, Result, Schema } from "effect"
import { NotNegative, Positive } from "../internal/numbers.ts"
import type { CrossIssue } from "./CrossIssue.ts"

/** A number that has a default where it is left out. */
const withDefault = <S extends typeof Positive | typeof NotNegative>(schema: S, value: number) =>
  schema.pipe(Schema.withDecodingDefaultKey(Effect.succeed(value)))

/**
 * What to say of a field that takes names, and objects for those with options.
 *
 * @example
 * expected(["noise", "edm"], ["edm"]) // => 'one of "noise", "edm", or an object whose type is "edm"'
 */
export const expected = (names: ReadonlyArray<string>, withOptions: ReadonlyArray<string>): string =>
  `one of ${names.map((name) => `"${name}"`).join(", ")}, or an object whose type is ` +
  withOptions.map((name) => `"${name}"`).join(" or ")

const objectives = ["noise", "velocity", "sample", "score", "edm"] as const

const ObjectiveField = Schema.Union([
  Schema.Literals(objectives),
  Schema.Struct({
    type: Schema.Literal("edm"),
    /** The standard deviation of the data. */
    sigmaData: withDefault(Positive, 0.5)
  })
]).annotate({ expected: expected(objectives, ["edm"]) })

const weightings = ["simple", "snr", "truncated-snr", "min-snr", "soft-min-snr", "p2", "edm", "bound"] as const

const WeightingField = Schema.Union([
  Schema.Literals(weightings),
  Schema.Struct({ type: Schema.Literal("uniform"), of: Schema.Literals(predictionTypes) }),
  Schema.Struct({ type: Schema.Literal("min-snr"), gamma: withDefault(Positive, 5) }),
  Schema.Struct({ type: Schema.Literal("soft-min-snr"), gamma: withDefault(Positive, 4) }),
  Schema.Struct({ type: Schema.Literal("p2"), gamma: withDefault(NotNegative, 1), k: withDefault(Positive, 1) }),
  Schema.Struct({ type: Schema.Literal("edm"), sigmaData: withDefault(Positive, 0.5) }),
  Schema.Struct({ type: Schema.Literal("bound"), variance: Schema.Literals(["fixed-small", "fixed-large"]) })
]).annotate({ expected: expected(weightings, ["uniform", "min-snr", "soft-min-snr", "p2", "edm", "bound"]) })

const losses = ["mse", "l1", "huber", "smooth-l1"] as const

const LossField = Schema.Union([
  Schema.Literals(losses),
  Schema.Struct({
    type: Schema.Literals(["huber", "smooth-l1"]),
    /** See `HuberOptions` of `@effusion/core/diffusion`. */
    c: withDefault(Positive, 0.1),
    schedule: Schema.Literals(huberSchedules).pipe(Schema.withDecodingDefaultKey(Effect.succeed("constant" as const)))
  })
]).annotate({ expected: expected(losses, ["huber", "smooth-l1"]) })

/** What values of fields are called elsewhere, and here: papers, diffusers and PyTorch have names of their own. */
export const namesElsewhere: { readonly [field: string]: { readonly [name: string]: string } } = {
  objective: {
    epsilon: "noise",
    eps: "noise",
    v: "velocity",
    v_prediction: "velocity",
    "v-prediction": "velocity",
    x0: "sample"
  } satisfies { readonly [name: string]: typeof objectives[number] },
  loss: { l2: "mse", mae: "l1" } satisfies { readonly [name: string]: typeof losses[number] }
}

const variances = ["none", "hybrid", "bound"] as const

const LearnedVarianceField = Schema.Union([
  Schema.Literals(variances),
  Schema.Struct({ type: Schema.Literal("hybrid"), lambda: NotNegative })
]).annotate({ expected: expected(variances, ["hybrid"]) })

/** The fields of a configuration that say what is learned. */
export const learningFields = {
  /** What the network predicts (see `Objective` of `@effusion/core/pipeline`). */
  objective: ObjectiveField,
  /** How much errors count at each timestep (see `LossWeighting`); all the same when `"simple"`. */
  weighting: WeightingField.pipe(Schema.withDecodingDefaultKey(Effect.succeed("simple" as const))),
  /** How far a prediction is from its target (see `Distance`). */
  loss: LossField.pipe(Schema.withDecodingDefaultKey(Effect.succeed("mse" as const))),
  /** How much of the noise all positions of an image share (see `NoisingOptions`). */
  offsetNoise: withDefault(NotNegative, 0),
  /** How much noise is added that is not to be predicted (see `NoisingOptions`). */
  inputPerturbation: withDefault(NotNegative, 0),
  /**
   * By what a network that predicts a variance too learns it: the loss with a part of the variational bound, `hybrid`, or
   * the bound alone, `bound`, in place of the loss (see `hybridLoss` and `boundLoss`).
   */
  learnedVariance: LearnedVarianceField.pipe(Schema.withDecodingDefaultKey(Effect.succeed("none" as const))),
  /** Whether the run learns how much each level of noise is to count (see `learnedUncertainty`). */
  learnedUncertainty: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false)))
}

const Learning = Schema.Struct(learningFields)

/** What is learned. */
export type Learning = typeof Learning.Type

/** What was learned before there was a choice, and is when a configuration says nothing of it. */
export const simplest = {
  weighting: "simple",
  loss: "mse",
  offsetNoise: 0,
  inputPerturbation: 0,
  learnedVariance: "none",
  learnedUncertainty: false
} as const satisfies Omit<Learning, "objective">

/**
 * Those of the fields that say something else than {@link simplest}: runs from before there was a choice have none.
 *
 * @example
 * chosen({ ...simplest, loss: "l1" }) // => { loss: "l1" }
 */
export const chosen = (fields: { readonly [Name in keyof typeof simplest]?: unknown }): {
  readonly [field: string]: unknown
} =>
  Object.fromEntries(
    Object.entries(simplest).flatMap(([name, value]) => {
      const field = fields[name as keyof typeof simplest]
      return field === value || field === undefined ? [] : [[name, field]]
    })
  )

/** What decides whether the network of a configuration predicts a variance. */
type Model =
  | { readonly type: "unet"; readonly in_channels: number; readonly out_channels: number }
  | { readonly type: "mlp"; readonly learns_variance?: boolean }

/**
 * What no single field shows: a network that predicts a variance has to learn it, and one that does not cannot; and the
 * bound alone leaves nothing to weigh.
 *
 * @example
 * learningIssues({ ...simplest, model, learnedVariance: "hybrid" })
 */
export const learningIssues = (
  { learnedUncertainty, learnedVariance, loss, model, weighting }: Omit<Learning, "objective"> & {
    readonly model: Model
  }
): ReadonlyArray<CrossIssue> => {
  const predicts = model.type === "unet"
    ? model.out_channels === 2 * model.in_channels
    : model.learns_variance === true
  const issue = (field: string, issue: string) => [{ path: [field], issue }]
  if (predicts && learnedVariance === "none") {
    return issue("learnedVariance", `expected "hybrid" or "bound", because the network predicts a variance, got "none"`)
  }
  if (!predicts && learnedVariance !== "none") {
    const remedy = model.type === "unet"
      ? `model.out_channels is ${2 * model.in_channels}, twice model.in_channels`
      : "model.learns_variance is true"
    return issue("learnedVariance", `expected "none", because the network predicts no variance; it does when ${remedy}`)
  }
  if (learnedVariance === "none") return []
  const uncertain = learnedUncertainty
    ? issue("learnedUncertainty", "expected false, because of learnedVariance: the bound is not always positive")
    : []
  if (learnedVariance !== "bound") return uncertain
  return [
    ...uncertain,
    ...(weighting === "simple" ? [] : issue("weighting", `expected "simple", because learnedVariance is "bound"`)),
    ...(loss === "mse" ? [] : issue("loss", `expected "mse", because learnedVariance is "bound"`))
  ]
}

/**
 * The services that say what is learned.
 *
 * @example
 * Effect.provide(program, Layer.provideMerge(learningServices(config), NoiseSchedule.cosine({ steps: 1000 })))
 */
export const learningServices = (
  config: Pick<Learning, "loss" | "objective" | "weighting">
): Layer.Layer<Objective | LossWeighting | Distance, InvalidObjective, NoiseSchedule> =>
  Layer.mergeAll(
    objectiveOf(config.objective),
    Layer.effect(LossWeighting, Effect.fromResult(weightingOf(config.weighting))),
    distanceOf(config.loss)
  )

const objectiveOf = (
  objective: Learning["objective"]
): Layer.Layer<Objective, InvalidObjective, NoiseSchedule> => {
  if (typeof objective === "object") return Objective.edm(objective)
  return objective === "edm" ? Objective.edm() : Objective[objective]
}

/** The weightings by their names alone. */
const plainWeightings: { readonly [Name in typeof weightings[number]]: Result.Result<Weighting, InvalidObjective> } = {
  simple: Result.succeed(simpleWeighting),
  snr: Result.succeed(snrWeighting),
  "truncated-snr": Result.succeed(truncatedSnrWeighting),
  "min-snr": minSnrWeighting(),
  "soft-min-snr": softMinSnrWeighting(),
  p2: p2Weighting(),
  edm: edmWeighting(),
  bound: Result.succeed(boundWeighting())
}

const weightingOf = (weighting: Learning["weighting"]): Result.Result<Weighting, InvalidObjective> => {
  if (typeof weighting === "string") return plainWeightings[weighting]
  switch (weighting.type) {
    case "uniform":
      return Result.succeed(uniformWeighting(weighting.of))
    case "min-snr":
      return minSnrWeighting(weighting)
    case "soft-min-snr":
      return softMinSnrWeighting(weighting)
    case "p2":
      return p2Weighting(weighting)
    case "edm":
      return edmWeighting(weighting)
    case "bound":
      return Result.succeed(boundWeighting(weighting))
  }
}

const distanceOf = (loss: Learning["loss"]): Layer.Layer<Distance, InvalidObjective> => {
  if (loss === "mse") return Distance.squared
  if (loss === "l1") return Distance.absolute
  const [type, options] = typeof loss === "string" ? [loss, {}] : [loss.type, loss]
  return type === "huber" ? Distance.huber(options) : Distance.smoothL1(options)
}
