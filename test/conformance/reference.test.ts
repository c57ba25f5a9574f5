/**
 * The reference held to account before any engine is held to it: published values, closed-form derivatives, and
 * identities that tie one operation to others.
 */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { seeds, shapes, values } from "./arbitraries.ts"
import * as reference from "./reference/index.ts"
import { array, type NdArray, type Shape, sizeOf } from "./reference/index.ts"

const expectClose = (actual: NdArray, expected: NdArray, tolerance = 1e-12) => {
  expect(actual.shape).toEqual(expected.shape)
  actual.data.forEach((value, i) =>
    expect(Math.abs(value - expected.data[i]!)).toBeLessThanOrEqual(tolerance * (1 + Math.abs(expected.data[i]!)))
  )
}

const filled = (seed: number, shape: Shape) => values(seed, shape, { low: -2, high: 2 })

describe("published values", () => {
  it("erf: Abramowitz and Stegun, table 7.1, and erf(3)", () => {
    const x = array([6], [0, 0.5, 1, 2, 3, -1])
    const expected = [0, 0.5204998778130465, 0.8427007929497149, 0.9953222650189527, 0.9999779095030014]
    expectClose(reference.erf(x), array([6], [...expected, -expected[2]!]), 1e-15)
  })

  it("gelu(1) is the normal distribution function at 1", () => {
    expectClose(reference.gelu(array([1], [1])), array([1], [0.8413447460685429]), 1e-15)
  })

  it("silu(1) = 1 / (1 + 1/e)", () => {
    expectClose(reference.silu(array([1], [1])), array([1], [0.7310585786300049]), 1e-15)
  })

  it("halves round to the even integer", () => {
    expect([...reference.round(array([7], [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.25])).data])
      .toEqual([-2, -2, 0, 0, 2, 2, 2])
  })

  it("mod has the divisor's sign, floorDiv rounds down", () => {
    expect([...reference.mod(array([4], [7, -7, 7, -7]), array([4], [3, 3, -3, -3])).data]).toEqual([1, 2, -2, -1])
    expect([...reference.floorDiv(array([4], [7, -7, 7, -7]), array([4], [3, 3, -3, -3])).data])
      .toEqual([2, -3, -3, 2])
  })

  it("group norm of two channels at two positions, worked by hand", () => {
    // One group: mean 2.5, variance 1.25; with two groups: means 2 and 3, variances 1 and 1.
    const x = array([1, 2, 2], [1, 2, 3, 4])
    const [scale, offset] = [array([2], [1, 10]), array([2], [0, 5])]
    const options = { epsilon: 0, activation: "none" } as const
    const s = Math.sqrt(1.25)
    expectClose(
      reference.groupNorm(x, scale, offset, { ...options, groups: 1 }),
      array([1, 2, 2], [-1.5 / s, -5 / s + 5, 0.5 / s, 15 / s + 5])
    )
    expectClose(reference.groupNorm(x, scale, offset, { ...options, groups: 2 }), array([1, 2, 2], [-1, -5, 1, 15]))
  })

  it("a 2x2 convolution of a 3x3 image, worked by hand", () => {
    const x = array([1, 3, 3, 1], [1, 2, 3, 4, 5, 6, 7, 8, 9])
    const filter = array([2, 2, 1, 1], [1, 10, 100, 1000])
    expectClose(
      reference.conv2d(x, filter, { strides: 1, padding: "valid" }),
      array([1, 2, 2, 1], [5421, 6532, 8754, 9865])
    )
    expectClose(
      reference.conv2d(x, filter, { strides: 2, padding: "same" }),
      array([1, 2, 2, 1], [5421, 603, 87, 9])
    )
  })

  it("TensorFlow's examples of mirror_pad and depth_to_space", () => {
    const x = array([2, 3], [1, 2, 3, 4, 5, 6])
    const paddings = [[1, 1], [2, 2]] as const
    expect([...reference.mirrorPad(x, paddings, "reflect").data]).toEqual([
      [6, 5, 4, 5, 6, 5, 4],
      [3, 2, 1, 2, 3, 2, 1],
      [6, 5, 4, 5, 6, 5, 4],
      [3, 2, 1, 2, 3, 2, 1]
    ].flat())
    expect([...reference.mirrorPad(x, paddings, "symmetric").data]).toEqual([
      [2, 1, 1, 2, 3, 3, 2],
      [2, 1, 1, 2, 3, 3, 2],
      [5, 4, 4, 5, 6, 6, 5],
      [5, 4, 4, 5, 6, 6, 5]
    ].flat())
    expectClose(reference.depthToSpace(array([1, 1, 1, 4], [1, 2, 3, 4]), 2), array([1, 2, 2, 1], [1, 2, 3, 4]))
  })

  it("maxima and resizing, worked by hand", () => {
    const x = array([1, 3, 3, 1], [-1, -2, -3, -4, -5, -6, -7, -8, -9])
    expectClose(reference.maxPool(x, 2, 1, "valid"), array([1, 2, 2, 1], [-1, -2, -4, -5]))
    expectClose(reference.maxPool(x, 2, 2, "same"), array([1, 2, 2, 1], [-1, -3, -7, -9]))
    expectClose(reference.maxPool(x, 3, 2, 1), array([1, 2, 2, 1], [-1, -2, -4, -5]))
    const row = array([1, 1, 2, 1], [0, 4])
    expect([...reference.resizeBilinear(row, [1, 4], "origins").data]).toEqual([0, 2, 4, 4])
    expect([...reference.resizeBilinear(row, [1, 4], "centres").data]).toEqual([0, 1, 3, 4])
    expect([...reference.resizeBilinear(row, [1, 5], "corners").data]).toEqual([0, 1, 2, 3, 4])
    expect([...reference.resizeNearest(row, [1, 3], "origins").data]).toEqual([0, 0, 4])
    expect([...reference.resizeNearest(row, [1, 3], "corners").data]).toEqual([0, 4, 4])
  })
})

