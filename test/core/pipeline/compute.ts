/**
 * Functions of tensors and their gradients on an engine, for tests of stages.
 */
import { Engine, stateless, type Tensor, type Tensors } from "@effusion/core/engine"
import type { Stage } from "@effusion/core/pipeline"
import { float32, type HostTensor } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect, Record } from "effect"

/** Named host tensors. */
export type HostTensors = { readonly [name: string]: HostTensor }

/** A function of tensors, compiled and run once. */
export const compute = (inputs: HostTensors, apply: (inputs: Tensors) => Tensors) =>
  Effect.scoped(Effect.gen(function*() {
    const engine = yield* Engine
    const specs = Record.map(inputs, ({ dtype, shape }) => ({ dtype, shape }))
    const executable = yield* engine.compile(stateless("test", specs, apply))
    const instance = yield* executable.start({})
    return yield* instance.step(inputs)
  }))

/** What a stage without parameters makes of a record, with the given draws. */
export const apply = <In extends Tensors, Out extends Tensors>(
  stage: Stage<In, Out>,
  record: HostTensors,
  draws: Tensors = {}
) => compute(record, (input) => stage.apply(input as unknown as In, { parameters: {}, draws }))

/** The gradient of a stage's loss with respect to some float32 fields of the record; zeros where nothing depends on them. */
export const gradients = <In extends Tensors, Out extends Tensors & { readonly loss: Tensor }>(
  stage: Stage<In, Out>,
  record: HostTensors,
  fields: ReadonlyArray<string>
) =>
  compute(record, (input) => {
    const variables = fields.map((field) => input[field]!)
    const { grads } = tf.engine().gradients(
      () => {
        const changed = Object.fromEntries(fields.map((field, i) => [field, variables[i]!]))
        return stage.apply({ ...input, ...changed } as unknown as In, { parameters: {}, draws: {} }).loss
      },
      variables,
      undefined,
      true
    )
    return Object.fromEntries(fields.map((field, i) => [field, grads[i] ?? tf.zerosLike(variables[i]!)]))
  })

/** The derivative of a function of numbers by one of them, by central differences. */
export const difference = (f: (x: number) => number, x: number, h: number): number => (f(x + h) - f(x - h)) / (2 * h)

/** float32 tensor of rows. */
export const rows = (values: ReadonlyArray<ArrayLike<number>>): HostTensor<"float32"> =>
  float32([values.length, values[0]!.length], values.flatMap((row) => Array.from(row)))

/** int32 timesteps. */
export const timesteps = (values: ReadonlyArray<number>): HostTensor => ({
  dtype: "int32",
  shape: [values.length],
  data: Int32Array.from(values)
})
