import { assert, beforeAll, describe, it } from "@effect/vitest"
import {
  adam,
  addDecayedWeights,
  chain,
  clipByGlobalNorm,
  type GradientTransformation,
  identity,
  LearningRate,
  scaleByAdam,
  scaleByLearningRate,
  sgd
} from "@effusion/core/optimizer"
import * as tf from "@tensorflow/tfjs"
import * as fc from "fast-check"
import { assertClose } from "./close.ts"
import * as reference from "./reference.ts"
import { descent, run } from "./run.ts"
import * as torch from "./torch.ts"

beforeAll(() => tf.setBackend("cpu"))

const transformations: ReadonlyArray<GradientTransformation> = [
  identity,
  clipByGlobalNorm(1),
  scaleByAdam(),
  addDecayedWeights(0.1),
  scaleByLearningRate(0.5),
  sgd({ learningRate: 0.1, momentum: 0.5 })
]

const transformation = fc.constantFrom(...transformations)

describe("chain", () => {
  it("of a transformation and the identity is that transformation", () => {
    fc.assert(fc.property(descent, transformation, ({ gradients, start }, part) => {
      const alone = run(part, start, gradients)
      assert.deepStrictEqual(run(chain(identity, part), start, gradients), alone)
      assert.deepStrictEqual(run(chain(part, identity), start, gradients), alone)
    }))
  })

  it("is associative", () => {
    fc.assert(fc.property(descent, fc.shuffledSubarray([...transformations], { minLength: 3, maxLength: 3 }), (
      { gradients, start },
      [a, b, c]
    ) => {
      assert.deepStrictEqual(
        run(chain(chain(a!, b!), c!), start, gradients),
        run(chain(a!, chain(b!, c!)), start, gradients)
      )
    }))
  })

  it("of nothing is the identity", () => {
    fc.assert(fc.property(descent, ({ gradients, start }) => {
      assert.deepStrictEqual(run(chain(), start, gradients), run(identity, start, gradients))
    }))
  })

  it("applies its parts in order", () => {
    const gradients = [[3, 4]]
    const clippedFirst = run(chain(clipByGlobalNorm(1), scaleByLearningRate(10)), [0, 0], gradients)
    const clippedLast = run(chain(scaleByLearningRate(10), clipByGlobalNorm(1)), [0, 0], gradients)
    assert.closeTo(reference.norm(clippedFirst.updates[0]!), 10, 1e-4)
    assert.closeTo(reference.norm(clippedLast.updates[0]!), 1, 1e-5)
  })

  it("has the learning rate of its last part that has one", () => {
    const rate = LearningRate.linear({ peak: 1, steps: 4 })
    assert.strictEqual(chain(clipByGlobalNorm(1), adam({ learningRate: rate }), identity).learningRate?.(1), 0.75)
    assert.strictEqual(chain(clipByGlobalNorm(1)).learningRate, undefined)
  })

  it("refuses two parts that keep the same vector", () => {
    assert.throws(
      () => chain(scaleByAdam(), scaleByAdam()),
      Error,
      "both keep a vector named \"scaleByAdam.firstMoment\""
    )
    assert.throws(() => chain(sgd({ learningRate: 1 }), sgd({ learningRate: 1 })), Error, "\"sgd.factor\"")
  })
})

describe("clipByGlobalNorm", () => {
  const maximum = fc.constantFrom(0.125, 1, 3)

  it("makes no gradient longer than the maximum, turns none, and leaves shorter ones as they are", () => {
    fc.assert(fc.property(descent, maximum, ({ gradients, start }, maximum) => {
      const { updates } = run(clipByGlobalNorm(maximum), start, gradients)
      updates.forEach((update, step) => {
        const gradient = gradients[step]!
        const before = reference.norm(gradient)
        assert.isAtMost(reference.norm(update), maximum * (1 + 1e-6))
        if (before + 1e-5 < maximum) assert.deepStrictEqual(update, gradient.map((g) => g + 0))
        else assert.isAtLeast(reference.norm(update), maximum * (1 - 2e-5))
        const inner = update.reduce((sum, u, i) => sum + u * gradient[i]!, 0)
        assert.closeTo(inner, reference.norm(update) * before, 1e-4 * Math.max(1, inner))
      })
      assertClose(updates, gradients.map((gradient) => reference.clip(gradient, maximum)), 1e-6)
    }))
  })

  it("refuses a maximum that is not positive", () => {
    for (const maximum of [0, -1, Number.NaN, Infinity]) assert.throws(() => clipByGlobalNorm(maximum), RangeError)
  })
})

describe("sgd", () => {
  it("follows the float64 reference over random trajectories", () => {
    fc.assert(
      fc.property(descent, fc.constantFrom(0, 0.5, 0.9), fc.boolean(), ({ gradients, start }, momentum, nesterov) => {
        const options = { learningRate: 0.125, momentum, nesterov }
        assertClose(run(sgd(options), start, gradients).parameters, reference.sgd(start, gradients, options), 1e-5)
      })
    )
  })

  it("gives what torch.optim.SGD gives", () => {
    const plain = sgd({ learningRate: 0.1, momentum: 0.9 })
    assertClose(run(plain, torch.start, torch.gradients).parameters, torch.sgdMomentum, 1e-6)
    const nesterov = sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true })
    assertClose(run(nesterov, torch.start, torch.gradients).parameters, torch.sgdNesterov, 1e-6)
  })
})
