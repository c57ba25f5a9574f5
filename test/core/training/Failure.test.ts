import { NodeServices } from "@effect/platform-node"
import { assert } from "@effect/vitest"
import type { BatchError } from "@effusion/core/data"
import type { HostOf } from "@effusion/core/engine"
import { adam, identity, sgd } from "@effusion/core/optimizer"
import { type Clean, Pipeline, type Stage } from "@effusion/core/pipeline"
import { float32 } from "@effusion/core/tensor"
import { Checkpoint, NonFiniteData, NonFiniteLoss, Training } from "@effusion/core/training"
import * as tf from "@tensorflow/tfjs"
import { Effect, FileSystem, Path, Stream } from "effect"
import { describeEngines } from "../../support/engines.ts"
import { batch, type Examples, pipeline as regression, source, stage } from "./regression.ts"
import { bitsOf, options } from "./tiny.ts"

/** Batches of points, of which number `bad` holds the value, in the second coordinate of the second point. */
const poisonedBy = (value: number) => (bad: number) =>
  source<{ readonly x0: Examples["x"] }>((index) => ({
    x0: float32([4, 2], [index % 7, 0.5, -0.5, index === bad ? value : 0, 1, 0, 0, 1])
  }))

/** Data that is finite; what {@link diverging} makes of -1000 is not. */
const poisoned = poisonedBy(-1000)

const root: Stage<Clean, Clean> = {
  name: "root",
  parameters: {},
  draws: () => ({}),
  specs: (input) => input,
  apply: (input) => ({ ...input, x0: tf.sqrt(tf.add(input.x0, 10)) })
}

const diverging = {
  ...options,
  pipeline: Effect.flatMap(options.pipeline, ({ fused }) => Pipeline.make(Effect.succeed(root), Effect.succeed(fused)))
}

