/**
 * Data that does not fit a network: found by readers who trained on it without a word, or were told so by a runtime.
 */
import { assert, describe, it } from "@effect/vitest"
import { fromArrays } from "@effusion/core/data"
import { sgd } from "@effusion/core/optimizer"
import {
  classConditioning,
  type Denoiser,
  forwardNoising,
  meanSquaredError,
  noisePrediction,
  Pipeline,
  scheduleSampling
} from "@effusion/core/pipeline"
import { sizeOf } from "@effusion/core/tensor"
import { Training } from "@effusion/core/training"
import { MLP, UNet } from "@effusion/models"
import { Effect, Layer, Stream } from "effect"
import * as EagerEngine from "../support/EagerEngine.ts"
import { servicesOf, stages } from "../support/simplifiedObjective.ts"
import { tinyUNet } from "../support/tinyTraining.ts"

const dataOf = (exampleShape: ReadonlyArray<number>, classes: number) =>
  fromArrays({
    name: "toy",
    exampleShape,
    elements: new Uint8Array(6 * sizeOf(exampleShape)),
    ...(classes === 0 ? {} : { labels: [0, 1, 2, 0, 1, 2].map((label) => label % classes), classes })
  })

/** Why a network is not trained. */
const refusal = (options: {
  readonly network: Layer.Layer<Denoiser>
  readonly data: ReturnType<typeof dataOf>
  readonly told?: number
}) => {
  const { data, network, told } = options
  const run = { data, batchSize: 3, optimizer: sgd({ learningRate: 0.1 }), steps: 1, seed: 0 }
  const conditioned = (classes: number) =>
    Pipeline.make(
      classConditioning({ classes, dropout: 0.1 }),
      scheduleSampling,
      forwardNoising,
      noisePrediction,
      meanSquaredError
    )
  const reports = told === undefined
    ? Training.run({ ...run, pipeline: stages })
    : Training.run({ ...run, pipeline: conditioned(told) })
  return reports.pipe(
    Stream.runDrain,
    Effect.flip,
    Effect.map(({ message }) => message),
    Effect.provide(Layer.merge(servicesOf(network, 10), EagerEngine.layer))
  )
}

const unet = (num_class_embeds: number | null) => UNet.layer(UNet.Config.make({ ...tinyUNet, num_class_embeds }))

describe("a network", () => {
  it.effect("is not trained on images of another size", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* refusal({ network: unet(null), data: dataOf([16, 16, 1], 0) }),
        "the data \"toy\" has examples of shape [16, 16, 1], but the denoiser \"UNet\" takes [8, 8, 1]; give data of that " +
          "shape, or a denoiser for [16, 16, 1]"
      )
    }))

  it.effect("is not trained on images of other channels, nor on points of other dimensions", () =>
    Effect.gen(function*() {
      assert.include(yield* refusal({ network: unet(null), data: dataOf([8, 8, 3], 0) }), "shape [8, 8, 3]")
      const points = yield* refusal({ network: MLP.layer(MLP.Config.make({ dimensions: 2 })), data: dataOf([3], 0) })
      assert.include(points, "shape [3], but the denoiser \"MLP\" takes [2]")
    }))

  it.effect("is not trained on more classes than the pipeline tells: the last would be \"none\"", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* refusal({ network: unet(3), told: 2, data: dataOf([8, 8, 1], 3) }),
        "the data \"toy\" has 3 classes, but the stage \"classConditioning\" tells 2 apart; tell 3 apart: " +
          "classConditioning({ classes: 3 }) and a denoiser of 3 classes (num_class_embeds 4, a row for each and one for none)"
      )
    }))

  it.effect("is not told classes that it does not know", () =>
    Effect.gen(function*() {
      assert.include(
        yield* refusal({ network: unet(null), told: 3, data: dataOf([8, 8, 1], 3) }),
        "tells the denoiser \"UNet\" one of 3 classes, but it knows none; give a denoiser of 3 classes"
      )
      assert.include(
        yield* refusal({ network: unet(3), told: 3, data: dataOf([8, 8, 1], 3) }),
        "tells the denoiser \"UNet\" one of 3 classes, but it knows 2; make the pipeline with"
      )
    }))

  it.effect("is told a class where it knows some", () =>
    Effect.gen(function*() {
      assert.include(
        yield* refusal({ network: unet(4), data: dataOf([8, 8, 1], 3) }),
        "no class, but it is told one of 3; begin the pipeline with classConditioning({ classes: 3, dropout: 0.1 })"
      )
    }))
})
