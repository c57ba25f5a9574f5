/**
 * Random states and configurations, and files to spoil.
 */
import { float32, int32 } from "@effusion/core/tensor"
import type { HostTensor } from "@effusion/core/tensor"
import type { TrainingState } from "@effusion/core/training"
import * as fc from "fast-check"

const name = fc.oneof(
  fc.constantFrom("conv_in.weight", "mid_block.attentions.0.to_q.bias", "10", "__proto__", "a/b"),
  fc.string({ minLength: 1, maxLength: 8 })
).filter((name) => name !== "__metadata__")

const shape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 })

const tensorOf = (shape: ReadonlyArray<number>): fc.Arbitrary<HostTensor> => {
  const size = shape.reduce((product, n) => product * n, 1)
  return fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: size, maxLength: size })
    .map((elements) => float32(shape, elements))
}

/** What a pipeline may have learnt from losses. */
const adaptations: fc.Arbitrary<NonNullable<TrainingState["adaptation"]>> = fc.dictionary(
  name,
  fc.oneof(
    shape.chain(tensorOf),
    fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { maxLength: 5 }).map((elements): HostTensor =>
      int32([elements.length], elements)
    )
  ),
  { maxKeys: 3, noNullPrototype: true }
)

/**
 * States with an average or without, with any number of optimiser vectors, over parameters of any names and shapes, that
 * have learnt something from losses or nothing.
 */
export const states: fc.Arbitrary<TrainingState> = fc.uniqueArray(fc.tuple(name, shape), {
  minLength: 1,
  maxLength: 4,
  selector: ([name]) => name
}).chain((specs) => {
  const tensors = fc.tuple(...specs.map(([, shape]) => tensorOf(shape))).map((values) =>
    Object.fromEntries(specs.map(([name], i) => [name, values[i]!]))
  )
  return fc.record({
    step: fc.nat(10_000_000),
    parameters: tensors,
    average: fc.option(tensors, { nil: undefined }),
    optimizer: fc.dictionary(
      fc.constantFrom("adam.firstMoment", "adam.secondMoment", "sgd.velocity", "mine/1"),
      tensors
    ),
    adaptation: fc.option(adaptations, { nil: undefined })
  }).map(({ adaptation, average, ...rest }) => ({
    ...rest,
    ...(average === undefined ? {} : { average }),
    ...(adaptation === undefined ? {} : { adaptation })
  }))
})

/** Configurations: anything that JSON can say. */
export const configs = fc.jsonValue({ maxDepth: 3 }).map((value): unknown => JSON.parse(JSON.stringify(value)))

/** A small state of a step, whose numbers say which step it is. */
export const stateOf = (step: number, size = 5): TrainingState => {
  const tensors = (offset: number) => ({
    "a.weight": float32([size], Float32Array.from({ length: size }, () => step + offset))
  })
  return { step, parameters: tensors(0), average: tensors(0.5), optimizer: { "adam.firstMoment": tensors(0.25) } }
}
