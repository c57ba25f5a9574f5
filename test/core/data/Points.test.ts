import { assert, describe, it } from "@effect/vitest"
import { pointKinds, points } from "@effusion/core/data"
import type { PointKind } from "@effusion/core/data"
import * as fc from "fast-check"

interface Point {
  readonly x: number
  readonly y: number
  readonly label: number
}

const sample = (kind: PointKind, size: number, seed = 1): Array<Point> => {
  const { x0, label } = points({ kind, size, seed }).read(Array.from({ length: size }, (_, i) => i))
  return Array.from(label.data, (label, i) => ({ x: x0.data[2 * i]!, y: x0.data[2 * i + 1]!, label }))
}

const mean = (values: ReadonlyArray<number>) => values.reduce((sum, value) => sum + value, 0) / values.length

const deviation = (values: ReadonlyArray<number>) => {
  const centre = mean(values)
  return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)))
}

/** That the mean of values is the expected one, to within five standard errors. */
const assertMean = (values: ReadonlyArray<number>, expected: number) =>
  assert.closeTo(mean(values), expected, 5 * deviation(values) / Math.sqrt(values.length))

/** That labels 0, ..., classes - 1 are equally frequent, to within five standard deviations of the binomial. */
const assertBalanced = (labels: ReadonlyArray<number>, classes: number) => {
  const p = 1 / classes
  for (let c = 0; c < classes; c++) {
    const count = labels.filter((label) => label === c).length
    assert.closeTo(count, labels.length * p, 5 * Math.sqrt(labels.length * p * (1 - p)))
  }
}

describe("points", () => {
  const size = 8000

  it("lie in [-1, 1] x [-1, 1], with labels of their classes", () => {
    fc.assert(
      fc.property(fc.constantFrom(...pointKinds), fc.maxSafeInteger(), (kind, seed) => {
        const { classes, exampleShape } = points({ kind, size: 1, seed })
        assert.deepStrictEqual(exampleShape, [2])
        for (const { x, y, label } of sample(kind, 500, seed)) {
          assert.isTrue(Math.abs(x) <= 1 && Math.abs(y) <= 1)
          assert.isTrue(label >= 0 && label < Math.max(1, classes))
        }
      }),
      { numRuns: 40 }
    )
  })

  it("are a pure function of kind, size and seed, and a smaller set is the beginning of a larger one", () => {
    fc.assert(
      fc.property(fc.constantFrom(...pointKinds), fc.maxSafeInteger(), fc.nat(60), fc.nat(60), (kind, seed, a, b) => {
        assert.deepStrictEqual(sample(kind, a + b, seed).slice(0, a), sample(kind, a, seed))
      })
    )
  })

  it("differ from seed to seed", () => {
    for (const kind of pointKinds) assert.notDeepEqual(sample(kind, 10, 1), sample(kind, 10, 2))
  })

  it("refuse a size and a seed that are none", () => {
    for (const size of [-1, 0.5, Number.NaN]) {
      for (const kind of pointKinds) assert.throws(() => points({ kind, size, seed: 0 }), RangeError)
    }
    assert.throws(() => points({ kind: "checkerboard", size: 1, seed: 0.5 }), RangeError)
  })

  it("swiss-roll: noise of 0.02 around the roll, its angle uniform", () => {
    const roll = sample("swiss-roll", size)
    // Means of u cos u and u sin u over [3 pi / 2, 9 pi / 2] are 2 and 2 / (3 pi).
    const scale = 0.9 / (4.5 * Math.PI)
    assertMean(roll.map(({ x }) => x), 2 * scale)
    assertMean(roll.map(({ y }) => y), 2 / (3 * Math.PI) * scale)
    // Distance from the nearest arm: the arms are 0.4 apart, so that the nearest is the point's own.
    const arms = roll.map(({ x, y }) => {
      const radius = Math.hypot(x, y)
      const angle = Math.atan2(y, x)
      const distances = [0, 1, 2, 3].map((turn) => angle + 2 * Math.PI * turn)
        .filter((u) => u > 1.4 * Math.PI && u < 4.6 * Math.PI)
        .map((u) => ({ u, distance: radius - scale * u }))
      return distances.reduce((a, b) => Math.abs(a.distance) < Math.abs(b.distance) ? a : b)
    })
    assertMean(arms.map(({ distance }) => distance), 0)
    assert.closeTo(deviation(arms.map(({ distance }) => distance)), 0.02, 0.001)
    // Six equal stretches of the angle are equally frequent.
    assertBalanced(arms.map(({ u }) => Math.min(5, Math.max(0, Math.floor((u / Math.PI - 1.5) * 2)))), 6)
  })

  it("two-moons: noise of 0.02 around the half circle of the label", () => {
    const moons = sample("two-moons", size)
    assertBalanced(moons.map(({ label }) => label), 2)
    const residuals = moons.map(({ x, y, label }) => {
      const [centreX, centreY, up] = label === 0 ? [-0.3, -0.15, 1] : [0.3, 0.15, -1]
      assert.isAbove(up * (y - centreY), -0.1)
      return Math.hypot(x - centreX, y - centreY) - 0.6
    })
    // Across a circle of radius r the mean of the radial residual is sigma^2 / (2 r).
    assertMean(residuals, 0.02 ** 2 / 1.2)
    assert.closeTo(deviation(residuals), 0.02, 0.001)
    assertMean(moons.map(({ x }) => x), 0)
    assertMean(moons.map(({ y }) => y), 0)
  })

  it("gaussian-mixture: eight components of deviation 0.05 around their means", () => {
    const mixture = sample("gaussian-mixture", size)
    assertBalanced(mixture.map(({ label }) => label), 8)
    for (let component = 0; component < 8; component++) {
      const own = mixture.filter(({ label }) => label === component)
      assertMean(own.map(({ x }) => x), 0.75 * Math.cos(component * Math.PI / 4))
      assertMean(own.map(({ y }) => y), 0.75 * Math.sin(component * Math.PI / 4))
      assert.closeTo(deviation(own.map(({ x }) => x)), 0.05, 0.006)
      assert.closeTo(deviation(own.map(({ y }) => y)), 0.05, 0.006)
    }
  })

  it("checkerboard: uniform on the dark squares, and nowhere else", () => {
    const board = sample("checkerboard", size)
    const squares = board.map(({ x, y }) => {
      const [column, row] = [Math.floor(2 * (x + 1)), Math.floor(2 * (y + 1))]
      assert.strictEqual((column + row) % 2, 0)
      return 2 * row + Math.floor(column / 2)
    })
    assertBalanced(squares, 8)
    for (const offset of [board.map(({ x }) => x), board.map(({ y }) => y)]) {
      const inside = offset.map((value) => 2 * (value + 1) - Math.floor(2 * (value + 1)))
      assertMean(inside, 0.5)
      assert.closeTo(deviation(inside), Math.sqrt(1 / 12), 0.01)
    }
  })
})
