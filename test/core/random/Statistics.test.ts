/**
 * Statistical checks with fixed seeds. A statistic that is standard normal for perfect random numbers must lie within
 * 5, which chance alone exceeds once in 1.7 million.
 */
import { assert, describe, it } from "@effect/vitest"
import { Distribution, draw, Key, permutation } from "@effusion/core/random"

const n = 100_000

const sample = (key: Key.Key, distribution: Distribution.Distribution, size = n): ArrayLike<number> =>
  draw(key, { distribution, shape: [size] }).data

const mean = (xs: ArrayLike<number>, f: (x: number) => number = (x) => x): number => {
  let sum = 0
  for (let i = 0; i < xs.length; i++) sum += f(xs[i]!)
  return sum / xs.length
}

/** Requires that the mean of f(x) is the expected one, given the variance of f(x). */
const assertMean = (xs: ArrayLike<number>, f: (x: number) => number, expected: number, variance: number): void => {
  assert.isBelow(Math.abs(mean(xs, f) - expected) / Math.sqrt(variance / xs.length), 5)
}

/** Requires that the means of two sequences' products are the products of their means. */
const assertUncorrelated = (xs: ArrayLike<number>, ys: ArrayLike<number>, lag = 0): void => {
  const count = Math.min(xs.length, ys.length) - lag
  const [meanX, meanY] = [mean(xs), mean(ys)]
  let xy = 0
  let xx = 0
  let yy = 0
  for (let i = 0; i < count; i++) {
    const x = xs[i]! - meanX
    const y = ys[i + lag]! - meanY
    xy += x * y
    xx += x * x
    yy += y * y
  }
  assert.isBelow(Math.abs(xy / Math.sqrt(xx * yy)) * Math.sqrt(count), 5)
}

/** The Kolmogorov-Smirnov test of xs against a distribution function; 2.7 is exceeded once in a million. */
const assertDistributed = (xs: ArrayLike<number>, cdf: (x: number) => number): void => {
  const sorted = Float64Array.from(xs).sort()
  const distance = sorted.reduce((greatest, x, i) => {
    const p = cdf(x)
    return Math.max(greatest, (i + 1) / sorted.length - p, p - i / sorted.length)
  }, 0)
  assert.isBelow(distance * Math.sqrt(sorted.length), 2.7)
}

/** The chi-square test of counts that should be equal on average. */
const assertEqualCounts = (counts: ArrayLike<number>): void => {
  const expected = mean(counts)
  const chiSquare = mean(counts, (count) => (count - expected) ** 2 / expected) * counts.length
  const degrees = counts.length - 1
  // The cube root of a chi-square variable is nearly normal (Wilson and Hilferty 1931).
  const z = (Math.cbrt(chiSquare / degrees) - 1 + 2 / (9 * degrees)) / Math.sqrt(2 / (9 * degrees))
  assert.isBelow(Math.abs(z), 5)
}

const countsOf = (xs: ArrayLike<number>, categories: number, category: (x: number) => number): Float64Array => {
  const counts = new Float64Array(categories)
  for (let i = 0; i < xs.length; i++) counts[category(xs[i]!)]! += 1
  return counts
}

/** The normal distribution function, to 2e-7 (Abramowitz and Stegun 7.1.26). */
const normalCdf = (x: number): number => {
  const u = Math.abs(x) / Math.SQRT2
  const s = 1 / (1 + 0.3275911 * u)
  const polynomial = s * (0.254829592 + s * (-0.284496736 + s * (1.421413741 + s * (-1.453152027 + s * 1.061405429))))
  const upper = 0.5 * polynomial * Math.exp(-u * u)
  return x > 0 ? 1 - upper : upper
}