describe("identities", () => {
  const convolutions = fc.record({
    seed: seeds,
    size: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 4, max: 7 }), fc.integer({ min: 4, max: 7 })),
    kernel: fc.integer({ min: 1, max: 3 }),
    channels: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }))
  }).map(({ channels, kernel, seed, size }) => ({
    x: filled(seed, [...size, channels[0]]),
    filter: filled(seed + 1, [kernel, kernel, ...channels]),
    kernel
  }))

  it("a convolution is the sum over taps of shifted images times matrices", () => {
    fc.assert(fc.property(convolutions, ({ filter, kernel, x }) => {
      const [batch, height, width, channels] = x.shape as [number, number, number, number]
      const size = [batch, height - kernel + 1, width - kernel + 1, channels]
      const taps = Array.from({ length: kernel * kernel }, (_, tap) => {
        const [u, v] = [Math.floor(tap / kernel), tap % kernel]
        const matrix = reference.slice(filter, [u, v, 0, 0], [1, 1, -1, -1])
        return reference.matMul(reference.slice(x, [0, u, v, 0], size), matrix)
      })
      expectClose(reference.conv2d(x, filter, { strides: 1, padding: "valid" }), taps.reduce(reference.add))
    }))
  })

  it("a depthwise convolution is a convolution of each channel by itself", () => {
    fc.assert(fc.property(convolutions, ({ filter, x }) => {
      const [channels, multiplier] = [x.shape[3]!, filter.shape[3]!]
      const window = { strides: 2, padding: "same" } as const
      const parts = Array.from({ length: channels }, (_, c) =>
        reference.conv2d(
          reference.slice(x, [0, 0, 0, c], [-1, -1, -1, 1]),
          reference.slice(filter, [0, 0, c, 0], [-1, -1, 1, -1]),
          window
        ))
      expect(parts[0]!.shape[3]).toBe(multiplier)
      expectClose(reference.depthwiseConv2d(x, filter, window), reference.concat(parts, 3))
    }))
  })

  it("sums by letters are products, transposes and sums", () => {
    const sizes = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }), seeds)
    fc.assert(fc.property(sizes, ([rows, columns, seed]) => {
      const [a, b] = [filled(seed, [2, rows, columns]), filled(seed + 1, [2, columns, rows])]
      expectClose(reference.einsum("bij,bjk->bik", a, b), reference.matMul(a, b))
      expectClose(reference.einsum("bij->jib", a), reference.transpose(a))
      expectClose(reference.einsum("bij->i", a), reference.sum(a, [0, 2]))
    }))
  })

  it("padding is padding: same and explicit equal valid on a padded image", () => {
    fc.assert(fc.property(convolutions, fc.nat(2), fc.nat(2), ({ filter, kernel, x }, before, after) => {
      const padded = reference.pad(x, [[0, 0], [before, after], [after, before], [0, 0]])
      expectClose(
        reference.conv2d(x, filter, { strides: 1, padding: [[before, after], [after, before]] }),
        reference.conv2d(padded, filter, { strides: 1, padding: "valid" })
      )
      const [left, right] = [Math.floor((kernel - 1) / 2), Math.ceil((kernel - 1) / 2)]
      expectClose(
        reference.conv2d(x, filter, { strides: 1, padding: "same" }),
        reference.conv2d(x, filter, { strides: 1, padding: [[left, right], [left, right]] })
      )
    }))
  })

  it("a stride takes every s-th result, a dilation spreads the filter with zeros", () => {
    fc.assert(fc.property(convolutions, fc.integer({ min: 1, max: 3 }), ({ filter, kernel, x }, factor) => {
      const dense = reference.conv2d(x, filter, { strides: 1, padding: 2 })
      expectClose(
        reference.conv2d(x, filter, { strides: factor, padding: 2 }),
        reference.stridedSlice(dense, [0, 0, 0, 0], dense.shape, [1, factor, factor, 1])
      )
      const extent = (kernel - 1) * factor + 1
      const spread = reference.build(
        [extent, extent, ...filter.shape.slice(2)],
        ([u, v, c, o]) =>
          u! % factor === 0 && v! % factor === 0 ? reference.get(filter, [u! / factor, v! / factor, c!, o!]) : 0
      )
      expectClose(
        reference.conv2d(x, filter, { strides: 1, padding: 3, dilations: factor }),
        reference.conv2d(x, spread, { strides: 1, padding: 3 })
      )
    }))
  })

  it("average pooling inside the image is a convolution with a constant filter", () => {
    fc.assert(fc.property(seeds, fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }), (seed, k, strides) => {
      const x = filled(seed, [2, 5, 4, 1])
      expectClose(
        reference.avgPool(x, k, strides, "valid"),
        reference.conv2d(x, reference.full([k, k, 1, 1], 1 / (k * k)), { strides, padding: "valid" })
      )
    }))
  })

  it("movement has inverses", () => {
    fc.assert(fc.property(shapes({ minRank: 1, maxRank: 4 }), seeds, (shape, seed) => {
      const x = filled(seed, shape)
      const axis = seed % shape.length
      const permutation = shape.map((_, i) => (i + axis) % shape.length)
      const inverse = shape.map((_, i) => permutation.indexOf(i))
      expectClose(reference.transpose(reference.transpose(x, permutation), inverse), x)
      expectClose(reference.reverse(reference.reverse(x, [axis]), [axis]), x)
      expectClose(reference.stack(reference.unstack(x, axis), axis), x)
      const lengths = [1, shape[axis]! - 1].filter((length) => length > 0)
      expectClose(reference.concat(reference.split(x, lengths, axis), axis), x)
      const around = shape.map((_, i) => [i % 2, 1] as const)
      expectClose(reference.slice(reference.pad(x, around, 7), around.map(([before]) => before), shape), x)
      expectClose(reference.slice(reference.tile(x, shape.map(() => 2)), shape, shape), x)
      const places = array([shape[axis]!], Array.from({ length: shape[axis]! }, (_, i) => i))
      expectClose(reference.gather(x, places, axis), x)
      expectClose(
        reference.matMul(reference.oneHot(places, shape[axis]!), reference.reshape(places, [-1, 1])),
        reference.reshape(places, [-1, 1])
      )
    }))
  })

  it("matMul multiplies each matrix of a batch by itself", () => {
    fc.assert(fc.property(seeds, fc.boolean(), fc.boolean(), (seed, transposeA, transposeB) => {
      const a = filled(seed, transposeA ? [2, 4, 3] : [2, 3, 4])
      const b = filled(seed + 1, transposeB ? [1, 5, 4] : [1, 4, 5])
      const column = (x: NdArray, transposed: boolean, i: number, j: number, k: number) =>
        reference.get(x, transposed ? [i, k, j] : [i, j, k])
      expectClose(
        reference.matMul(a, b, transposeA, transposeB),
        reference.build([2, 3, 5], ([n, i, j]) =>
          [0, 1, 2, 3].reduce(
            (total, k) => total + column(a, transposeA, n!, i!, k) * column(b, transposeB, 0, k, j!),
            0
          ))
      )
    }))
  })

  it("softmax sums to one, and logSoftmax is its logarithm", () => {
    fc.assert(fc.property(shapes({ minRank: 1, maxRank: 3 }), seeds, (shape, seed) => {
      const x = filled(seed, shape)
      const p = reference.softmax(x)
      expectClose(reference.sum(p, -1), reference.full(shape.slice(0, -1), 1))
      expectClose(reference.logSoftmax(x), reference.log(p))
    }))
  })

  it("group norm leaves mean 0 and variance 1 in each group, whatever the group's scale and offset were", () => {
    fc.assert(fc.property(seeds, fc.constantFrom(1, 2, 4), (seed, groups) => {
      const x = filled(seed, [2, 3, 5, 4])
      const [one, zero] = [reference.full([4], 1), reference.full([4], 0)]
      const options = { groups, epsilon: 0, activation: "none" } as const
      const y = reference.groupNorm(x, one, zero, options)
      const byGroup = reference.reshape(y, [2, 15, groups, 4 / groups])
      const { mean, variance } = reference.moments(byGroup, [1, 3])
      expectClose(mean, reference.full([2, groups], 0))
      expectClose(variance, reference.full([2, groups], 1))
      const moved = reference.map((value) => 3 * value - 1)(x)
      expectClose(reference.groupNorm(moved, one, zero, options), y)
    }))
  })

  it("attention with equal keys averages the values, and permuting the queries permutes the result", () => {
    fc.assert(fc.property(seeds, (seed) => {
      const [q, v] = [filled(seed, [2, 2, 3, 4]), filled(seed + 1, [2, 2, 5, 4])]
      const equalKeys = reference.tile(filled(seed + 2, [2, 2, 1, 4]), [1, 1, 5, 1])
      const average = reference.tile(reference.mean(v, 2, true), [1, 1, 3, 1])
      expectClose(reference.attention(q, equalKeys, v, 0.5), average)
      const k = filled(seed + 3, [2, 2, 5, 4])
      expectClose(
        reference.attention(reference.reverse(q, [2]), k, v, 0.5),
        reference.reverse(reference.attention(q, k, v, 0.5), [2])
      )
    }))
  })

  it("upsampling then average pooling is the identity", () => {
    fc.assert(fc.property(seeds, fc.integer({ min: 1, max: 3 }), (seed, factor) => {
      const x = filled(seed, [2, 3, 2, 2])
      expectClose(reference.avgPool(reference.upsampleNearest(x, factor), factor, factor, "valid"), x)
    }))
  })

  it("running sums end in the sum, and reversing both input and output runs them from the end", () => {
    fc.assert(fc.property(shapes({ minRank: 1, maxRank: 3 }), seeds, fc.boolean(), (shape, seed, exclusive) => {
      const x = filled(seed, shape)
      const axis = seed % shape.length
      const last = reference.unstack(reference.cumsum(x, axis), axis).at(-1)!
      expectClose(last, reference.sum(x, axis))
      expectClose(
        reference.cumsum(x, axis, exclusive, true),
        reference.reverse(reference.cumsum(reference.reverse(x, [axis]), axis, exclusive), [axis])
      )
    }))
  })
})

