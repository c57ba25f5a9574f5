/** The building blocks, each against a direct computation in float64. */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as tf from "@tensorflow/tfjs"
import * as fc from "fast-check"
import { attentionBlock } from "../../packages/models/src/blocks/attentionBlock.ts"
import { dropout } from "../../packages/models/src/blocks/dropout.ts"
import { fourierFeatures } from "../../packages/models/src/blocks/fourierFeatures.ts"
import { downsample, upsample } from "../../packages/models/src/blocks/resampling.ts"
import { resnetBlock } from "../../packages/models/src/blocks/resnetBlock.ts"
import { frequencies, sinusoidalEmbedding } from "../../packages/models/src/blocks/timeEmbedding.ts"
import { assertClose, drawn, elements, initial, normal, perturbed } from "./support.ts"

beforeAll(async () => {
  await tf.setBackend("cpu")
})

describe("sinusoidalEmbedding", () => {
  it("is sin and cos of t · 10000^(-i / (half - shift)), in the order of the convention", () => {
    const conventions = fc.record({
      size: fc.integer({ min: 4, max: 65 }),
      flipSinToCos: fc.boolean(),
      freqShift: fc.constantFrom(0, 1)
    })
    fc.assert(
      fc.property(
        conventions,
        fc.array(fc.nat(999), { minLength: 1, maxLength: 4 }),
        (convention, timesteps) =>
          tf.tidy(() => {
            const half = Math.floor(convention.size / 2)
            const embedded = sinusoidalEmbedding(tf.tensor1d(timesteps, "int32"), convention)
            assert.deepStrictEqual(embedded.shape, [timesteps.length, convention.size])
            timesteps.forEach((t, row) => {
              const wave = (f: (angle: number) => number) =>
                Array.from({ length: half }, (_, i) => f(t * 10_000 ** (-i / (half - convention.freqShift))))
              const halves = convention.flipSinToCos
                ? [wave(Math.cos), wave(Math.sin)]
                : [wave(Math.sin), wave(Math.cos)]
              const expected = [...halves.flat(), ...(convention.size % 2 === 0 ? [] : [0])]
              // An angle is rounded to float32 twice: as a frequency, and as a product.
              assertClose(tf.slice(embedded, [row, 0], [1, -1]), expected, 1e-6 + t * 2 ** -23)
            })
          })
      )
    )
  })

  it("goes from frequency 1 to 1/10000 in DDPM's convention", () => {
    const table = frequencies({ size: 128, flipSinToCos: false, freqShift: 1 })
    assert.strictEqual(table.length, 64)
    assert.strictEqual(table[0], 1)
    assert.approximately(table[63] as number, 1e-4, 1e-18)
  })
})

describe("fourierFeatures", () => {
  it("are the coordinates, their sines and their cosines, octave by octave", () => {
    const octaves = fc.integer({ min: 0, max: 4 })
    const coordinates = fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(octaves, coordinates, (octaves, coordinates) =>
        tf.tidy(() => {
          const waves = (f: (angle: number) => number) =>
            Array.from({ length: octaves }, (_, k) => coordinates.map((x) => f(2 ** k * Math.PI * x))).flat()
          const expected = [...coordinates, ...waves(Math.sin), ...waves(Math.cos)]
          // The coordinates and the angles are rounded to float32; the angles are 50 at most.
          assertClose(fourierFeatures(tf.tensor2d([coordinates]), octaves), expected, 1e-5)
        }))
    )
  })
})

/** An image or a kernel as a function of its indices. */
const reader = (tensor: tf.Tensor) => {
  const data = elements(tensor)
  return (...index: ReadonlyArray<number>): number => {
    const inside = index.every((i, axis) => i >= 0 && i < (tensor.shape[axis] as number))
    return inside ? data[index.reduce((flat, i, axis) => flat * (tensor.shape[axis] as number) + i, 0)] as number : 0
  }
}

const range = (length: number): ReadonlyArray<number> => Array.from({ length }, (_, i) => i)