describe.each([1, 2, 3].map((seed) => ({ seed, key: Key.make(seed) })))("draws from seed $seed", ({ key }) => {
  it("normal: moments, distribution, tails", () => {
    const xs = sample(key, Distribution.normal)
    assertMean(xs, (x) => x, 0, 1)
    assertMean(xs, (x) => x ** 2, 1, 2)
    assertMean(xs, (x) => x ** 3, 0, 15)
    assertMean(xs, (x) => x ** 4, 3, 96)
    assertMean(xs, (x) => x ** 6, 15, 10170)
    assertDistributed(xs, normalCdf)
    const beyondThree = 2 * (1 - normalCdf(3))
    assertMean(xs, (x) => Math.abs(x) > 3 ? 1 : 0, beyondThree, beyondThree)
  })

  it("normal: no serial correlation, of values nor of squares", () => {
    const xs = sample(key, Distribution.normal)
    const squares = Float64Array.from(xs, (x) => x * x)
    for (const lag of [1, 2, 3, 4, 5, 8, 16, 64, 4096]) {
      assertUncorrelated(xs, xs, lag)
      assertUncorrelated(squares, squares, lag)
    }
  })

  it("normal: the two of a pair are independent", () => {
    const xs = sample(key, Distribution.normal)
    const first = Float64Array.from({ length: n / 2 }, (_, i) => xs[2 * i]!)
    const second = Float64Array.from({ length: n / 2 }, (_, i) => xs[2 * i + 1]!)
    assertUncorrelated(first, second)
    assertUncorrelated(first.map((x) => x * x), second.map((x) => x * x))
    const eighths = Float64Array.from(first, (x, i) => (Math.atan2(second[i]!, x) / (2 * Math.PI) + 1) % 1)
    assertEqualCounts(countsOf(eighths, 64, (turn) => Math.floor(turn * 64)))
  })

  it("uniform: moments, distribution, serial correlation", () => {
    const xs = sample(key, Distribution.uniform(-2, 6))
    assertMean(xs, (x) => x, 2, 64 / 12)
    assertDistributed(xs, (x) => (x + 2) / 8)
    assertEqualCounts(countsOf(xs, 4096, (x) => Math.floor((x + 2) * 512)))
    for (const lag of [1, 2, 3, 4, 8]) assertUncorrelated(xs, xs, lag)
  })

  it.each([2, 7, 10, 1000, 65_537])("integers: all of %d equally often, uncorrelated", (range) => {
    const xs = sample(key, Distribution.integers(-5, range - 5), Math.max(n, 10 * range))
    assertEqualCounts(countsOf(xs, range, (x) => x + 5))
    for (const lag of [1, 2, 4]) assertUncorrelated(xs, xs, lag)
  })

  it("integers: no bias where a multiplication without rejection would have one", () => {
    // Of the 3 * 2^30 integers, the words of 32 bits would hit every third twice as often as the others.
    const range = 3 * 2 ** 30
    const xs = sample(key, Distribution.integers(-(2 ** 31), range - 2 ** 31))
    assertEqualCounts(countsOf(xs, 3, (x) => (x + 2 ** 31) % 3))
  })

  it.each([0.001, 0.1, 0.5, 0.9])("bernoulli: %d of the elements, uncorrelated within a block and beyond", (p) => {
    const xs = sample(key, Distribution.bernoulli(p))
    const exact = Math.round(p * 65536) / 65536
    assertMean(xs, (x) => x, exact, exact * (1 - exact))
    for (const lag of [1, 2, 3, 4, 5, 6, 7, 8, 16]) assertUncorrelated(xs, xs, lag)
    const eighths = countsOf(Float64Array.from(xs, (x, i) => x === 1 ? i % 8 : 8), 9, (i) => i)
    assertEqualCounts(eighths.subarray(0, 8))
  })

  it("folded keys and neighbouring seeds draw independently of one another", () => {
    const relatives = [
      key,
      Key.fold(key, 0),
      Key.fold(key, 1),
      Key.fold(key, -1),
      Key.fold(key, "0"),
      Key.fold(Key.fold(key, 0), 1),
      Key.fold(Key.fold(key, 1), 0),
      { word0: key.word0, word1: key.word1 ^ 1 },
      Key.make(key.word0 + 1000)
    ].map((key) => sample(key, Distribution.normal, 20_000))
    for (const [i, xs] of relatives.entries()) {
      for (const ys of relatives.slice(i + 1)) assertUncorrelated(xs, ys)
    }
  })

  it("the first elements of consecutively folded keys are themselves random", () => {
    const first = Float64Array.from(
      { length: 20_000 },
      (_, step) => sample(Key.fold(key, step), Distribution.uniform(0, 1), 1)[0]!
    )
    assertDistributed(first, (x) => x)
    for (const lag of [1, 2, 3, 4]) assertUncorrelated(first, first, lag)
  })

  it("different distributions from one key do not share numbers", () => {
    const normals = sample(key, Distribution.normal)
    const uniforms = sample(key, Distribution.uniform(0, 1))
    const integers = sample(key, Distribution.integers(0, 1000))
    const ones = sample(key, Distribution.bernoulli(0.5))
    assertUncorrelated(normals, uniforms)
    assertUncorrelated(normals, integers)
    assertUncorrelated(uniforms, integers)
    assertUncorrelated(uniforms, ones)
    assertUncorrelated(integers, ones)
  })

  it("permutations: all orders of four equally often, and every place of many", () => {
    const orders = new Map<string, number>()
    for (let i = 0; i < 24_000; i++) {
      const order = permutation(Key.fold(key, i), 4).join()
      orders.set(order, (orders.get(order) ?? 0) + 1)
    }
    assert.strictEqual(orders.size, 24)
    assertEqualCounts(Float64Array.from(orders.values()))
    const places = new Float64Array(20 * 20)
    for (let i = 0; i < 20_000; i++) {
      for (const [place, element] of permutation(Key.fold(key, i), 20).entries()) places[20 * place + element]! += 1
    }
    for (let place = 0; place < 20; place++) assertEqualCounts(places.subarray(20 * place, 20 * place + 20))
  })
})
