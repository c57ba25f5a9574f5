/**
 * One micro-batch of training as one tensor program: the fused stages, their gradient, the optimiser and the average.
 */
import * as tf from "@tensorflow/tfjs"
import { Record } from "effect"
import { qualify, unqualify } from "../engine/names.ts"
import type { HostOf, Program, SpecsOf, Tensor, Tensors } from "../engine/Program.ts"
import { follow, globalNorm } from "../optimizer/index.ts"
import type { GradientTransformation, WeightAverage } from "../optimizer/index.ts"
import type { Stage } from "../pipeline/index.ts"
import { initialize, tablesOf } from "../pipeline/Pipeline.ts"
import type { HostTensors } from "../pipeline/Pipeline.ts"
import { drawnSpec } from "../random/Distribution.ts"
import { float32, scalar, zeros } from "../tensor/HostTensor.ts"
import type { HostTensor, TensorSpec } from "../tensor/HostTensor.ts"
import { join, layoutOf, pack, split, unpack } from "./internal/parameterVector.ts"
import type { VectorLayout } from "./internal/parameterVector.ts"
import type { TrainingState } from "./TrainingState.ts"

/** What a pipeline must make to be trained: the loss of each example, [batch], and the scalar to descend on. */
export type Trainable = { readonly perExample: Tensor; readonly loss: Tensor }

/** What a training program is made of. */
export interface TrainingProgramOptions<In extends Tensors> {
  /** The pipeline, fused. */
  readonly stage: Stage<In, Tensors & Trainable>
  /** The shapes of one micro-batch. */
  readonly input: SpecsOf<In>
  readonly optimizer: GradientTransformation
  readonly average?: WeightAverage
  /** Micro-batches an optimiser step. Default 1. */
  readonly accumulate?: number
}

/** What one micro-batch gives back. */
export type TrainingOutput = {
  readonly loss: Tensor
  /** The norm of the gradient accumulated so far, before any transformation. */
  readonly gradientNorm: Tensor
  readonly perExample: Tensor
  /** The timesteps, where the pipeline has any. */
  readonly t?: Tensor
}

/** A training program, and how a state and a micro-batch are laid out for it. */
export interface TrainingProgram<In extends Tensors> {
  readonly program: Program<Tensors, Tensors, TrainingOutput>
  /**
   * The program's state that a run begins with: that of `initialState`, without its tensors beside it. The arrays are fresh
   * and no one else's, so that the state can be donated.
   */
  readonly begin: (options: { readonly seed: number }) => HostTensors
  /** The program's state, of a state after a whole optimiser step. The arrays are copies. */
  readonly place: (state: TrainingState) => HostTensors
  /** A state after a whole optimiser step, of the program's state and of what the pipeline has learnt from the losses. */
  readonly restore: (step: number, state: HostTensors, adaptation?: HostTensors) => TrainingState
  /**
   * The program's input for a micro-batch: its fields, its draws, the numbers of the step that it belongs to, and what the
   * pipeline has learnt from the losses before that step.
   *
   * @param index which micro-batch of the run it is, counted from 0
   * @param adaptation nothing yet when not given
   */
  readonly input: (batch: HostOf<In>, draws: HostTensors, index: number, adaptation?: HostTensors) => HostTensors
}

/**
 * One micro-batch of training as a program. Its state is a few vectors over all parameters, [P] each.
 *
 * With accumulation the gradients of a step's micro-batches are averaged, and the optimiser's result is kept at the last
 * of them only: the update is that of one batch of all their examples. A parameter that the loss does not depend on has
 * gradient 0.
 *
 * @example
 * const { begin, input, program } = trainingProgram({ stage: Pipeline.fuse(pipeline), input: specs, optimizer })
 * const executable = yield* engine.compile(program)
 * const instance = yield* executable.start(begin({ seed: 7 }), { donate: true })
 * const { loss } = yield* instance.step(input(batch, draws, 0))
 */