/**
 * A 3x3 convolution of an NHWC image by PyTorch's definition: output (h, w) begins at input row stride·h - before;
 * outside the image there are zeros.
 */
const convolve = (x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor, stride: number, before: number) => {
  const [batch, height, width, inputs] = x.shape as [number, number, number, number]
  const outputs = weight.shape[0] as number
  const [pixel, filter, offset] = [reader(x), reader(weight), reader(bias)]
  return range(batch).flatMap((n) =>
    range(height / stride).flatMap((h) =>
      range(width / stride).flatMap((w) =>
        range(outputs).map((o) => {
          const terms = range(3).flatMap((i) =>
            range(3).flatMap((j) =>
              range(inputs).map((c) =>
                filter(o, c, i, j) * pixel(n, stride * h - before + i, stride * w - before + j, c)
              )
            )
          )
          return terms.reduce((a, b) => a + b, offset(o))
        })
      )
    )
  )
}

describe("resampling", () => {
  it("halves with the padding after the image, or on both sides", () =>
    tf.tidy(() => {
      const x = normal(1, [2, 4, 6, 3])
      for (const padding of [0, 1] as const) {
        const block = downsample("down", 3, padding)
        const parameters = perturbed(block.parameters)
        const halved = block.apply({ parameters, draws: {} }, x)
        assert.deepStrictEqual(halved.shape, [2, 2, 3, 3])
        const expected = convolve(x, parameters["down.conv.weight"]!, parameters["down.conv.bias"]!, 2, padding)
        assertClose(halved, expected, 1e-5)
      }
    }))

  it("doubles each pixel, then convolves", () =>
    tf.tidy(() => {
      const x = normal(1, [2, 2, 3, 2])
      const block = upsample("up", 2)
      const parameters = perturbed(block.parameters)
      const doubled = block.apply({ parameters, draws: {} }, x)
      assert.deepStrictEqual(doubled.shape, [2, 4, 6, 2])
      const pixel = reader(x)
      const large = range(2).flatMap((n) =>
        range(4).flatMap((h) =>
          range(6).flatMap((w) => range(2).map((c) => pixel(n, Math.floor(h / 2), Math.floor(w / 2), c)))
        )
      )
      const enlarged = tf.tensor(large, [2, 4, 6, 2])
      assertClose(doubled, convolve(enlarged, parameters["up.conv.weight"]!, parameters["up.conv.bias"]!, 1, 1), 1e-5)
    }))
})

/** Group norm of `[positions][channels]`, by definition. */
const normalized = (rows: ReadonlyArray<ReadonlyArray<number>>, groups: number, epsilon: number) => {
  const size = (rows[0] as ReadonlyArray<number>).length / groups
  const statistics = range(groups).map((g) => {
    const members = rows.flatMap((row) => row.slice(g * size, (g + 1) * size))
    const mean = members.reduce((a, b) => a + b, 0) / members.length
    return { mean, variance: members.reduce((sum, value) => sum + (value - mean) ** 2, 0) / members.length }
  })
  return rows.map((row) =>
    row.map((value, c) => {
      const { mean, variance } = statistics[Math.floor(c / size)]!
      return (value - mean) / Math.sqrt(variance + epsilon)
    })
  )
}

