/**
 * A denoiser on an engine, asked about single examples at timesteps of their own.
 */
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import type { Scope } from "effect"
import { conversion, convert, type ModelOptions, type ModelOutput } from "../../diffusion/index.ts"
import { Engine, stateless } from "../../engine/index.ts"
import type { CompileError, Program, RunError, Tensors } from "../../engine/index.ts"
import type { DenoiserShape } from "../../pipeline/index.ts"
import type { HostTensors } from "../../pipeline/Pipeline.ts"
import { levelAt, type Schedule } from "../../schedule/index.ts"
import { float32, int32, sizeOf } from "../../tensor/HostTensor.ts"

/** What the denoiser is asked about: one example. */
export interface Question {
  readonly t: number
  /** x_t, rounded as the network sees it. */
  readonly xt: Float32Array
  readonly label: number
}

/** What a network is made of. */
export interface NetworkOptions {
  readonly denoiser: DenoiserShape
  readonly parameters: HostTensors
  readonly schedule: Schedule
  readonly predictionType: ModelOptions["predictionType"]
  /** The most questions at once. */
  readonly batch: number
}

/** Answers questions in their order; at most `batch` of them, which are asked at once. */
export type Ask = (
  questions: ReadonlyArray<Question>
) => Effect.Effect<ReadonlyArray<ModelOutput>, RunError>

/**
 * Compiles the denoiser for batches of one size, with its parameters as constants. A shorter batch is filled up with its
 * last question, so that there is one program whatever is asked.
 *
 * A denoiser that takes an estimate of its own is asked twice, as in training: without one, and with the first answer's.
 */
export const boundNetwork = Effect.fnUntraced(function*(
  options: NetworkOptions
): Effect.fn.Return<Ask, CompileError | RunError, Engine | Scope.Scope> {
  const { batch, denoiser, predictionType, schedule } = options
  const engine = yield* Engine
  const executable = yield* engine.compile(programOf(options))
  const instance = yield* executable.start({})
  const shape = [batch, ...denoiser.exampleShape]
  const size = sizeOf(denoiser.exampleShape)

  const answer = Effect.fnUntraced(function*(
    questions: ReadonlyArray<Question>,
    estimates: ReadonlyArray<ArrayLike<number>> | undefined
  ) {
    const x = new Float32Array(batch * size)
    const selfCondition = new Float32Array(batch * size)
    const filled = Array.from({ length: batch }, (_, i) => questions[Math.min(i, questions.length - 1)]!)
    filled.forEach(({ t, xt }, i) => {
      const scale = inputScale(schedule, t, predictionType)
      x.set(scale === 1 ? xt : xt.map((value) => scale * value), i * size)
      const estimate = estimates?.[i]
      if (estimate !== undefined) selfCondition.set(estimate, i * size)
    })
    const { prediction } = yield* instance.step({
      x: float32(shape, x),
      t: int32([batch], filled.map(({ t }) => t)),
      ...(denoiser.classes === undefined ? {} : { condition: int32([batch], filled.map(({ label }) => label)) }),
      ...(denoiser.selfConditions === true ? { selfCondition: float32(shape, selfCondition) } : {})
    })
    return questions.map((_, i) => outputAt(denoiser, prediction!.data as Float32Array, i))
  })

  return Effect.fnUntraced(function*(questions) {
    const first = yield* answer(questions, undefined)
    if (denoiser.selfConditions !== true) return first
    const estimates = questions.map(({ t, xt }, i) =>
      convert(schedule, t, xt, first[i]!.prediction, { from: predictionType, to: "sample" })
        // As data is; training clips the estimate in the same way.
        .map((value) => Math.min(Math.max(value, -1), 1))
    )
    return yield* answer(questions, estimates)
  })
})

const programOf = ({ batch, denoiser, parameters }: NetworkOptions): Program<{}, Tensors, Tensors> => {
  const examples = { shape: [batch, ...denoiser.exampleShape], dtype: "float32" } as const
  const numbers = { shape: [batch], dtype: "int32" } as const
  return stateless<Tensors, Tensors>(
    `bound of ${denoiser.name}`,
    {
      x: examples,
      t: numbers,
      ...(denoiser.classes === undefined ? {} : { condition: numbers }),
      ...(denoiser.selfConditions === true ? { selfCondition: examples } : {})
    },
    ({ condition, selfCondition, t, x }) => {
      const constants = Object.fromEntries(
        Object.entries(parameters).map(([name, { data, dtype, shape }]) => [name, tf.tensor(data, [...shape], dtype)])
      )
      const prediction = denoiser.apply(constants, {
        x: x!,
        t: t!,
        ...(condition === undefined ? {} : { condition }),
        ...(selfCondition === undefined ? {} : { selfCondition }),
        draws: {}
      })
      return { prediction }
    }
  )
}

const inputScale = (schedule: Schedule, t: number, type: ModelOptions["predictionType"]): number =>
  typeof type === "string" ? 1 : type.inputScale?.(levelAt(schedule, t)) ?? 1

/** The output for one example of a batch: with a learned variance the last axis holds the prediction, then the variance. */
const outputAt = (denoiser: DenoiserShape, all: Float32Array, index: number): ModelOutput => {
  const size = sizeOf(denoiser.exampleShape)
  if (denoiser.learnsVariance !== true) return { prediction: all.subarray(index * size, (index + 1) * size) }
  const channels = denoiser.exampleShape.at(-1)!
  const half = (which: 0 | 1) =>
    Float32Array.from({ length: size }, (_, i) => {
      const place = Math.floor(i / channels)
      return all[2 * index * size + (2 * place + which) * channels + i % channels]!
    })
  return { prediction: half(0), variance: half(1) }
}

/** The first timestep at which x_0 does not follow from a prediction; `undefined` where it always does. */
export const undefinedAt = (
  schedule: Schedule,
  predictionType: ModelOptions["predictionType"]
): number | undefined => {
  for (let t = 0; t < schedule.steps; t++) {
    const { prediction, xt } = conversion(schedule, t, { from: predictionType, to: "sample" })
    if (!(Number.isFinite(prediction) && Number.isFinite(xt))) return t
  }
  return undefined
}
