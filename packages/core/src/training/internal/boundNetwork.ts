/**
 * A denoiser on an engine, asked about single examples at timesteps of their own.
 */
import { Effect, Record } from "effect"
import type { Scope } from "effect"
import {
  conversion,
  convert,
  inputScaleOf,
  isDetermined,
  type ModelOptions,
  type ModelOutput
} from "../../diffusion/index.ts"
import { constants, Engine, stateless } from "../../engine/index.ts"
import type { CompileError, Program, RunError, Tensors } from "../../engine/index.ts"
import { type DenoiserShape, splitVariance } from "../../pipeline/index.ts"
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
      const scale = inputScaleOf(levelAt(schedule, t), predictionType)
      x.set(scale === 1 ? xt : xt.map((value) => scale * value), i * size)
      const estimate = estimates?.[i]
      if (estimate !== undefined) selfCondition.set(estimate, i * size)
    })
    const outputs = yield* instance.step({
      x: float32(shape, x),
      t: int32([batch], filled.map(({ t }) => t)),
      ...(denoiser.classes === undefined ? {} : { condition: int32([batch], filled.map(({ label }) => label)) }),
      ...(denoiser.selfConditions === true ? { selfCondition: float32(shape, selfCondition) } : {})
    })
    return questions.map((_, i): ModelOutput => {
      const { prediction, variance } = Record.map(outputs, ({ data }) => data.subarray(i * size, (i + 1) * size))
      return { prediction: prediction!, variance }
    })
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
      const output = denoiser.apply(constants(parameters), {
        x: x!,
        t: t!,
        ...(condition === undefined ? {} : { condition }),
        ...(selfCondition === undefined ? {} : { selfCondition }),
        draws: {}
      })
      return splitVariance(denoiser, output)
    }
  )
}

/** The first timestep at which x_0 does not follow from a prediction; `undefined` where it always does. */
export const undefinedAt = (
  schedule: Schedule,
  predictionType: ModelOptions["predictionType"]
): number | undefined => {
  for (let t = 0; t < schedule.steps; t++) {
    if (!isDetermined(conversion(schedule, t, { from: predictionType, to: "sample" }))) return t
  }
  return undefined
}