describe("attentionBlock", () => {
  it("attends within each head, over neighbouring channels", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, 2, 4),
        fc.constantFrom(1, 2),
        fc.constantFrom(1, 1.5),
        (heads, groups, scale) =>
          tf.tidy(() => {
            const [height, width, channels, epsilon] = [2, 3, 4, 1e-3]
            const headSize = channels / heads
            const block = attentionBlock("a", { channels, headSize, groups, epsilon, outputScale: scale })
            // Large weights, so that attention is far from even.
            const parameters = Object.fromEntries(
              Object.entries(perturbed(block.parameters)).map(([path, tensor]) => [path, tf.mul(tensor, 3)])
            )
            const x = normal(heads, [1, height, width, channels])
            const affine = (name: string, rows: ReadonlyArray<ReadonlyArray<number>>) => {
              const [weight, bias] = [reader(parameters[`a.${name}.weight`]!), reader(parameters[`a.${name}.bias`]!)]
              return rows.map((row) =>
                range(channels).map((o) => row.reduce((sum, value, i) => sum + value * weight(o, i), bias(o)))
              )
            }
            const pixel = reader(x)
            const rows = range(height * width).map((p) =>
              range(channels).map((c) => pixel(0, Math.floor(p / width), p % width, c))
            )
            const [gain, shift] = [reader(parameters["a.group_norm.weight"]!), reader(parameters["a.group_norm.bias"]!)]
            const tokens = normalized(rows, groups, epsilon).map((row) => row.map((v, c) => v * gain(c) + shift(c)))
            const [query, key, value] = [affine("to_q", tokens), affine("to_k", tokens), affine("to_v", tokens)]
            const attended = tokens.map((_, p) =>
              range(channels).map((c) => {
                const head = range(headSize).map((d) => Math.floor(c / headSize) * headSize + d)
                const scores = key.map((row) =>
                  head.reduce((sum, d) => sum + query[p]![d]! * row[d]!, 0) / Math.sqrt(headSize)
                )
                const weights = scores.map((score) => Math.exp(score - Math.max(...scores)))
                const total = weights.reduce((a, b) => a + b, 0)
                return value.reduce((sum, row, other) => sum + (weights[other]! / total) * row[c]!, 0)
              })
            )
            const expected = affine("to_out.0", attended).flatMap((row, p) =>
              row.map((residual, c) => (rows[p]![c]! + residual) / scale)
            )
            assertClose(block.apply({ parameters, draws: {} }, x), expected, 1e-4)
          })
      ),
      { numRuns: 12 }
    )
  })
})

describe("resnetBlock", () => {
  const config = { inputs: 4, outputs: 4, embedding: 8, size: [3, 3], groups: 2, epsilon: 1e-6, dropout: 0 }

  it("is the input over the output scale before training", () =>
    tf.tidy(() => {
      const block = resnetBlock("r", { ...config, outputScale: 2 })
      const x = normal(1, [2, 3, 3, 4])
      const parameters = initial(block.parameters)
      assertClose(block.apply({ parameters, draws: {} }, x, normal(2, [2, 8])), elements(tf.div(x, 2)), 1e-6)
    }))

  it("adds the projected embedding to every pixel of its example", () =>
    tf.tidy(() => {
      // Two embeddings that are projected alike cannot be told apart; others can.
      const block = resnetBlock("r", { ...config, outputScale: 1 })
      const parameters = perturbed(block.parameters)
      const x = tf.tile(normal(1, [1, 3, 3, 4]), [2, 1, 1, 1])
      const same = block.apply({ parameters, draws: {} }, x, tf.tile(normal(2, [1, 8]), [2, 1]))
      const [first, second] = tf.split(same, 2)
      assertClose(first!, second!, 0)
      const [third, fourth] = tf.split(block.apply({ parameters, draws: {} }, x, normal(2, [2, 8])), 2)
      assert.notDeepEqual(elements(third!), elements(fourth!))
    }))
})

describe("dropout", () => {
  it("keeps x / (1 - p) where the mask is 1, and the mean", () =>
    tf.tidy(() => {
      const block = dropout("d", [50, 40], 0.3)
      const draws = drawn(block.draws(10), 3)
      const x = normal(1, [10, 50, 40])
      const kept = elements(draws["d"]!)
      const expected = elements(x).map((value, i) => (value * (kept[i] as number)) / 0.7)
      assertClose(block.apply({ parameters: {}, draws }, x), expected, 1e-6)
      assert.deepStrictEqual([...new Set(kept)].toSorted(), [0, 1])
      // 20,000 masks: five standard deviations of their mean are 0.016.
      const mean = elements(block.apply({ parameters: {}, draws }, tf.onesLike(x))).reduce((a, b) => a + b, 0) / x.size
      assert.approximately(mean, 1, 0.0232)
    }))
})
