import { assert, beforeAll, describe, it } from "@effect/vitest"
import {
  adam,
  adamW,
  addDecayedWeights,
  chain,
  clipByGlobalNorm,
  LearningRate,
  scaleByAdam,
  scaleByLearningRate
} from "@effusion/core/optimizer"
import * as tf from "@tensorflow/tfjs"
import * as fc from "fast-check"
import { assertClose } from "./close.ts"
import * as reference from "./reference.ts"
import { descent, run } from "./run.ts"
import * as torch from "./torch.ts"

beforeAll(() => tf.setBackend("cpu"))

const options = fc.record({
  beta1: fc.constantFrom(0, 0.5, 0.9, 0.95),
  beta2: fc.constantFrom(0.9, 0.99, 0.999),
  epsilon: fc.constantFrom(1e-8, 1e-3),
  weightDecay: fc.constantFrom(0, 0.01, 0.5),
  rate: fc.constantFrom(0, 1e-4, 1e-2, 1)
})

const schedule = (rate: number) => LearningRate.cosine({ peak: rate, steps: 8, warmUp: 2 })

describe("adamW", () => {
  it("follows the float64 reference over random trajectories", () => {
    fc.assert(fc.property(descent, options, ({ gradients, start }, { rate, ...rest }) => {
      const learningRate = schedule(rate)
      const expected = reference.adamW(start, gradients, { learningRate, ...rest })
      assertClose(run(adamW({ learningRate, ...rest }), start, gradients).parameters, expected, 2e-5)
    }))
  })

  it("gives what torch.optim.AdamW gives", () => {
    const { parameters } = run(adamW({ learningRate: 0.1, weightDecay: 0.1 }), torch.start, torch.gradients)
    assertClose(parameters, torch.adamW, 1e-6)
    const largeEpsilon = adamW({ learningRate: 0.1, beta1: 0.5, beta2: 0.9, epsilon: 0.1, weightDecay: 0 })
    assertClose(run(largeEpsilon, torch.start, torch.gradients).parameters, torch.adamWLargeEpsilon, 1e-6)
  })

  it("takes learningRate * weightDecay of the parameters when there is no gradient", () => {
    const { parameters } = run(adamW({ learningRate: 0.5, weightDecay: 0.5 }), [1, -4], [[0, 0], [0, 0]])
    assert.deepStrictEqual(parameters, [[0.75, -3], [0.5625, -2.25]])
  })

  it("is adam when there is no decay, bit for bit", () => {
    fc.assert(fc.property(descent, ({ gradients, start }) => {
      assert.deepStrictEqual(
        run(adamW({ learningRate: 0.01, weightDecay: 0 }), start, gradients).parameters,
        run(adam({ learningRate: 0.01 }), start, gradients).parameters
      )
    }))
  })

  it("is its parts, chained", () => {
    fc.assert(fc.property(descent, ({ gradients, start }) => {
      const parts = chain(scaleByAdam(), addDecayedWeights(0.1), scaleByLearningRate(0.01))
      assertClose(
        run(parts, start, gradients).parameters,
        run(adamW({ learningRate: 0.01, weightDecay: 0.1 }), start, gradients).parameters,
        1e-6
      )
    }))
  })
})

describe("adam", () => {
  it("moves by the learning rate along the sign of the first gradient", () => {
    fc.assert(fc.property(descent, ({ gradients, start }) => {
      const [update] = run(adam({ learningRate: 0.25 }), start, gradients).updates
      update!.forEach((u, i) => {
        const g = gradients[0]![i]!
        assert.closeTo(u, -0.25 * g / (Math.abs(g) + 1e-8), 1e-6)
      })
    }))
  })

  it("does not see the scale of the gradient", () => {
    fc.assert(fc.property(descent, fc.constantFrom(2 ** -10, 4, 2 ** 12), ({ gradients, start }, scale) => {
      const scaled = gradients.map((gradient) => gradient.map((g) => g * scale))
      const optimizer = adam({ learningRate: 0.1, epsilon: 1e-30 })
      assert.deepStrictEqual(
        run(optimizer, start, scaled.map((row) => row.map((g) => g === 0 ? scale : g))).updates,
        run(optimizer, start, gradients.map((row) => row.map((g) => g === 0 ? 1 : g))).updates
      )
    }))
  })

  it("gives what torch.optim.Adam gives after torch.nn.utils.clip_grad_norm_", () => {
    const optimizer = chain(clipByGlobalNorm(0.25), adam({ learningRate: 0.1, epsilon: 0.1 }))
    assertClose(run(optimizer, torch.start, torch.gradients).parameters, torch.adamClipped, 1e-6)
  })

  it("changes nothing at learning rate 0, but goes on averaging", () => {
    fc.assert(fc.property(descent, ({ gradients, start }) => {
      const { parameters, vectors } = run(chain(clipByGlobalNorm(1), adam({ learningRate: 0 })), start, gradients)
      parameters.forEach((row) => assert.deepStrictEqual(row, start.map(Math.fround)))
      if (gradients.at(-1)!.some((g) => g !== 0)) {
        assert.isTrue(vectors["adam.secondMoment"]!.some((v) => v > 0))
      }
    }))
  })

  it("refuses betas and epsilons that are out of range", () => {
    assert.throws(() => adam({ learningRate: 1, beta1: 1 }), RangeError, "beta1 is in [0, 1), not 1")
    assert.throws(() => adam({ learningRate: 1, beta2: -0.1 }), RangeError)
    assert.throws(() => adam({ learningRate: 1, epsilon: 0 }), RangeError)
    assert.throws(() => adamW({ learningRate: 1, weightDecay: Number.NaN }), RangeError)
  })
})
