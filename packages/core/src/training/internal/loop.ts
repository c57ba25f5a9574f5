/**
 * The state machine of a run: what is in the engine, how many steps it has taken, and what was saved of it.
 */
import { Clock, Effect, Semaphore } from "effect"
import type { Instance, RunError, Tensors } from "../../engine/index.ts"
import type { HostOf } from "../../engine/Program.ts"
import type { GradientTransformation } from "../../optimizer/index.ts"
import type { Adaptation, Observation } from "../../pipeline/index.ts"
import type { HostTensors } from "../../pipeline/Pipeline.ts"
import type { Shape } from "../../tensor/HostTensor.ts"
import type { StepReport } from "../StepReport.ts"
import { NonFiniteData, NonFiniteLoss } from "../TrainingError.ts"
import type { TrainingOutput } from "../trainingProgram.ts"
import { isFiniteState } from "../TrainingState.ts"
import type { CheckpointPolicy, TrainingState } from "../TrainingState.ts"

/** The input of one micro-batch, made ahead on the host. */
export interface MicroBatch {
  /** Which micro-batch of the run it is, counted from 0. */
  readonly index: number
  readonly examples: number
  /** What the data has of it. */
  readonly fields: HostTensors
  /** Its input to the program, given what the pipeline has learnt from the losses before its step. */
  readonly input: (adaptation: HostTensors | undefined) => HostTensors
}

/** Where a run begins: what there is of a state besides its tensors of the size of the parameters. */
export interface Position {
  readonly step: number
  readonly adaptation: HostTensors | undefined
  readonly checkpoint: string | undefined
}

export interface LoopOptions<TakeError, SaveError> {
  readonly instance: Instance<Tensors, Tensors, TrainingOutput>
  readonly restore: (step: number, state: HostTensors, adaptation: HostTensors | undefined) => TrainingState
  /** The next micro-batch; `undefined` when the run is to end before it. */
  readonly take: Effect.Effect<MicroBatch | undefined, TakeError>
  readonly checkpoints: CheckpointPolicy<SaveError> | undefined
  readonly adaptation: Adaptation | undefined
  readonly optimizer: GradientTransformation
  readonly accumulate: number
  readonly steps: number
  /** Of the state that the instance was started with. */
  readonly from: Position
  /** The name of the dataset, where the data is one. */
  readonly data: string | undefined
}

export interface Loop<E> {
  /** Takes one optimiser step; `undefined` when the run is over. */
  readonly next: Effect.Effect<StepReport | undefined, E | RunError | NonFiniteLoss | NonFiniteData>
  readonly snapshot: Effect.Effect<TrainingState, RunError | NonFiniteLoss | NonFiniteData>
  readonly lastCheckpoint: Effect.Effect<string | undefined>
}

const historyLength = 20

