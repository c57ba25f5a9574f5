import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Progress from "../../packages/cli/src/report/progress.ts"

const run = (losses: ReadonlyArray<number>, millisecondsOf: (step: number) => number, batchSize = 32) =>
  losses.reduce(
    (progress, loss, i) => Progress.advance(progress, { step: i + 1, loss, milliseconds: millisecondsOf(i + 1) }),
    Progress.start({ from: 0, steps: losses.length * 2, batchSize })
  )

describe("the smoothed loss", () => {
  it("is the weighted mean of all losses so far, the newest with the greatest weight", () => {
    fc.assert(fc.property(fc.array(fc.double({ min: 0, max: 10, noNaN: true }), { minLength: 1 }), (losses) => {
      const weights = losses.map((_, i) => 0.98 ** (losses.length - 1 - i))
      const mean = losses.reduce((sum, loss, i) => sum + loss * weights[i]!, 0) / weights.reduce((a, b) => a + b)
      assert.closeTo(run(losses, (step) => step).smoothedLoss, mean, 1e-9)
    }))
  })

  it("of equal losses is that loss, from the first step on", () => {
    assert.closeTo(run([0.25], () => 0).smoothedLoss, 0.25, 1e-12)
    assert.closeTo(run(Array.from({ length: 500 }, () => 0.25), (step) => step).smoothedLoss, 0.25, 1e-12)
  })
})

describe("the speed", () => {
  it("is unknown until there are two steps", () => {
    assert.isUndefined(run([1], () => 0).examplesPerSecond)
    assert.isUndefined(run([1], () => 0).secondsLeft)
  })

  it("is that of a steady run, however fast", () => {
    fc.assert(fc.property(
      fc.integer({ min: 2, max: 300 }),
      fc.integer({ min: 1, max: 20_000 }),
      fc.integer({ min: 1, max: 64 }),
      (steps, milliseconds, batchSize) => {
        const progress = run(Array.from({ length: steps }, () => 1), (step) => step * milliseconds, batchSize)
        assert.closeTo(progress.examplesPerSecond! * milliseconds / 1000 / batchSize, 1, 1e-9)
        assert.closeTo(progress.secondsLeft! / (steps * milliseconds / 1000), 1, 1e-9)
      }
    ))
  })

  it("forgets what is long ago: a slow beginning does not count after ten seconds", () => {
    // Ten steps of five seconds, then steps of a tenth of a second.
    const progress = run(Array.from({ length: 200 }, () => 1), (step) => step <= 10 ? step * 5000 : 50_000 + step * 100)
    assert.closeTo(progress.examplesPerSecond!, 320, 1)
  })

  it("remembers a bounded number of steps", () => {
    const progress = run(Array.from({ length: 20_000 }, () => 1), (step) => step)
    assert.isAtMost(progress.internal.marks.length, 110)
  })
})

describe("the text", () => {
  it("says step, loss, speed and time left", () => {
    const progress = run(Array.from({ length: 500 }, () => 0.041234), (step) => step * 250)
    assert.strictEqual(Progress.describe(progress, "images"), "step  500/1000, loss 0.0412, 128 images/s, 2m 5s left")
  })

  it("leaves out what is not known", () => {
    assert.strictEqual(Progress.describe(run([1.5], () => 0), "images"), "step 1/2, loss 1.50")
  })

  it("shows a span of time in its two largest units", () => {
    const spans = [[0, "0s"], [59.4, "59s"], [59.6, "1m 0s"], [3599, "59m 59s"], [3600, "1h 0m"], [
      90_061,
      "1d 1h"
    ]] as const
    for (const [seconds, text] of spans) assert.strictEqual(Progress.showDuration(seconds), text)
  })

  it("shows a loss with three digits that count", () => {
    const losses = [[1, "1.00"], [0.5, "0.500"], [0.028713, "0.0287"], [123.4, "123"], [12.34, "12.3"], [
      1e-9,
      "1.00e-9"
    ]] as const
    for (const [loss, text] of losses) assert.strictEqual(Progress.showLoss(loss), text)
    assert.strictEqual(Progress.showLoss(Number.NaN), "NaN")
    assert.strictEqual(Progress.showLoss(0), "0.00")
  })
})