describe("derivatives by central differences", () => {
  const derivatives = (
    f: (inputs: reference.Arrays) => NdArray,
    inputs: reference.Arrays
  ) =>
    reference.differentiate(
      (at) => [f(at)],
      inputs,
      Object.keys(inputs),
      (outputs) => outputs.map(({ shape }) => filled(17, shape))
    )

  it("of exp: w exp(x), and the outputs' magnitude is exp(x) (1 + |x|)", () => {
    const x = filled(3, [5])
    const { gradients, outputMagnitudes } = derivatives(({ x }) => reference.exp(x!), { x })
    expectClose(gradients["x"]!, reference.mul(filled(17, [5]), reference.exp(x)), 1e-8)
    expectClose(
      outputMagnitudes[0]!,
      reference.mul(reference.exp(x), reference.map((value) => 1 + Math.abs(value))(x)),
      1e-8
    )
  })

  it("along a direction: the sum of the gradient's elements times the direction's", () => {
    fc.assert(fc.property(seeds, (seed) => {
      const inputs = { x: filled(seed, [1, 3, 3, 2]), filter: filled(seed + 1, [3, 3, 2, 2]) }
      const directions = { x: filled(seed + 2, [1, 3, 3, 2]), filter: filled(seed + 3, [3, 3, 2, 2]) }
      const f = ({ filter, x }: reference.Arrays) =>
        reference.tanh(reference.conv2d(x!, filter!, { strides: 1, padding: "same" }))
      const { gradients } = derivatives(f, inputs)
      const { slopes } = reference.differentiateAlong(
        (at) => [f(at)],
        inputs,
        directions,
        (outputs) => outputs.map(({ shape }) => filled(17, shape))
      )
      for (const name of ["x", "filter"] as const) {
        const expected = reference.sum(reference.mul(gradients[name]!, directions[name]))
        expectClose(reference.scalar(slopes[name]!), expected, 1e-7)
      }
    }))
  })

  it("of a matrix product: w b^T and a^T w, and the outputs' magnitude sums the products' absolute values", () => {
    const [a, b, w] = [filled(3, [3, 4]), filled(4, [4, 2]), filled(17, [3, 2])]
    const { gradients, gradientMagnitudes, outputMagnitudes } = derivatives(({ a, b }) => reference.matMul(a!, b!), {
      a,
      b
    })
    expectClose(gradients["a"]!, reference.matMul(w, b, false, true), 1e-8)
    expectClose(gradients["b"]!, reference.matMul(a, w, true), 1e-8)
    expectClose(gradientMagnitudes["a"]!, reference.matMul(reference.abs(w), reference.abs(b), false, true), 1e-8)
    // Both factors count, so each product counts twice, beside the sum itself.
    const products = reference.matMul(reference.abs(a), reference.abs(b))
    const twice = reference.map((value) => 2 * value)(products)
    expectClose(outputMagnitudes[0]!, reference.add(twice, reference.abs(reference.matMul(a, b))), 1e-8)
  })

  it("of softmax: p (w - sum of w p)", () => {
    const x = filled(5, [2, 4])
    const p = reference.softmax(x)
    const w = filled(17, [2, 4])
    const { gradients } = derivatives(({ x }) => reference.softmax(x!), { x })
    const expected = reference.mul(p, reference.sub(w, reference.sum(reference.mul(w, p), -1, true)))
    expectClose(gradients["x"]!, expected, 1e-8)
  })

  it("of group norm: the published backward pass (Wu and He 2018, by Ioffe and Szegedy 2015, section 3)", () => {
    const x = filled(6, [1, 6, 1])
    const w = filled(17, [1, 6, 1])
    const [one, zero] = [array([1], [1]), array([1], [0])]
    const options = { groups: 1, epsilon: 1e-5, activation: "none" } as const
    const { gradients } = derivatives(({ x }) => reference.groupNorm(x!, one, zero, options), { x })
    const { variance } = reference.moments(x)
    const rstd = 1 / Math.sqrt(variance.data[0]! + options.epsilon)
    const standardised = reference.groupNorm(x, one, zero, options)
    const mean = (y: NdArray) => reference.mean(y).data[0]!
    const correlation = mean(reference.mul(w, standardised))
    const expected = reference.map((value) => value * rstd)(
      reference.sub(w, reference.map((value) => mean(w) + value * correlation)(standardised))
    )
    expectClose(gradients["x"]!, expected, 1e-7)
  })
})

it("values are exact in float32, in range, away from where they must not be, and distinct when asked", () => {
  fc.assert(fc.property(shapes({ minRank: 0, maxRank: 4 }), seeds, (shape, seed) => {
    const x = values(seed, shape, { low: -2, high: 2, away: [0, 1] })
    expect(x.data.length).toBe(sizeOf(shape))
    x.data.forEach((value) => {
      expect(Math.fround(value)).toBe(value)
      expect(value >= -2 && value <= 2 && Math.abs(value) >= 2 ** -6 && Math.abs(value - 1) >= 2 ** -6).toBe(true)
    })
  }))
})