export const makeLoop = <TakeError, SaveError>(
  options: LoopOptions<TakeError, SaveError>
): Loop<TakeError | SaveError> => {
  const { accumulate, adaptation: learning, checkpoints, data, from, instance, optimizer, restore, steps, take } =
    options
  // Whoever steps or reads the instance holds this, so that a snapshot's step number is that of its tensors.
  const turn = Semaphore.makeUnsafe(1)
  const history: Array<number> = []
  let { adaptation, checkpoint: lastCheckpoint, step } = from
  let savedStep = step
  let failure: NonFiniteLoss | NonFiniteData | undefined

  const nonFinite = (
    quantity: NonFiniteLoss["quantity"],
    value: number,
    at: number,
    timesteps: Int32Array | undefined
  ): NonFiniteLoss => {
    failure = new NonFiniteLoss({
      step: at,
      quantity,
      value,
      history: [...history],
      timesteps: Array.from(timesteps ?? []),
      lastCheckpoint
    })
    return failure
  }

  /** What is not finite in the step after a micro-batch, unless the data was it. It is looked for in no other step. */
  const nonFiniteStep = (quantity: "loss" | "gradient norm", value: number, batch: MicroBatch, output: Output) => {
    const found = nonFiniteElement(batch.fields)
    if (found === undefined) return nonFinite(quantity, value, step + 1, output.timesteps)
    failure = new NonFiniteData({ data, step: step + 1, lastCheckpoint, ...found })
    return failure
  }

  /**
   * Runs one micro-batch, after the others of its step. Once begun it ends, and is accounted for, even if the fiber is
   * interrupted.
   */
  const advance = (batch: MicroBatch, before: ReadonlyArray<Output>) =>
    turn.withPermit(Effect.uninterruptible(Effect.gen(function*() {
      const output = readOutput(yield* instance.step(batch.input(adaptation)))
      const { gradientNorm, loss } = output
      if (!Number.isFinite(loss)) return yield* nonFiniteStep("loss", loss, batch, output)
      if (!Number.isFinite(gradientNorm)) return yield* nonFiniteStep("gradient norm", gradientNorm, batch, output)
      const outputs = [...before, output]
      if (outputs.length === accumulate) {
        step++
        if (adaptation !== undefined) adaptation = learning?.observe(adaptation, observationOf(outputs))
      }
      return outputs
    })))

  const snapshot = turn.withPermit(Effect.gen(function*() {
    if (failure !== undefined) return yield* failure
    return restore(step, yield* instance.read, adaptation)
  }))

  const save = Effect.fnUntraced(function*(policy: CheckpointPolicy<SaveError>, timesteps: Int32Array | undefined) {
    const state = yield* snapshot
    // A finite loss does not say that the update after it was finite: what is saved must be.
    if (!isFiniteState(state)) return yield* nonFinite("parameters", Number.NaN, state.step, timesteps)
    lastCheckpoint = yield* policy.save(state)
    savedStep = state.step
    return lastCheckpoint
  })

  const next = Effect.gen(function*() {
    if (failure !== undefined) return yield* failure
    if (step === steps) return undefined
    const begun = yield* Clock.monotonicTimeNanos
    const updates = step
    let outputs: ReadonlyArray<Output> = []
    let examples = 0
    for (let position = 0; position < accumulate; position++) {
      const batch = yield* take
      if (batch === undefined) {
        if (checkpoints !== undefined && step > savedStep) yield* save(checkpoints, undefined)
        return undefined
      }
      if (batch.index !== updates * accumulate + position) {
        return yield* Effect.die(
          new Error("a pull of this run was interrupted between two micro-batches; resume from its last snapshot")
        )
      }
      outputs = yield* advance(batch, outputs)
      examples += batch.examples
    }
    const loss = outputs.reduce((sum, output) => sum + output.loss, 0) / accumulate
    const { perExample, timesteps } = observationOf(outputs)
    const due = checkpoints !== undefined &&
      (step % checkpoints.every === 0 || step === steps || checkpoints.at?.includes(step) === true)
    const checkpoint = due ? yield* save(checkpoints, timesteps) : undefined
    history.push(loss)
    if (history.length > historyLength) history.shift()
    yield* Effect.yieldNow
    const ended = yield* Clock.monotonicTimeNanos
    return {
      step,
      loss,
      learningRate: optimizer.learningRate?.(updates),
      gradientNorm: outputs.at(-1)!.gradientNorm,
      perExample,
      timesteps,
      examples,
      seconds: Number(ended - begun) / 1e9,
      checkpoint,
      snapshot
    }
  })

  return { next, snapshot, lastCheckpoint: Effect.sync(() => lastCheckpoint) }
}

/** The first number of a batch that is not finite, and where it is. */
const nonFiniteElement = (fields: HostTensors): Pick<NonFiniteData, "field" | "index" | "value"> | undefined => {
  for (const [field, { data, shape }] of Object.entries(fields)) {
    const position = data.findIndex((value) => !Number.isFinite(value))
    if (position >= 0) return { field, index: indexOf(position, shape), value: data[position]! }
  }
  return undefined
}

/** Where an element is in a tensor, from where it is in memory. */
const indexOf = (position: number, shape: Shape): ReadonlyArray<number> =>
  shape.reduceRight<{ readonly index: ReadonlyArray<number>; readonly rest: number }>(
    ({ index, rest }, size) => ({ index: [rest % size, ...index], rest: Math.floor(rest / size) }),
    { index: [], rest: position }
  ).index

interface Output {
  readonly loss: number
  readonly gradientNorm: number
  readonly perExample: Float32Array
  readonly timesteps: Int32Array | undefined
}

const readOutput = ({ gradientNorm, loss, perExample, t }: HostOf<TrainingOutput>): Output => ({
  loss: loss.data[0]!,
  gradientNorm: gradientNorm.data[0]!,
  perExample: perExample.data as Float32Array,
  // In continuous time they are fractions, which reports round down.
  timesteps: t === undefined ? undefined : Int32Array.from(t.data)
})

/** What the micro-batches of a step say together. */
const observationOf = (outputs: ReadonlyArray<Output>): Observation => ({
  perExample: Float32Array.from(outputs.flatMap((output) => Array.from(output.perExample))),
  timesteps: concatenate(outputs.map((output) => output.timesteps))
})

const concatenate = (parts: ReadonlyArray<Int32Array | undefined>): Int32Array | undefined =>
  parts.includes(undefined) ? undefined : Int32Array.from(parts.flatMap((part) => Array.from(part!)))
