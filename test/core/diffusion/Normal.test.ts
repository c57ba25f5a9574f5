/**
 * The special functions under the decoder's likelihood, against numbers of 60 digits and more.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { beyondLinear } from "../../../packages/core/src/diffusion/divergence.ts"
import { erf, erfc, erfcx } from "../../../packages/core/src/diffusion/internal/errorFunction.ts"
import { logCdf, logProbability, normalCdf } from "../../../packages/core/src/diffusion/internal/normal.ts"
import fixture from "../../fixtures/normal.json" with { type: "json" }

// Subnormal numbers have fewer digits; there the absolute error counts.
const assertRelative = (actual: number, expected: number, tolerance: number, what: string): void => {
  const error = Math.abs(actual - expected)
  assert.isTrue(error <= tolerance * Math.abs(expected) + 1e-307, `${what}: ${actual}, expected ${expected}`)
}

describe("the error function", () => {
  it("is right to 1e-15 in both tails", () => {
    for (const { erf: erf_x, erfc: erfc_x, erfcx: erfcx_x, x } of fixture.errorFunction) {
      assertRelative(erf(x), erf_x, 5e-16, `erf(${x})`)
      assertRelative(erfc(x), erfc_x, 1e-15, `erfc(${x})`)
      if (erfcx_x !== null) assertRelative(erfcx(x), erfcx_x, 1e-15, `erfcx(${x})`)
    }
  })

  it("is odd, and makes 1 with its complement", () => {
    fc.assert(fc.property(fc.double({ min: -30, max: 30, noNaN: true }), (x) => {
      assert.strictEqual(erf(-x), -erf(x))
      assert.closeTo(erf(x) + erfc(x), 1, 1e-15)
      assert.closeTo(erfc(x) + erfc(-x), 2, 1e-15)
    }))
  })

  it("does not jump where its approximations meet", () => {
    for (const x of [0.46875, 4]) {
      assertRelative(erfcx(x * (1 + 2 ** -52)), erfcx(x), 2e-15, `erfcx beyond ${x}`)
    }
  })
})

describe("the normal distribution function", () => {
  it("is right in both tails", () => {
    for (const { log, z } of fixture.logCdf) {
      // An absolute error of the logarithm is a relative one of the probability; it has the rounding of log in it.
      assertRelative(normalCdf(z), Math.exp(log), 2e-15 + Math.abs(log) * 2 ** -52 + z ** 2 * 2 ** -52, `Phi(${z})`)
    }
  })

  it("is 0 and 1 at the ends", () => {
    assert.deepStrictEqual([-Infinity, 0, Infinity].map(normalCdf), [0, 0.5, 1])
  })
})

describe("the logarithm of a normal probability", () => {
  it("is right in both tails", () => {
    for (const { log, z } of fixture.logCdf) {
      // Above 0 it is about -exp(-z^2 / 2): rounding z by half a unit in the last place changes it by z^2 of them.
      assertRelative(logCdf(z), log, 2e-15 + (z > 0 ? z ** 2 * 2 ** -53 : 0), `log Phi(${z})`)
    }
  })

  it("of an interval is right wherever it lies and however wide it is", () => {
    for (const { center, halfWidth, log } of fixture.logProbability) {
      const what = `the interval of ${halfWidth} around ${center}`
      // An absolute error of a logarithm is a relative one of the probability.
      const tolerance = 1e-14 * Math.max(1, Math.abs(log))
      assert.closeTo(logProbability(center, halfWidth), log, tolerance, what)
      assert.closeTo(logProbability(-center, halfWidth), log, tolerance, what)
    }
  })

  it("of an interval is that of its two halves together", () => {
    const center = fc.double({ min: -20, max: 20, noNaN: true })
    const halfWidth = fc.double({ min: 1e-6, max: 8, noNaN: true })
    fc.assert(fc.property(center, halfWidth, (center, halfWidth) => {
      const whole = logProbability(center, halfWidth)
      const halves = [-1, 1].map((side) => logProbability(center + side * halfWidth / 2, halfWidth / 2))
      const sum = halves.reduce((sum, half) => sum + Math.exp(half - whole), 0)
      assert.closeTo(sum, 1, 1e-12)
    }))
  })
})

describe("exp(x) - 1 - x", () => {
  it("keeps its digits near 0", () => {
    for (const { value, x } of fixture.beyondLinear) {
      assertRelative(beyondLinear(x), value, 2e-15, `at ${x}`)
    }
  })
})
