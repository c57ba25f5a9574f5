/**
 * What whoever compares and the peers say to each other, a line each; `../peers/peer.py` has the same in words.
 */
import { Optimizations } from "@effusion/core/engine/onnx"
import { UNet } from "@effusion/models"
import { Schema } from "effect"
import { engineNames, modes } from "../shared/engines.ts"

const Count = Schema.Int.check(Schema.isGreaterThan(0))
const Numbers = Schema.Array(Schema.Finite)

/** A step of DDIM: what the network is told, the level of noise that it begins at, and that it ends at. */
const DdimStep = Schema.Struct({
  t: Schema.Finite,
  signal: Schema.Finite,
  spread: Schema.Finite,
  next_signal: Schema.Finite,
  next_spread: Schema.Finite
})

export type DdimStep = (typeof DdimStep)["Type"]

const Training = Schema.Struct({
  work: Schema.Literal("training"),
  threads: Count,
  config: UNet.Config,
  batch: Count,
  /** How many batches the inputs have; steps take one after the other, and begin again. */
  batches: Count,
  learning_rate: Schema.Finite,
  average_decay: Schema.Finite
})

const Sampling = Schema.Struct({
  work: Schema.Literal("sampling"),
  threads: Count,
  config: UNet.Config,
  batch: Count,
  steps: Schema.Array(DdimStep),
  /** Fewer steps, whose samples are compared: over many, rounding grows. */
  check_steps: Schema.Array(DdimStep)
})

const Roofline = Schema.Struct({
  work: Schema.Literal("roofline"),
  threads: Count,
  /** Heights and widths of square matrices. */
  products: Schema.Array(Count),
  /** 3x3, as many channels in as out: batch, channels, height and width. */
  convolutions: Schema.Array(Schema.Tuple([Count, Count, Count])),
  repetitions: Count
})

/** What a peer is to do: `spec.json`. */
export const Spec = Schema.Union([Training, Sampling, Roofline])
export type Spec = (typeof Spec)["Type"]
export type TrainingSpec = (typeof Training)["Type"]
export type SamplingSpec = (typeof Sampling)["Type"]
export type RooflineSpec = (typeof Roofline)["Type"]
export type Work = Spec["work"]

export const works = ["training", "sampling"] as const

/** The variant of a peer that is one of our own engines. */
export const OwnVariant = Schema.Struct({
  engine: Schema.Literals(engineNames),
  mode: Schema.optional(Schema.Literals(modes)),
  without: Schema.optional(Schema.Array(Schema.Literals(Optimizations.names)))
})

/** What a peer says first. */
export const Greeting = Schema.Union([
  Schema.Struct({ ready: Schema.String, parameters: Schema.Int }),
  Schema.Struct({ missing: Schema.String }),
  Schema.Struct({ error: Schema.String })
])

const Failure = Schema.Struct({ error: Schema.String })

/** What a peer answers to `check`: numbers by what they are. */
export const Checked = Schema.Union([Schema.Struct({ values: Schema.Record(Schema.String, Numbers) }), Failure])
export type Values = { readonly [quantity: string]: ReadonlyArray<number> }

/** What a peer answers to `run n`. */
export const Ran = Schema.Union([Schema.Struct({ ms: Numbers }), Failure])

/** What a peer answers to `memory`. */
export const Remembered = Schema.Union([Schema.Struct({ peak_mib: Schema.Finite }), Failure])

/** The files of a peer's folder. */
export const files = { spec: "spec.json", weights: "weights.safetensors", inputs: "inputs.safetensors" } as const
