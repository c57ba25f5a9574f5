import { assert, beforeAll, describe, it } from "@effect/vitest"
import { ema, type EmaOptions, follow } from "@effusion/core/optimizer"
import * as tf from "@tensorflow/tfjs"
import * as fc from "fast-check"
import { element } from "./run.ts"

beforeAll(() => tf.setBackend("cpu"))

// Steps as diffusers counts them: the average's first update is step 1.
const steps = [1, 2, 3, 11, 101, 1001, 10_001]

const assertDecays = (options: EmaOptions, expected: ReadonlyArray<number>): void => {
  const { decay } = ema(options)
  expected.forEach((value, i) => assert.closeTo(decay(steps[i]! - 1), value, 5e-9, `step ${steps[i]}`))
}

describe("ema", () => {
  it("warms up as diffusers' EMAModel does", () => {
    assertDecays({ decay: 1, warmUp: "ratio" }, [0, 0.18181818, 0.25, 0.55, 0.91818182, 0.99108911, 0.9991009])
    assertDecays(
      { decay: 1, warmUp: { power: 0.75 } },
      [0, 0.40539644, 0.56130866, 0.83443997, 0.96861234, 0.9943808, 0.99900007]
    )
  })

  it("warms up as k-diffusion's EMAWarmup does", () => {
    assertDecays(
      { decay: 1, warmUp: { power: 2 / 3 } },
      [0, 0.37003948, 0.51925014, 0.79781999, 0.95389099, 0.99000666, 0.99784571]
    )
  })

  it("never decays more than it was asked to", () => {
    const warmUp = fc.constantFrom<EmaOptions["warmUp"]>("none", "ratio", { power: 0.5 }, { power: 2 })
    fc.assert(fc.property(warmUp, fc.nat(100_000), fc.constantFrom(0, 0.5, 0.9999, 1), (warmUp, step, decay) => {
      const rule = ema({ decay, ...(warmUp === undefined ? {} : { warmUp }) })
      assert.isAtMost(rule.decay(step), decay)
      assert.isAtLeast(rule.decay(step), 0)
      assert.isAtLeast(rule.decay(step + 1), rule.decay(step))
    }))
  })

  it("refuses a decay outside of [0, 1], and a power that is not positive", () => {
    assert.throws(() => ema({ decay: 1.5 }), RangeError, "not 1.5")
    assert.throws(() => ema({ decay: 0.5, warmUp: { power: 0 } }), RangeError)
  })
})

describe("follow", () => {
  it("is the average in closed form: the weights of decay^k, over random parameters", () => {
    fc.assert(fc.property(fc.array(element, { minLength: 2, maxLength: 12 }), fc.constantFrom(0, 0.5, 0.9), (
      [first, ...rest],
      decay
    ) => {
      const average = tf.tidy(() =>
        rest.reduce<tf.Tensor>(
          (average, value) => follow(average, tf.tensor1d([value]), tf.scalar(1 - decay)),
          tf.tensor1d([first!])
        ).dataSync()[0]!
      )
      const n = rest.length
      const expected = rest.reduce(
        (sum, value, k) => sum + (1 - decay) * decay ** (n - 1 - k) * value,
        decay ** n * first!
      )
      assert.closeTo(average, expected, 1e-5)
    }))
  })
})
