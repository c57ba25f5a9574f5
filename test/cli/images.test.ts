import { assert, describe, it } from "@effect/vitest"
import { float32 } from "@effusion/core/tensor"
import * as fc from "fast-check"
import { encodePng, grid, interleave } from "../../packages/cli/src/picture/images.ts"
import { decodePng } from "./support/png.ts"

/** The byte of a value in [-1, 1], by the formula of diffusers' image processor. */
const byteOf = (value: number): number => Math.round(Math.min(1, Math.max(0, value / 2 + 0.5)) * 255)

/** Values of which every one stands for another byte, and none is on the border between two. */
const value = fc.integer({ min: 0, max: 255 }).map((byte) => byte / 127.5 - 1)

const images = fc.record({
  count: fc.integer({ min: 1, max: 7 }),
  height: fc.integer({ min: 1, max: 5 }),
  width: fc.integer({ min: 1, max: 5 }),
  channels: fc.constantFrom(1, 3)
}).chain(({ channels, count, height, width }) => {
  const size = count * height * width * channels
  return fc.array(value, { minLength: size, maxLength: size })
    .map((data) => float32([count, height, width, channels], data))
})

const options = fc.record({
  columns: fc.integer({ min: 1, max: 8 }),
  scale: fc.integer({ min: 1, max: 3 }),
  padding: fc.integer({ min: 0, max: 3 })
})

describe("a grid of images", () => {
  it("has every pixel of every image in its place, and lines everywhere else, after encoding and decoding", () => {
    fc.assert(fc.property(images, options, (images, { columns, padding, scale }) => {
      const [count, height, width, channels] = images.shape as readonly [number, number, number, number]
      const picture = decodePng(encodePng(grid(images, { columns, padding, scale })))
      assert.strictEqual(picture.channels, channels)
      assert.strictEqual(picture.width, padding + columns * (width * scale + padding))
      assert.strictEqual(picture.height, padding + Math.ceil(count / columns) * (height * scale + padding))
      for (let y = 0; y < picture.height; y++) {
        for (let x = 0; x < picture.width; x++) {
          const column = Math.floor((x - padding) / (width * scale + padding))
          const row = Math.floor((y - padding) / (height * scale + padding))
          const inX = (x - padding) - column * (width * scale + padding)
          const inY = (y - padding) - row * (height * scale + padding)
          const index = row * columns + column
          const inside = x >= padding && y >= padding && inX < width * scale && inY < height * scale && index < count
          for (let channel = 0; channel < channels; channel++) {
            const at = ((index * height + Math.floor(inY / scale)) * width + Math.floor(inX / scale)) * channels
            const expected = inside ? byteOf(images.data[at + channel]!) : 96
            assert.strictEqual(picture.data[(y * picture.width + x) * channels + channel], expected)
          }
        }
      }
    }))
  })

  it("cuts off what is beyond black and white", () => {
    const { data } = grid(float32([1, 1, 5, 1], [-7, -1, 0, 1, 7]), { padding: 0, scale: 1 })
    assert.deepStrictEqual([...data], [0, 0, 128, 255, 255])
  })

  it("shows what is not finite as black or white", () => {
    const { data } = grid(float32([1, 1, 3, 1], [Number.NaN, Infinity, -Infinity]), { padding: 0, scale: 1 })
    assert.deepStrictEqual([...data], [0, 255, 0])
  })

  it("is about square, and enlarges small images, when not told otherwise", () => {
    const { height, width } = grid(float32([64, 28, 28, 1], new Float32Array(64 * 784)))
    assert.strictEqual(width, 8 * 58 + 2)
    assert.strictEqual(height, 8 * 58 + 2)
  })

  it("takes no other shapes", () => {
    for (const shape of [[4], [2, 2], [1, 2, 2, 2], [1, 2, 2, 4]]) {
      const size = shape.reduce((a, b) => a * b, 1)
      assert.throws(() => grid(float32(shape, new Float32Array(size))), RangeError)
    }
  })
})

describe("interleaved frames", () => {
  it("put the same image of every frame next to each other", () => {
    fc.assert(fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
      (count, frames) => {
        const shape = [count, 1, 2, 1]
        const valueOf = (frame: number, index: number, pixel: number) => 100 * frame + 10 * index + pixel
        const tensors = Array.from(
          { length: frames },
          (_, frame) =>
            float32(shape, Array.from({ length: count * 2 }, (_, i) => valueOf(frame, Math.floor(i / 2), i % 2)))
        )
        const { data, shape: result } = interleave(tensors)
        assert.deepStrictEqual(result, [count * frames, 1, 2, 1])
        for (let index = 0; index < count; index++) {
          for (let frame = 0; frame < frames; frame++) {
            for (const pixel of [0, 1]) {
              assert.strictEqual(data[(index * frames + frame) * 2 + pixel], valueOf(frame, index, pixel))
            }
          }
        }
      }
    ))
  })

  it("need one shape", () => {
    assert.throws(() => interleave([]), RangeError)
    assert.throws(() => interleave([float32([1, 1, 1, 1], [0]), float32([2, 1, 1, 1], [0, 0])]), RangeError)
  })
})
