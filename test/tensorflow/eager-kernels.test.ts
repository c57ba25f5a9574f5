/**
 * Where the package's kernels are replaced or were suspected, and the conformance suite has no case: the eager mode beside
 * the onnx engine. (tfjs's `cpu` backend would not do: its gradient of an average counts what is padded, its average does
 * not.)
 */
import { expect, layer } from "@effect/vitest"
import { Engine, stateless, type Tensor } from "@effusion/core/engine"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { float32, type HostTensor } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Context, Effect, Layer } from "effect"
import * as fc from "fast-check"
import { values } from "../conformance/arbitraries.ts"
import { property } from "../conformance/check.ts"
import { f32 } from "../conformance/tests.ts"
import { closeAll } from "../support/close.ts"
import { eagerLayer, handles } from "./support/eager.ts"

/** The other engine. */
class Onnx extends Context.Service<Onnx, Engine["Service"]>()("test/Onnx") {}

const engines = Layer.merge(
  eagerLayer,
  Layer.effect(Onnx, Engine.useSync((engine) => engine)).pipe(Layer.provide(OnnxEngine.layer()))
)

/** What a function of one image gives, and its gradient along fixed weights. */
const both = (f: (x: tf.Tensor4D) => tf.Tensor) => (x: Tensor) => {
  const y = f(x as tf.Tensor4D)
  const weights = tf.cos(tf.reshape(tf.range(0, y.size), y.shape))
  return { y, gradient: tf.grad((x) => tf.sum(tf.mul(f(x as tf.Tensor4D), weights)))(x) }
}

const runOn = Effect.fnUntraced(function*(engine: Engine["Service"], f: (x: tf.Tensor4D) => tf.Tensor, x: HostTensor) {
  const program = stateless<{ x: Tensor }, { y: Tensor; gradient: Tensor }>(
    "both",
    { x: f32(...x.shape) },
    ({ x }) => both(f)(x)
  )
  const instance = yield* (yield* engine.compile(program)).start({})
  return yield* instance.step({ x })
}, Effect.scoped)

const agree = Effect.fnUntraced(function*(f: (x: tf.Tensor4D) => tf.Tensor, x: HostTensor) {
  const expected = yield* runOn(yield* Onnx, f, x)
  const actual = yield* runOn(yield* Engine, f, x)
  closeAll(actual.y.data, expected.y.data, 1e-5)
  closeAll(actual.gradient.data, expected.gradient.data, 1e-5)
  expect(handles()).toEqual({ tensors: 0, bytes: 0 })
})

const image = (seed: number, batch: number, side: number): HostTensor =>
  float32([batch, side, side + 1, 2], values(seed, [batch, side, side + 1, 2], { low: -2, high: 2 }).data)

layer(engines, { excludeTestServices: true })("kernels of the eager mode", (it) => {
  it.effect("averages over windows that are padded by numbers", () =>
    property(
      fc.record({
        seed: fc.nat(1000),
        batch: fc.integer({ min: 1, max: 2 }),
        side: fc.integer({ min: 3, max: 6 }),
        size: fc.integer({ min: 2, max: 3 }),
        strides: fc.integer({ min: 1, max: 2 })
      }),
      ({ batch, seed, side, size, strides }) =>
        agree((x) => tf.avgPool(x, size, strides, 1, "floor"), image(seed, batch, side)),
      { numRuns: 20 }
    ))

  it.effect("transposed convolutions that are padded by numbers", () =>
    property(
      fc.record({ seed: fc.nat(1000), strides: fc.integer({ min: 1, max: 2 }), side: fc.integer({ min: 3, max: 5 }) }),
      ({ seed, side, strides }) => {
        const filter = Array.from(values(seed + 1, [3, 3, 3, 2], { low: -1, high: 1 }).data)
        const outSide = (size: number) => (size - 1) * strides + 1
        return agree(
          (x) =>
            tf.conv2dTranspose(
              x,
              tf.tensor4d(filter, [3, 3, 3, 2]),
              [x.shape[0], outSide(side), outSide(side + 1), 3],
              strides,
              1
            ),
          image(seed, 2, side)
        )
      },
      { numRuns: 10 }
    ))

  it.effect("nearest resizing of one image by whole factors, either way of placing pixels, and its gradient", () =>
    property(
      fc.record({ seed: fc.nat(1000), factor: fc.integer({ min: 1, max: 7 }), centers: fc.boolean() }),
      ({ centers, factor, seed }) =>
        agree(
          (x) => tf.image.resizeNearestNeighbor(x, [3 * factor, 4 * factor], false, centers),
          image(seed, 1, 3)
        ),
      { numRuns: 15 }
    ))

  it.effect("the largest elements and their places", () =>
    property(
      fc.record({ seed: fc.nat(1000), k: fc.integer({ min: 1, max: 5 }) }),
      Effect.fnUntraced(function*({ k, seed }) {
        const engine = yield* Engine
        const { data } = values(seed, [3, 7], { low: -2, high: 2 })
        const program = stateless<{ x: Tensor }, { values: Tensor; indices: Tensor }>(
          "top",
          { x: f32(3, 7) },
          ({ x }) => ({ ...tf.topk(x, k) })
        )
        const instance = yield* (yield* engine.compile(program)).start({})
        const top = yield* instance.step({ x: float32([3, 7], data) })
        const rows = [0, 1, 2].map((row) => Array.from(Float32Array.from(data).subarray(7 * row, 7 * row + 7)))
        const order = rows.map((row) => row.map((_, i) => i).sort((i, j) => row[j]! - row[i]! || i - j).slice(0, k))
        expect(Array.from(top.indices.data)).toEqual(order.flat())
        expect(Array.from(top.values.data)).toEqual(order.flatMap((places, row) => places.map((i) => rows[row]![i]!)))
      }, Effect.scoped),
      { numRuns: 15 }
    ))

  it.effect("the tails of sigmoid and softplus, to the last digits", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      const x = [-100, -87, -60, -30, -17, -5, 0, 5, 17, 30, 100]
      const program = stateless<{ x: Tensor }, { sigmoid: Tensor; softplus: Tensor; slope: Tensor }>(
        "tails",
        { x: f32(x.length) },
        ({ x }) => ({
          sigmoid: tf.sigmoid(x),
          softplus: tf.softplus(x),
          slope: tf.grad((x) => tf.sum(tf.softplus(x)))(x)
        })
      )
      const instance = yield* (yield* engine.compile(program)).start({})
      const tails = yield* instance.step({ x: float32([x.length], x) })
      x.forEach((x, i) => {
        const sigmoid = 1 / (1 + Math.exp(-x))
        const softplus = Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))
        // Below 1e-37 float32 has no more digits to be right in.
        expect(Math.abs(tails.sigmoid.data[i]! - sigmoid)).toBeLessThan(1e-6 * sigmoid + 1e-37)
        expect(Math.abs(tails.softplus.data[i]! - softplus)).toBeLessThan(1e-6 * softplus + 1e-37)
        expect(Math.abs(tails.slope.data[i]! - sigmoid)).toBeLessThan(1e-6 * sigmoid + 1e-37)
      })
    }))
})
