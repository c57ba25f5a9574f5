/**
 * What `npm start` does, to the end: a network learns to draw digits on this machine, and is judged by numbers that
 * have nothing to do with it: its loss on digits that it has not seen, and a classifier of real digits.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { loadDigits } from "@effusion/core/data"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { Checkpoint, Training } from "@effusion/core/training"
import { Effect, FileSystem, Layer, Path } from "effect"
import { spawnSync } from "node:child_process"
import { resolve } from "node:path"
import { presets } from "../../packages/cli/src/configuration/presets.ts"
import { classesOf, pipelineServices } from "../../packages/cli/src/configuration/session.ts"
import { draw } from "../../packages/cli/src/picture/drawing.ts"
import { Reporter } from "../../packages/cli/src/report/Reporter.ts"
import { evaluationPipelineOf } from "../../packages/cli/src/run/trainRun.ts"
import { trainClassifier } from "../support/classifier.ts"

const main = resolve(import.meta.dirname, "../../packages/cli/src/main.ts")
const preset = presets["digits"]!

/** What a U-Net of this size reaches in PyTorch after 700 steps of 32, as noise-prediction loss; ours must be below. */
const bound: { readonly [schedule: string]: number } = { linear: 0.029, cosine: 0.046 }

/** The share of drawn digits that the classifier must be sure are those asked for, with a probability of 0.9 or more. */
const recognizable = 0.9

const quiet = Layer.succeed(Reporter, { report: () => Effect.void })

it.live("learns to draw digits that a classifier of real digits recognizes", () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const folder = path.join(yield* fs.makeTempDirectoryScoped(), "run")
    const trained = spawnSync(process.execPath, [main, "train", "--preset", "digits", "--out", folder, "--json"], {
      encoding: "utf8"
    })
    assert.strictEqual(trained.status, 0, trained.stderr)
    assert.isTrue(yield* fs.exists(path.join(folder, "samples.png")))

    const { checkpoint } = yield* Checkpoint.latest(path.join(folder, "checkpoints"))
    assert.strictEqual(checkpoint!.state.step, preset.steps)
    const parameters = checkpoint!.state.average!

    const { test, train } = yield* loadDigits()
    const { loss } = yield* Training.evaluate({
      pipeline: evaluationPipelineOf(preset),
      data: test,
      batchSize: 100,
      parameters,
      seed: 20_260_101
    })
    assert.isBelow(loss, bound[preset.schedule.type]!)

    const images = yield* draw({
      ...preset.sampling,
      count: 200,
      seed: 1,
      parameters,
      labels: classesOf(preset),
      classGuidance: preset.classGuidance,
      exampleShape: train.exampleShape
    })
    const classifier = yield* trainClassifier(train, test, 3_000)
    assert.isAtLeast(classifier.accuracy, 0.98)
    const rows = yield* classifier.probabilities(images)
    const sure = rows.filter((row, i) => row[i % 10]! >= 0.9)
    yield* Effect.logInfo(
      `loss ${loss.toFixed(4)}, classifier ${classifier.accuracy}, recognized ${sure.length} of ${rows.length}`
    )
    assert.isAtLeast(sure.length / rows.length, recognizable)
  }).pipe(
    Effect.scoped,
    Effect.provide(Layer.mergeAll(pipelineServices(preset), OnnxEngine.layer(), NodeServices.layer, quiet))
  ), 900_000)
