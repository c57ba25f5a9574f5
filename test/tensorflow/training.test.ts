/**
 * The same training on TensorFlow and on ONNX Runtime: step by step from the same key, and from one to the other by way of
 * a checkpoint.
 *
 * The two sum in different orders. Measured over these 20 steps, in all modes: losses within 1.3e-7 of each other, relative
 * to their size, and parameters within 4.3e-6, which Adam moves by up to 1e-3 a step.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { fromArrays } from "@effusion/core/data"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { TensorflowEngine } from "@effusion/core/engine/tensorflow"
import { adam, ema } from "@effusion/core/optimizer"
import { Distribution, draw, Key } from "@effusion/core/random"
import { Checkpoint, Training, type TrainingState } from "@effusion/core/training"
import { UNet } from "@effusion/models"
import { Effect, FileSystem, Stream } from "effect"
import { pipelineOf } from "../support/simplifiedObjective.ts"
import { tinyUNet } from "../support/tinyTraining.ts"

const steps = 20

const options = {
  pipeline: pipelineOf(UNet.layer(tinyUNet), 100),
  data: fromArrays({
    name: "noise",
    exampleShape: UNet.make(tinyUNet).exampleShape,
    elements: draw(Key.make(5), { distribution: Distribution.uniform(-1, 1), shape: [24, 8, 8, 1] }).data
  }),
  batchSize: 8,
  optimizer: adam({ learningRate: 1e-3 }),
  average: ema({ decay: 0.9 }),
  steps,
  seed: 7
}

const engines = {
  onnx: OnnxEngine.layer(),
  graph: TensorflowEngine.layer({ mode: "graph" }),
  xla: TensorflowEngine.layer({ mode: "xla" }),
  eager: TensorflowEngine.layer({ mode: "eager" })
}

/** Trains on from a state: the losses, and the state at the end. */
const train = (engine: keyof typeof engines, from?: TrainingState) =>
  Effect.gen(function*() {
    const run = yield* Training.start({ ...options, ...(from && { resumeFrom: from }) })
    const reports = yield* Stream.runCollect(run.reports)
    return { losses: reports.map(({ loss }) => loss), state: yield* run.snapshot }
  }).pipe(Effect.scoped, Effect.provide(engines[engine]))

/** The largest relative difference of losses. */
const differenceOf = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number => {
  assert.strictEqual(a.length, b.length)
  return Math.max(...a.map((loss, i) => Math.abs(loss - b[i]!) / b[i]!))
}

/** The largest difference of parameters. */
const distanceOf = (a: TrainingState, b: TrainingState): number =>
  Math.max(
    ...Object.entries(a.parameters).flatMap(([name, { data }]) =>
      Array.from(data, (element, i) => Math.abs(element - b.parameters[name]!.data[i]!))
    )
  )

const tolerance = { loss: 1e-5, parameters: 1e-4 }

describe("training on TensorFlow", () => {
  for (const mode of ["graph", "xla", "eager"] as const) {
    it.effect(`in mode ${mode} is training on ONNX Runtime, step by step`, () =>
      Effect.gen(function*() {
        const [expected, actual] = [yield* train("onnx"), yield* train(mode)]
        assert.isAbove(Math.max(...expected.losses) / Math.min(...expected.losses), 1.2)
        assert.isBelow(differenceOf(actual.losses, expected.losses), tolerance.loss)
        assert.isBelow(distanceOf(actual.state, expected.state), tolerance.parameters)
      }))
  }

  it.effect("gives the same numbers every time", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* train("graph")).state, (yield* train("graph")).state)
    }))

  for (const [first, second] of [["onnx", "graph"], ["graph", "onnx"], ["graph", "graph"]] as const) {
    it.effect(`on ${second} goes on from a checkpoint of ${first}`, () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const folder = yield* fs.makeTempDirectoryScoped()
        const checkpoints = Checkpoint.policy({ folder, every: 10 })
        yield* Training.run({ ...options, checkpoints }).pipe(
          Stream.take(12),
          Stream.runDrain,
          Effect.provide(engines[first])
        )
        const { checkpoint } = yield* Checkpoint.latest(folder)
        assert.strictEqual(checkpoint?.state.step, 10)
        const resumed = yield* train(second, checkpoint!.state)
        const whole = yield* train(second)
        if (first === second) assert.deepStrictEqual(resumed, { ...whole, losses: whole.losses.slice(10) })
        else assert.isBelow(differenceOf(resumed.losses, whole.losses.slice(10)), tolerance.loss)
      }).pipe(Effect.provide(NodeServices.layer)))
  }
})
