import { assert, beforeAll, describe, it } from "@effect/vitest"
import { ema, type EmaOptions, follow } from "@effusion/core/optimizer"
import { Distribution, draw, Key } from "@effusion/core/random"
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

  it("arrives at parameters that rest, to within half the distance between float32 numbers over its share", () => {
    const weights = fc.array(element, { minLength: 4, maxLength: 4 })
    fc.assert(
      fc.property(weights, weights, fc.constantFrom(0.9, 0.99, 0.999), (from, to, decay) => {
        const share = Math.fround(1 - decay)
        const averages = averagesOf(from, decay, Array.from({ length: Math.ceil(16 / share) }, () => to))
        averages.float32.forEach((average, i) => {
          // Where the parameter is 0 the average falls until it is nothing beside what it began as.
          const rounding = 2 ** -24 / share * Math.abs(to[i]!) + 1e-6 * Math.abs(from[i]!)
          assert.isAtMost(Math.abs(average - to[i]!), rounding * (1 + 1e-3), `${from[i]} to ${to[i]}`)
        })
      }),
      { numRuns: 10 }
    )
  })

  it("loses less than a thousandth of its distance from trained parameters against the same in float64", () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.constantFrom(0.999, 0.9999), (seed, decay) => {
        const size = 64
        const normal = (key: string, count: number) =>
          draw(Key.fold(Key.make(seed), key), { distribution: Distribution.normal, shape: [count] }).data
        const steps = 4000
        const [start, drift, noise] = [normal("start", size), normal("drift", size), normal("noise", size * steps)]
        // Adam moves a weight by about its learning rate a step: here one of 2e-4, a little of it always the same way.
        const weights = Float32Array.from(start)
        const trajectory = Array.from({ length: steps }, (_, step) =>
          Float32Array.from(weights, (weight, i) => {
            weights[i] = weight + 2e-4 * (0.2 * drift[i]! + noise[step * size + i]!)
            return weights[i]!
          }))
        const averages = averagesOf(start, decay, trajectory)
        const distance = (a: ArrayLike<number>, b: ArrayLike<number>) =>
          Math.sqrt(Array.from(a, (value, i) => (value - b[i]!) ** 2).reduce((sum, square) => sum + square, 0))
        assert.isAtMost(
          distance(averages.float32, averages.float64),
          1e-3 * distance(weights, averages.float64)
        )
      }),
      { numRuns: 4 }
    )
  })
})

/** What a start becomes that follows parameters, in float32 and in float64. */
const averagesOf = (
  start: ArrayLike<number>,
  decay: number,
  trajectory: ReadonlyArray<ArrayLike<number>>
): { readonly float32: Float32Array; readonly float64: Float64Array } => {
  const share = Math.fround(1 - decay)
  const float64 = Float64Array.from(start)
  let average: tf.Tensor = tf.tensor1d(Float32Array.from(start))
  for (const parameters of trajectory) {
    const next = tf.tidy(() => follow(average, tf.tensor1d(Float32Array.from(parameters)), tf.scalar(share)))
    average.dispose()
    average = next
    float64.forEach((value, i) => (float64[i] = value + share * (parameters[i]! - value)))
  }
  const float32 = average.dataSync() as Float32Array
  average.dispose()
  return { float32, float64 }
}
