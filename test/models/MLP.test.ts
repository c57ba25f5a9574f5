/** The MLP's parameters and its function, on tfjs's cpu backend. */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import type { Tensor } from "@effusion/core/engine"
import { Denoiser } from "@effusion/core/pipeline"
import { MLP } from "@effusion/models"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import * as fc from "fast-check"
import { assertPermutationEquivariant, elements, initial, normal, perturbed, timesteps } from "./support.ts"

beforeAll(async () => {
  await tf.setBackend("cpu")
})

const configs = fc.record({
  dimensions: fc.integer({ min: 1, max: 3 }),
  width: fc.integer({ min: 2, max: 9 }),
  depth: fc.integer({ min: 1, max: 3 }),
  octaves: fc.integer({ min: 0, max: 3 }),
  learns_variance: fc.boolean()
}).map((fields) => MLP.Config.make(fields))

const seeds = fc.nat(1_000_000)

describe("MLP", () => {
  it("predicts in the input's shape, twice that with a variance, and zero before training", () => {
    fc.assert(
      fc.property(configs, seeds, (config, seed) =>
        tf.tidy(() => {
          const denoiser = MLP.make(config)
          const x = normal(seed, [2, config.dimensions])
          const input = { x, t: timesteps(seed, 2), draws: {} }
          const untrained = denoiser.apply(initial(denoiser.parameters, seed), input)
          assert.deepStrictEqual(untrained.shape, [2, (denoiser.learnsVariance === true ? 2 : 1) * config.dimensions])
          assert.strictEqual(denoiser.learnsVariance, config.learns_variance)
          assert.isTrue(elements(untrained).every((value) => value === 0))
          const trained = elements(denoiser.apply(perturbed(denoiser.parameters, seed), input))
          assert.isTrue(trained.every((value) => Number.isFinite(value)))
        })),
      { numRuns: 30 }
    )
  })

  it("predicts each point by itself", () => {
    fc.assert(
      fc.property(configs, seeds, (config, seed) => assertPermutationEquivariant(MLP.make(config), seed)),
      { numRuns: 20 }
    )
  })

  it("uses every parameter", () =>
    tf.tidy(() => {
      const denoiser = MLP.make(MLP.Config.make({ width: 8 }))
      const names = Object.keys(denoiser.parameters)
      const values = Object.values(perturbed(denoiser.parameters))
      const input = { x: normal(1, [8, 2]), t: timesteps(1, 8), draws: {} }
      const objective = (...values: Array<Tensor>): tf.Scalar =>
        tf.sum(tf.square(denoiser.apply(Object.fromEntries(names.map((name, i) => [name, values[i]!])), input)))
      tf.grads(objective)(values).forEach((gradient, i) =>
        assert.isTrue(elements(gradient).some((value) => Math.abs(value) > 1e-6), names[i])
      )
    }))

  it("has weights [out, in] and the number of parameters that follows", () => {
    const config = MLP.Config.make({ dimensions: 2, width: 8, depth: 1, octaves: 3 })
    const shapes = Object.entries(MLP.make(config).parameters).map(([name, { shape }]) => [name, shape])
    assert.deepStrictEqual(Object.fromEntries(shapes), {
      "time_embedding.linear_1.weight": [8, 8],
      "time_embedding.linear_1.bias": [8],
      "time_embedding.linear_2.weight": [8, 8],
      "time_embedding.linear_2.bias": [8],
      "linear_in.weight": [8, 14],
      "linear_in.bias": [8],
      "blocks.0.norm1.weight": [8],
      "blocks.0.norm1.bias": [8],
      "blocks.0.linear1.weight": [8, 8],
      "blocks.0.linear1.bias": [8],
      "blocks.0.time_emb_proj.weight": [8, 8],
      "blocks.0.time_emb_proj.bias": [8],
      "blocks.0.norm2.weight": [8],
      "blocks.0.norm2.bias": [8],
      "blocks.0.linear2.weight": [8, 8],
      "blocks.0.linear2.bias": [8],
      "norm_out.weight": [8],
      "norm_out.bias": [8],
      "linear_out.weight": [2, 8],
      "linear_out.bias": [2]
    })
    assert.strictEqual(MLP.parameterCount(config), 5 * 72 + 120 + 3 * 16 + 18)
    assert.strictEqual(MLP.parameterCount(MLP.Config.make({})), 47_746)
  })

  it.effect("is a denoiser for points", () =>
    Effect.gen(function*() {
      const denoiser = yield* Denoiser
      assert.deepStrictEqual(denoiser.exampleShape, [2])
      assert.deepStrictEqual(denoiser.draws(4), {})
    }).pipe(Effect.provide(MLP.layer(MLP.Config.make({})))))
})