export const trainingProgram = <In extends Tensors>(options: TrainingProgramOptions<In>): TrainingProgram<In> => {
  const { accumulate = 1, average, optimizer, stage } = options
  const layout = layoutOf(stage.parameters)
  const vector: TensorSpec = { shape: [layout.size], dtype: "float32" }
  const hostVector = (tensorOf: (name: string) => HostTensor) => float32(vector.shape, pack(layout, tensorOf))
  const placed = (tensors: HostTensors) => hostVector((name) => tensors[name]!)
  const nothing = () => zeros(vector.shape)
  const named = ({ data }: HostTensor) => unpack(layout, data as Float32Array)

  return {
    program: {
      name: `training step: ${stage.name}`,
      state: {
        parameters: vector,
        ...(average === undefined ? {} : { average: vector }),
        ...(accumulate === 1 ? {} : { gradient: vector }),
        ...qualify("optimizer", Object.fromEntries(optimizer.vectors.map((name) => [name, vector])))
      },
      input: {
        ...qualify("field", options.input),
        ...qualify("draw", Record.map(stage.draws(options.input, "training"), drawnSpec)),
        ...Record.map(
          { ...qualify("table", tablesOf(stage)), ...numbersOf(options, 0) },
          ({ dtype, shape }) => ({ dtype, shape })
        )
      },
      apply: (state, input) => {
        const { gradient: own, ...output } = lossAndGradient(options, layout, state["parameters"]!, input)
        const gradient = accumulate === 1
          ? own
          : tf.where(isSet(input["isFirst"]!), own, tf.add(state["gradient"]!, own))
        // Before the update, which uses the same squares: they need not be kept for the norm.
        const gradientNorm = globalNorm(gradient)
        const vectors = unqualify("optimizer", state)
        const transformed = optimizer.update(gradient, {
          parameters: state["parameters"]!,
          vectors,
          hyperparameters: unqualify("hyperparameter", input)
        })
        const parameters = tf.add(state["parameters"]!, transformed.update)
        const next: Tensors = {
          parameters,
          ...(average === undefined
            ? {}
            : { average: follow(state["average"]!, parameters, input["averageShare"]!) }),
          ...qualify("optimizer", transformed.vectors)
        }
        return {
          state: accumulate === 1 ? next : { ...keepUnless(input["isLast"]!, next, state), gradient },
          output: { ...output, gradientNorm }
        }
      }
    },
    begin: (options) => {
      const parameters = hostVector((name) => initialize({ [name]: stage.parameters[name]! }, options)[name]!)
      return {
        parameters,
        ...(average === undefined ? {} : { average: float32(vector.shape, parameters.data.slice() as Float32Array) }),
        ...(accumulate === 1 ? {} : { gradient: nothing() }),
        ...qualify("optimizer", Object.fromEntries(optimizer.vectors.map((name) => [name, nothing()])))
      }
    },
    place: (state) => ({
      parameters: placed(state.parameters),
      ...(state.average === undefined ? {} : { average: placed(state.average) }),
      ...(accumulate === 1 ? {} : { gradient: nothing() }),
      ...qualify("optimizer", Record.map(state.optimizer, placed))
    }),
    restore: (step, state, adaptation) => ({
      step,
      parameters: named(state["parameters"]!),
      ...(average === undefined ? {} : { average: named(state["average"]!) }),
      optimizer: Record.map(unqualify("optimizer", state), named),
      ...(adaptation === undefined ? {} : { adaptation })
    }),
    input: (batch, draws, index, adaptation) => ({
      ...qualify("field", batch),
      ...qualify("draw", draws),
      ...qualify("table", tablesOf(stage, adaptation)),
      ...numbersOf(options, index)
    })
  }
}

/** The numbers that change from step to step, as scalars. */
const numbersOf = <In extends Tensors>(options: TrainingProgramOptions<In>, index: number): HostTensors => {
  const { accumulate = 1, average, optimizer } = options
  const step = Math.floor(index / accumulate)
  const position = index % accumulate
  return {
    ...qualify("hyperparameter", Record.map(optimizer.hyperparameters(step), scalar)),
    ...(average === undefined ? {} : { averageShare: scalar(1 - average.decay(step)) }),
    ...(accumulate === 1
      ? {}
      : { isFirst: scalar(position === 0 ? 1 : 0), isLast: scalar(position === accumulate - 1 ? 1 : 0) })
  }
}

/** The loss of a micro-batch, and its share of the gradient: [P]. */
const lossAndGradient = <In extends Tensors>(
  { accumulate = 1, input: specs, stage }: TrainingProgramOptions<In>,
  layout: VectorLayout,
  vector: Tensor,
  input: Tensors
) => {
  const named = split(layout, vector)
  const parameters = layout.entries.map(({ name }) => named[name]!)
  const observed: { perExample?: Tensor; t?: Tensor } = {}
  // tf.valueAndGrads would refuse a parameter that the loss does not depend on; the method under it gives null instead.
  const { grads, value: loss } = tf.engine().gradients(
    () => {
      const out = stage.apply(unqualify("field", input) as In, {
        parameters: named,
        draws: unqualify("draw", input),
        tables: unqualify("table", input)
      })
      // The tape frees what the function does not return: a copy that it may not free outlives it.
      observed.perExample = tf.keep(tf.clone(out.perExample))
      if (out["t"] !== undefined) observed.t = tf.keep(tf.clone(out["t"]))
      return out.loss
    },
    parameters,
    accumulate === 1 ? undefined : tf.scalar(1 / accumulate),
    true
  )
  const gradient = join(parameters.map((parameter, i) => grads[i] ?? tf.zerosLike(parameter)))
  return {
    loss,
    gradient,
    perExample: release(observed.perExample!),
    ...("t" in stage.specs(specs) ? { t: release(observed.t!) } : {})
  }
}

/** A copy that is freed with everything else, of a tensor that was kept. */
const release = (kept: Tensor): Tensor => {
  const copy = tf.clone(kept)
  kept.dispose()
  return copy
}

const isSet = (flag: Tensor): Tensor => tf.greater(flag, 0.5)

const keepUnless = (flag: Tensor, next: Tensors, previous: Tensors): Tensors =>
  Record.map(next, (tensor, name) => tf.where(isSet(flag), tensor, previous[name]!))