describeEngines("a run whose loss is not finite", (it) => {
  it.effect("fails with the step, the losses before it, the timesteps and the last good checkpoint", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const folder = yield* fs.makeTempDirectoryScoped()
      const run = yield* Training.start({
        ...diverging,
        data: poisoned(8),
        checkpoints: Checkpoint.policy({ folder, every: 3 })
      })
      const losses: Array<number> = []
      const error = yield* run.reports.pipe(
        Stream.runForEach(({ loss }) => Effect.sync(() => losses.push(loss))),
        Effect.flip
      )
      assert(error instanceof NonFiniteLoss)
      assert.strictEqual(error.step, 9)
      assert.strictEqual(error.quantity, "loss")
      assert.isNaN(error.value)
      assert.deepStrictEqual(error.history, losses)
      assert.strictEqual(error.history.length, 8)
      assert.strictEqual(error.timesteps.length, 4)
      const good = path.join(folder, "step-00000006")
      assert.strictEqual(error.lastCheckpoint, good)
      assert.include(error.message, `the loss is NaN at step 9`)
      assert.include(error.message, good)
      assert.include(error.message, "Lower the learning rate")

      // The state in the engine is lost; nobody is given it, and nothing was written over the good one.
      assert.strictEqual(yield* Effect.flip(run.snapshot), error)
      assert.strictEqual(yield* Effect.flip(Stream.runDrain(run.reports)), error)
      assert.deepStrictEqual(yield* fs.readDirectory(folder), ["step-00000003", "step-00000006"])
      const { checkpoint } = yield* Checkpoint.latest(folder)
      assert.strictEqual(checkpoint?.state.step, 6)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

  it.effect("names the checkpoint that it resumed from, before it has written one", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      const checkpoints = Checkpoint.policy({ folder, every: 2 })
      yield* Training.run({ ...diverging, data: poisoned(3), steps: 2, checkpoints }).pipe(Stream.runDrain)
      const { checkpoint } = yield* Checkpoint.latest(folder)
      const resumed = { ...diverging, data: poisoned(3), resumeFrom: checkpoint!.state }
      const error = yield* Training.run(resumed).pipe(Stream.runDrain, Effect.flip)
      assert(error instanceof NonFiniteLoss)
      assert.strictEqual(error.step, 4)
      assert.strictEqual(error.lastCheckpoint, checkpoint!.path)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

  it.effect("keeps the last 20 losses", () =>
    Effect.gen(function*() {
      const error = yield* Training.run({ ...diverging, steps: 40, data: poisoned(30) }).pipe(
        Stream.runDrain,
        Effect.flip
      )
      assert(error instanceof NonFiniteLoss)
      assert.strictEqual(error.step, 31)
      assert.strictEqual(error.history.length, 20)
      assert.include(error.message, "no checkpoint was written before it")
    }))

  it.effect("sees it in any micro-batch of a step", () =>
    Effect.gen(function*() {
      const error = yield* Training.run({ ...diverging, accumulate: 4, data: poisoned(9) }).pipe(
        Stream.runDrain,
        Effect.flip
      )
      assert(error instanceof NonFiniteLoss)
      assert.strictEqual(error.step, 3)
    }))

  it.effect("sees a gradient that is not finite under a finite loss", () =>
    Effect.gen(function*() {
      // The square root has an infinite slope at 0.
      const rooted = Pipeline.make(Effect.succeed({
        ...stage,
        parameters: { w: { shape: [], initializer: () => Float32Array.of(0) } },
        apply: (input: Examples, { parameters }: { readonly parameters: { readonly [name: string]: tf.Tensor } }) => {
          const perExample = tf.add(tf.mul(input.y, 0), tf.sqrt(parameters["w"]!))
          return { ...input, perExample, loss: tf.mean(perExample) }
        }
      }))
      const error = yield* Training.run({
        pipeline: rooted,
        data: source((index) => batch(index, 2)),
        optimizer: sgd({ learningRate: 0.1 }),
        steps: 3,
        seed: 0
      }).pipe(Stream.runDrain, Effect.flip)
      assert(error instanceof NonFiniteLoss)
      assert.strictEqual(error.quantity, "gradient norm")
      assert.strictEqual(error.step, 1)
    }))

  it.effect("saves no parameters that a finite loss has overflown", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      const error = yield* Training.run({
        pipeline: regression,
        data: source((index) => batch(index, 2)),
        optimizer: sgd({ learningRate: 3e38, momentum: 0.9 }),
        steps: 3,
        seed: 0,
        checkpoints: Checkpoint.policy({ folder, every: 1 })
      }).pipe(Stream.runDrain, Effect.flip)
      assert(error instanceof NonFiniteLoss)
      assert.strictEqual(error.quantity, "parameters")
      assert.strictEqual(error.step, 1)
      assert.deepStrictEqual(yield* fs.readDirectory(folder), [])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
})

describeEngines("a run whose data is not finite", (it) => {
  it.effect("names the number that is not, and not the learning rate", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      for (const value of [Number.NaN, Infinity, -Infinity]) {
        const folder = yield* fs.makeTempDirectoryScoped()
        const run = yield* Training.start({
          ...options,
          data: poisonedBy(value)(3),
          checkpoints: Checkpoint.policy({ folder, every: 2 })
        })
        const error = yield* Effect.flip(Stream.runDrain(run.reports))
        assert(error instanceof NonFiniteData)
        assert.strictEqual(error.step, 4)
        assert.strictEqual(error.field, "x0")
        assert.deepStrictEqual(error.index, [1, 1])
        assert.strictEqual(error.lastCheckpoint, (yield* run.lastCheckpoint)!)
        assert.include(error.message, `x0[1, 1] of the batch of step 4 is ${value}`)
        assert.notInclude(error.message, "learning rate")
        assert.strictEqual(yield* Effect.flip(run.snapshot), error)
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

  it.effect("names the dataset", () =>
    Effect.gen(function*() {
      const read: typeof options.data.read = (indices) => {
        const { label, x0 } = options.data.read(indices)
        return { label, x0: float32(x0.shape, x0.data.map((value) => value === 1 ? Number.NaN : value)) }
      }
      const error = yield* Training.run({ ...options, data: { ...options.data, read } }).pipe(
        Stream.runDrain,
        Effect.flip
      )
      assert(error instanceof NonFiniteData)
      assert.include(error.message, "the data \"circle\" is not finite")
    }))
})

describeEngines("a run that cannot be", (it) => {
  it.effect("fails before it begins: options that make no sense", () =>
    Effect.gen(function*() {
      const wrong = [
        [{ steps: 0 }, "cannot train with steps 0; give an integer of at least 1"],
        [{ steps: 2.5 }, "cannot train with steps 2.5"],
        [{ seed: 1.5 }, "cannot train with seed 1.5; give an integer"],
        [{ seed: Number.NaN }, "cannot train with seed NaN"],
        [{ accumulate: 0 }, "cannot train with accumulate 0"],
        [{ prefetch: 0 }, "cannot train with prefetch 0"],
        [
          { checkpoints: { every: 0, save: () => Effect.succeed("") } },
          "cannot train with checkpoints.every 0; give an integer of at least 1"
        ]
      ] as const
      for (const [change, message] of wrong) {
        const error = yield* Training.run({ ...options, ...change }).pipe(Stream.runDrain, Effect.flip)
        assert.strictEqual(error._tag, "InvalidTrainingOption")
        assert.include(error.message, message)
      }
    }))

  it.effect("fails before it begins: a batch larger than the dataset, or none", () =>
    Effect.gen(function*() {
      const run = (batchSize: number | undefined) =>
        Training.run({ ...options, batchSize: batchSize! }).pipe(Stream.runDrain, Effect.flip)
      assert.include(
        (yield* run(41)).message,
        "batch size 41 is larger than the dataset \"circle\", which has 40 examples"
      )
      assert.include((yield* run(undefined)).message, "batch size 0 is not a positive integer")
      const error: BatchError["_tag"] | string = (yield* run(41))._tag
      assert.strictEqual(error, "BatchTooLarge")
    }))

  it.effect("fails before it begins: a pipeline without parameters", () =>
    Effect.gen(function*() {
      const pipeline = Pipeline.make(Effect.succeed({ ...stage, parameters: {} }))
      const error = yield* Training.run({ ...options, pipeline, data: source((index) => batch(index, 2)) }).pipe(
        Stream.runDrain,
        Effect.flip
      )
      assert.strictEqual(error._tag, "NothingToTrain")
    }))

  it.effect("fails when the data ends too early, and says where", () =>
    Effect.gen(function*() {
      const data = (from: number) => source((index) => batch(index, 2))(from).pipe(Stream.take(7 - from))
      const run = {
        pipeline: regression,
        optimizer: adam({ learningRate: 0.1 }),
        seed: 0,
        data,
        accumulate: 2,
        steps: 5
      }
      const steps: Array<number> = []
      const error = yield* Training.run(run).pipe(
        Stream.runForEach(({ step }) => Effect.sync(() => steps.push(step))),
        Effect.flip
      )
      assert.strictEqual(error._tag, "DataEnded")
      assert.include(error.message, "the data ended after 7 of the 10 batches")
      assert.deepStrictEqual(steps, [1, 2, 3])
      const empty = yield* Training.run({ ...run, data: () => Stream.empty }).pipe(Stream.runDrain, Effect.flip)
      assert.include(empty.message, "the data ended after 0 of the 10 batches")
    }))

  it.effect("fails with the data's own error", () =>
    Effect.gen(function*() {
      const data = (from: number) =>
        Stream.concat(
          source((index) => batch(index, 2))(from).pipe(Stream.take(3)),
          Stream.fail("the tape broke" as const)
        )
      const error = yield* Training.run({ pipeline: regression, optimizer: identity, seed: 0, data, steps: 5 }).pipe(
        Stream.runDrain,
        Effect.flip
      )
      assert.strictEqual(error, "the tape broke")
    }))

  it.effect("fails when a batch has another shape than the first", () =>
    Effect.gen(function*() {
      const data = source<Examples>((index): HostOf<Examples> => batch(index, index === 2 ? 3 : 4))
      const error = yield* Training.run({ pipeline: regression, optimizer: identity, seed: 0, data, steps: 5 }).pipe(
        Stream.runDrain,
        Effect.flip
      )
      assert.strictEqual(error._tag, "SignatureMismatch")
    }))

  it.effect("refuses a state of another model, optimiser or average, and lists what differs", () =>
    Effect.gen(function*() {
      const run = yield* Training.start(options)
      const state = { ...(yield* run.snapshot), checkpoint: "runs/a/step-00000001" }
      const refused = (changed: Partial<typeof options>, resumeFrom = state) =>
        Training.run({ ...options, ...changed, resumeFrom }).pipe(Stream.runDrain, Effect.flip)

      const { "out.weight": _, ...rest } = state.parameters
      const renamed = { ...state, parameters: { ...rest, "out.kernel": float32([1], [0]) } }
      const model = yield* refused({}, renamed)
      assert.strictEqual(model._tag, "StateMismatch")
      assert.include(model.message, "the state of \"runs/a/step-00000001\" does not fit this run")
      assert.include(model.message, "parameters lack \"out.weight\"; parameters have no \"out.kernel\" here")

      const reshaped = { ...state, parameters: { ...state.parameters, "hidden.bias": float32([4], [0, 0, 0, 0]) } }
      assert.include((yield* refused({}, reshaped)).message, "parameters \"hidden.bias\" is [4], not [8]")

      const optimizer = yield* refused({ optimizer: sgd({ learningRate: 1, momentum: 0.5 }) })
      assert.include(optimizer.message, "there is no optimiser vector \"sgd.velocity\"")
      assert.include(optimizer.message, "there is an optimiser vector \"adam.firstMoment\"")

      const { average, ...unaveraged } = state
      assert.isDefined(average)
      assert.include(
        (yield* refused({}, unaveraged as typeof state)).message,
        "there is no average, and the run keeps one"
      )
    }).pipe(Effect.scoped))

  it.effect("refuses to go on from beyond its end", () =>
    Effect.gen(function*() {
      const run = yield* Training.start(options)
      const resumeFrom = { ...(yield* run.snapshot), step: 13 }
      const error = yield* Training.run({ ...options, resumeFrom }).pipe(Stream.runDrain, Effect.flip)
      assert.include(error.message, "cannot train with steps 12; give at least the 13 steps")
      assert.strictEqual(bitsOf(resumeFrom).step, 13)
    }).pipe(Effect.scoped))
})
