/**
 * What an engine should hold, in plain JavaScript: scopes, the programs and states that live in them, and which of them
 * can still be used.
 */
import type { EngineMemory, Program, Tensor } from "@effusion/core/engine"
import { float32, type HostTensor, int32 } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"

/** A running sum of `size` elements, and how many steps it has taken. */
export interface Sum {
  readonly sum: ReadonlyArray<number>
  readonly steps: number
}

type State = { readonly sum: Tensor; readonly steps: Tensor }
type Input = { readonly x: Tensor; readonly at: Tensor }
type Output = { readonly picked: Tensor; readonly steps: Tensor }

/**
 * The program of the tests: adds its input to the sum, and gives back one element of it. An index beyond the sum's end
 * compiles, and fails when it runs, on engines that check indices.
 */
export const runningSum = (size: number): Program<State, Input, Output> => ({
  name: `running sum of ${size}`,
  state: { sum: { shape: [size], dtype: "float32" }, steps: { shape: [], dtype: "int32" } },
  input: { x: { shape: [size], dtype: "float32" }, at: { shape: [1], dtype: "int32" } },
  apply: ({ steps, sum }, { at, x }) => {
    const next = { sum: tf.add(sum, x), steps: tf.add(steps, tf.scalar(1, "int32")) }
    return { state: next, output: { picked: tf.gather(next.sum, at as tf.Tensor1D), steps: next.steps } }
  }
})

type Host<T> = { readonly [K in keyof T]: HostTensor }

export const stateOf = ({ steps, sum }: Sum): Host<State> => ({
  sum: float32([sum.length], sum),
  steps: int32([], [steps])
})

/** The input of a step, which gives back the element at an index. */
export const inputOf = (x: ReadonlyArray<number>, at: number): Host<Input> => ({
  x: float32([x.length], x),
  at: int32([1], [at])
})

export const sumOf = ({ steps, sum }: Host<State>): Sum => ({ sum: Array.from(sum.data), steps: steps.data[0]! })

export const afterStep = ({ steps, sum }: Sum, x: ReadonlyArray<number>): Sum => ({
  sum: sum.map((element, i) => element + x[i]!),
  steps: steps + 1
})

export interface ScopeModel {
  readonly parent: number | undefined
  open: boolean
}

export interface ProgramModel {
  readonly size: number
  /** Which engine it was compiled by. */
  readonly engine: number
  readonly scope: number
}

export interface InstanceModel {
  readonly program: number
  readonly scope: number
  /** Whether a step has failed while it ran. */
  failed: boolean
  state: Sum
}

/** Everything that was made so far; places in these lists are names. */
export interface Model {
  /** Which engine is open: they are counted. */
  engine: number
  readonly scopes: Array<ScopeModel>
  readonly programs: Array<ProgramModel>
  readonly instances: Array<InstanceModel>
}

/** One open scope, and nothing in it. */
export const empty = (): Model => ({
  engine: 0,
  scopes: [{ parent: undefined, open: true }],
  programs: [],
  instances: []
})

/** A scope closes with its children, and with what lives in them. */
export const close = ({ scopes }: Model, scope: number): void => {
  scopes[scope]!.open = false
  // Children come after their parents.
  for (const child of scopes) if (child.parent !== undefined && !scopes[child.parent]!.open) child.open = false
}

/** Whether a program can be started. */
export const programIsOpen = (model: Model, program: number): boolean => {
  const { engine, scope } = model.programs[program]!
  return engine === model.engine && model.scopes[scope]!.open
}

/** Whether a state can be stepped, read and written. */
export const isUsable = (model: Model, instance: number): boolean => {
  const { failed, program, scope } = model.instances[instance]!
  return !failed && model.scopes[scope]!.open && programIsOpen(model, program)
}

/** What is held: a state until its own scope closes, also when its program is gone or a step has failed. */
export const memoryOf = (model: Model): EngineMemory => {
  const isHeld = ({ engine }: ProgramModel, scope: number) => engine === model.engine && model.scopes[scope]!.open
  const programs = model.programs.filter((program) => isHeld(program, program.scope))
  const sizes = model.instances.flatMap(({ program, scope }) => {
    const made = model.programs[program]!
    return isHeld(made, scope) ? [made.size] : []
  })
  return {
    executables: programs.length,
    instances: sizes.length,
    tensors: 2 * sizes.length,
    bytes: sizes.reduce((bytes, size) => bytes + 4 * size + 4, 0)
  }
}
