/**
 * The real programs in the eager mode beside the onnx engine: U-Net training and sampling, as a run does them.
 */
import { assert, expect, layer } from "@effect/vitest"
import { Engine } from "@effusion/core/engine"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { adam, ema } from "@effusion/core/optimizer"
import {
  forwardNoising,
  meanSquaredError,
  noisePrediction,
  Objective,
  Pipeline,
  scheduleSampling,
  TimestepSampler
} from "@effusion/core/pipeline"
import { Distribution, draw, Key } from "@effusion/core/random"
import { ddim, Sampling } from "@effusion/core/sampling"
import { NoiseSchedule } from "@effusion/core/schedule"
import { trainingProgram } from "@effusion/core/training"
import { UNet } from "@effusion/models"
import { Effect, Layer, Stream } from "effect"
import { closeAll } from "../support/close.ts"
import { eagerLayer, handles, uploads } from "./support/eager.ts"

const config = UNet.Config.make({ ...UNet.small, sample_size: 8 })
const batch = 2
const shape = [batch, ...UNet.make(config).exampleShape]
const optimizer = adam({ learningRate: 1e-3 })
const average = ema({ decay: 0.9 })
const x0 = draw(Key.make(0), { distribution: Distribution.uniform(-1, 1), shape })

/** A few steps: the losses, and the state at their end. */
const train = Effect.gen(function*() {
  const engine = yield* Engine
  const stage = Pipeline.fuse(
    yield* Pipeline.make(scheduleSampling, forwardNoising, noisePrediction, meanSquaredError)
  )
  const { begin, input, program } = trainingProgram({ stage, input: { x0 }, optimizer, average })
  const executable = yield* engine.compile(program)
  const instance = yield* executable.start(begin({ seed: 0 }))
  const losses: Array<number> = []
  for (let step = 0; step < 3; step++) {
    const { loss } = yield* instance.step(input({ x0 }, Pipeline.draws(stage, { x0 }, { seed: 0, step }), step))
    losses.push(loss!.data[0]!)
  }
  return { losses, state: yield* instance.read }
}).pipe(Effect.scoped)

const parameters = Pipeline.initialize(UNet.make(config).parameters, { seed: 0 })

const sample = Sampling.run({ sampler: ddim(), steps: 4, count: 2, seed: 7, parameters }).pipe(
  Stream.runCollect,
  Effect.map((steps) => steps.at(-1)!.x!)
)

/** Of millions of elements: an assertion each would take a minute. */
const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let largest = a.length === b.length ? 0 : Infinity
  for (let i = 0; i < b.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!))
  return largest
}

const onnx = OnnxEngine.layer({ threads: 1 })

layer(
  Layer.mergeAll(
    eagerLayer,
    NoiseSchedule.linear({ steps: 100 }),
    TimestepSampler.uniform,
    Objective.noise,
    UNet.layer(config)
  ),
  { excludeTestServices: true }
)("a U-Net in the eager mode", (it) => {
  it.effect("trains as on the onnx engine", () =>
    Effect.gen(function*() {
      const expected = yield* Effect.provide(train, onnx)
      const actual = yield* train
      closeAll(actual.losses, expected.losses, 1e-5)
      assert.deepStrictEqual(Object.keys(actual.state).sort(), Object.keys(expected.state).sort())
      for (const [name, { data }] of Object.entries(expected.state)) {
        expect(largestDifference(actual.state[name]!.data, data), name).toBeLessThan(1e-3)
      }
      expect(handles()).toEqual({ tensors: 0, bytes: 0 })
    }))

  it.effect("samples as on the onnx engine, with its weights uploaded once", () =>
    Effect.gen(function*() {
      const expected = yield* Effect.provide(sample, onnx)
      uploads.clear()
      const actual = yield* sample
      closeAll(actual.data, expected.data, 1e-4)
      const largest = Math.max(...Object.values(parameters).map(({ data }) => data.length))
      const ofThatSize = Object.values(parameters).filter(({ data }) => data.length === largest).length
      expect(uploads.get(largest)).toBe(ofThatSize)
      expect(handles()).toEqual({ tensors: 0, bytes: 0 })
    }))
})
