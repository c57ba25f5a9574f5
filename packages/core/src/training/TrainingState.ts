/**
 * Everything that a run needs to go on: what checkpoints hold.
 *
 * Nothing of the random numbers and nothing of the data is here: both are functions of the seed and the step.
 */
import type { Effect } from "effect"
import type { GradientTransformation, WeightAverage } from "../optimizer/index.ts"
import type { Adaptation, ParameterSpecs } from "../pipeline/index.ts"
import * as Pipeline from "../pipeline/Pipeline.ts"
import type { HostTensors } from "../pipeline/Pipeline.ts"
import { sameShape, showShape, zeros } from "../tensor/HostTensor.ts"
import type { DType, Shape } from "../tensor/HostTensor.ts"
import { StateMismatch } from "./TrainingError.ts"

/** The state of a run after a whole optimiser step, in host memory. */
export interface TrainingState {
  /** Optimiser steps taken. */
  readonly step: number
  /** The trained parameters, by dotted path. */
  readonly parameters: HostTensors
  /** Their average, where the run keeps one: the weights to draw samples with. */
  readonly average?: HostTensors
  /** The vectors that the optimiser keeps (`adam.firstMoment`), each by the paths of the parameters. */
  readonly optimizer: { readonly [vector: string]: HostTensors }
  /** What the pipeline has learnt from the losses, where it learns from them: the losses that timesteps are chosen by. */
  readonly adaptation?: HostTensors
  /** The folder of the checkpoint that this state was read from. */
  readonly checkpoint?: string
}

/** When and where a run saves its state. `Checkpoint.policy` makes one that writes to a folder. */
export interface CheckpointPolicy<E = never, R = never> {
  /** Optimiser steps between two checkpoints. The last step of a run is saved as well. */
  readonly every: number
  /** Further steps after which the state is saved. */
  readonly at?: ReadonlyArray<number>
  /** Saves a state, and says where. */
  readonly save: (state: TrainingState) => Effect.Effect<string, E, R>
}

/** What the shape of a state depends on. */
export interface StateRule {
  readonly parameters: ParameterSpecs
  readonly optimizer: GradientTransformation
  readonly average?: WeightAverage
  /** What the pipeline learns from the losses; nothing unless given. */
  readonly adaptation?: Adaptation
}

/**
 * The state that a run begins with: parameters from their initializers, the average equal to them, the optimiser's
 * vectors zero, nothing learnt from losses.
 *
 * @example
 * const state = initialState({ parameters: pipeline.parameters, optimizer }, { seed: 7 })
 */
export const initialState = (rule: StateRule, options: { readonly seed: number }): TrainingState => {
  const parameters = Pipeline.initialize(rule.parameters, options)
  const nothing = Object.fromEntries(Object.entries(rule.parameters).map(([name, { shape }]) => [name, zeros(shape)]))
  return {
    step: 0,
    parameters,
    ...(rule.average === undefined ? {} : { average: parameters }),
    optimizer: Object.fromEntries(rule.optimizer.vectors.map((name) => [name, nothing])),
    ...(rule.adaptation === undefined ? {} : { adaptation: rule.adaptation.initial })
  }
}

/**
 * What keeps a state from being that of a run: missing, unexpected and misshapen tensors. `undefined` when it fits.
 */
export const stateMismatch = (rule: StateRule, state: TrainingState): StateMismatch | undefined => {
  const differences = [
    ...tensorDifferences("parameters", rule.parameters, state.parameters),
    ...(rule.average === undefined
      ? state.average === undefined ? [] : ["there is an average, and the run keeps none"]
      : state.average === undefined
      ? ["there is no average, and the run keeps one"]
      : tensorDifferences("average", rule.parameters, state.average)),
    ...rule.optimizer.vectors.flatMap((name) => {
      const vector = state.optimizer[name]
      return vector === undefined
        ? [`there is no optimiser vector "${name}"`]
        : tensorDifferences(name, rule.parameters, vector)
    }),
    ...Object.keys(state.optimizer)
      .filter((name) => !rule.optimizer.vectors.includes(name))
      .map((name) => `there is an optimiser vector "${name}", and the run keeps none of that name`),
    ...(rule.adaptation === undefined
      ? state.adaptation === undefined ? [] : ["there is an adaptation to losses, and the run has none"]
      : state.adaptation === undefined
      ? ["there is no adaptation to losses, and the run has one"]
      : tensorDifferences("adaptation", rule.adaptation.initial, state.adaptation))
  ]
  return differences.length === 0 ? undefined : new StateMismatch({ checkpoint: state.checkpoint, differences })
}

/** Whether every number of a state is finite. */
export const isFiniteState = ({ adaptation, average, optimizer, parameters }: TrainingState): boolean =>
  [parameters, average ?? {}, ...Object.values(optimizer), adaptation ?? {}].every((tensors) =>
    Object.values(tensors).every(({ data }) => isFiniteArray(data))
  )

// A loop: a state has up to hundreds of millions of numbers, and `every` takes several times as long.
const isFiniteArray = (data: ArrayLike<number>): boolean => {
  for (let i = 0; i < data.length; i++) {
    if (!Number.isFinite(data[i])) return false
  }
  return true
}

/** Missing, unexpected and misshapen tensors of one group, in words; float32 unless the specs say otherwise. */
export const tensorDifferences = (
  group: string,
  specs: { readonly [name: string]: { readonly shape: Shape; readonly dtype?: DType } },
  tensors: HostTensors
): ReadonlyArray<string> => [
  ...Object.entries(specs).flatMap(([name, { dtype = "float32", shape }]) => {
    const tensor = tensors[name]
    if (tensor === undefined) return [`${group} lack "${name}"`]
    if (tensor.dtype !== dtype) return [`${group} "${name}" is ${tensor.dtype}, not ${dtype}`]
    if (sameShape(tensor.shape, shape)) return []
    return [`${group} "${name}" is ${showShape(tensor.shape)}, not ${showShape(shape)}`]
  }),
  ...Object.keys(tensors).filter((name) => !Object.hasOwn(specs, name)).map((name) => `${group} have no "${name}" here`)
]
