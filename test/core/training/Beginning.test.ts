/**
 * The state that a run begins with, as the program has it: made in place, and given to the engine.
 */
import { assert, describe, it } from "@effect/vitest"
import { Engine } from "@effusion/core/engine"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { adam, ema, sgd } from "@effusion/core/optimizer"
import type { GradientTransformation, WeightAverage } from "@effusion/core/optimizer"
import type { Initializer, ParameterSpecs } from "@effusion/core/pipeline"
import type { HostTensor } from "@effusion/core/tensor"
import { initialState, Training, trainingProgram } from "@effusion/core/training"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import * as fc from "fast-check"
import { normal } from "../../support/hiddenLayer.ts"
import { options } from "./tiny.ts"

/** What an initializer gives that fills nothing afresh: a view of numbers that it keeps. */
const kept = Float32Array.from({ length: 64 }, (_, i) => i / 3)

const initializers: ReadonlyArray<Initializer> = [
  normal(0.3),
  (_, shape) => new Float32Array(shape.reduce((size, n) => size * n, 1)).fill(-0),
  (_, shape) => kept.subarray(0, shape.reduce((size, n) => size * n, 1))
]

const parameters = fc.dictionary(
  fc.oneof(fc.constantFrom("conv_in.weight", "10", "__proto__"), fc.string({ minLength: 1, maxLength: 8 })),
  fc.record({
    shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
    initializer: fc.constantFrom(...initializers)
  }),
  { minKeys: 1, maxKeys: 5, noNullPrototype: true }
)

interface Run {
  readonly parameters: ParameterSpecs
  readonly optimizer: GradientTransformation
  readonly average?: WeightAverage | undefined
  readonly accumulate?: number
}

const runs: fc.Arbitrary<Run & { readonly seed: number }> = fc.record({
  parameters,
  optimizer: fc.constantFrom(adam({ learningRate: 1e-3 }), sgd({ learningRate: 0.1 })),
  average: fc.constantFrom(undefined, ema({ decay: 0.9 })),
  accumulate: fc.integer({ min: 1, max: 3 }),
  seed: fc.nat()
})

/** The program of a stage that has parameters and computes nothing; nobody traces it. */
const programOf = ({ accumulate = 1, average, optimizer, parameters }: Run) =>
  trainingProgram({
    stage: {
      name: "nothing",
      parameters,
      draws: () => ({}),
      specs: () => ({ perExample: { shape: [1], dtype: "float32" }, loss: { shape: [], dtype: "float32" } }),
      apply: () => ({ perExample: tf.zeros([1]), loss: tf.scalar(0) })
    },
    input: {},
    optimizer,
    accumulate,
    ...(average === undefined ? {} : { average })
  })

const bitsOf = (tensors: { readonly [name: string]: HostTensor }) =>
  Object.entries(tensors).map(([name, { data, dtype, shape }]) => [
    name,
    dtype,
    shape,
    Array.from(new Uint32Array(data.slice().buffer))
  ])

describe("the program's state that a run begins with", () => {
  it("is the initial state, placed, bit for bit", () =>
    fc.assert(fc.property(runs, ({ seed, ...run }) => {
      const { begin, place } = programOf(run)
      const { average, optimizer, parameters } = run
      const rule = { parameters, optimizer, ...(average === undefined ? {} : { average }) }
      assert.deepStrictEqual(bitsOf(begin({ seed })), bitsOf(place(initialState(rule, { seed }))))
    })))

  it("is in arrays of its own, each whole: all of them can be donated, and no initializer loses what it keeps", () =>
    fc.assert(fc.property(runs, ({ seed, ...run }) => {
      const arrays = Object.values(programOf(run).begin({ seed })).map(({ data }) => data)
      assert.strictEqual(new Set(arrays.map(({ buffer }) => buffer)).size, arrays.length)
      for (const { buffer, byteLength } of arrays) {
        assert.strictEqual(buffer.byteLength, byteLength)
        assert.notStrictEqual(buffer, kept.buffer)
      }
      assert.deepStrictEqual(kept, Float32Array.from({ length: 64 }, (_, i) => i / 3))
    })))

  it("is refused where an initializer gives more or fewer numbers than its parameter has", () => {
    const begin = (size: number) => {
      const wrong = { shape: [2, 2], initializer: () => new Float32Array(size) }
      const rest = { shape: [3], initializer: () => new Float32Array(3) }
      const optimizer = sgd({ learningRate: 0.1 })
      return programOf({ parameters: { wrong, rest }, optimizer }).begin({ seed: 0 })
    }
    assert.throws(() => begin(3), /shape \[2, 2\] has 4 elements, not 3/)
    assert.throws(() => begin(5), /shape \[2, 2\] has 4 elements, not 5/)
  })
})

it.live("a run that begins gives its arrays over to the engine, and keeps none of them", () =>
  Effect.gen(function*() {
    const engine = yield* Engine
    const given: Array<HostTensor> = []
    const watched = Engine.of({
      ...engine,
      compile: (program) =>
        Effect.map(engine.compile(program), (executable) => ({
          ...executable,
          start: (state, options) => {
            given.push(...Object.values(state))
            return executable.start(state, options)
          }
        }))
    })
    yield* Effect.provideService(Training.start({ ...options, accumulate: 2 }), Engine, watched)
    assert.strictEqual(given.length, 5)
    for (const { data } of given) assert.strictEqual(data.length, 0)
  }).pipe(Effect.scoped, Effect.provide(OnnxEngine.layer({ threads: 1 }))))
