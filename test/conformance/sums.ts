/**
 * Sums over very many elements: float32 added one after the other loses what is small beside the sum so far.
 */
import { expect } from "@effect/vitest"
import { Engine, stateless } from "@effusion/core/engine"
import { float32, type Shape, sizeOf } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import type { EngineTests } from "./tests.ts"

/** Shapes whose sums have a million terms and more: of one axis, of one that no row divides, of the outer, of some. */
const cases: ReadonlyArray<{ readonly shape: Shape; readonly axes: ReadonlyArray<number> }> = [
  { shape: [4_194_304], axes: [0] },
  { shape: [4_194_301], axes: [0] },
  { shape: [3, 1_000_003], axes: [1] },
  { shape: [1_500_000, 2], axes: [0] },
  { shape: [8, 600, 600, 2], axes: [0, 1, 2] },
  { shape: [600, 2, 5_000], axes: [0, 2] }
]

/** Registers the tests. */
export const sumTests = (it: EngineTests): void => {
  for (const { axes, shape } of cases) {
    it.effect(`sums, means and norms of [${shape.join(", ")}] over ${axes.join(", ")} are right to 1e-6`, () =>
      Effect.gen(function*() {
        const program = stateless("sums", { x: { shape, dtype: "float32" } }, ({ x }) => ({
          sum: tf.sum(x, [...axes]),
          mean: tf.mean(x, [...axes]),
          norm: tf.sqrt(tf.sum(tf.square(x), [...axes]))
        }))
        const instance = yield* (yield* (yield* Engine).compile(program)).start({})
        const element = Math.fround(0.1)
        const count = axes.reduce((product, axis) => product * shape[axis]!, 1)
        const output = yield* instance.step({ x: float32(shape, new Float32Array(sizeOf(shape)).fill(element)) })
        const expected = { sum: count * element, mean: element, norm: Math.sqrt(count) * element }
        for (const [name, truth] of Object.entries(expected)) {
          const { data } = output[name as keyof typeof expected]
          expect(data).toHaveLength(sizeOf(shape) / count)
          for (const value of data) expect(Math.abs(value / truth - 1), name).toBeLessThan(1e-6)
        }
      }).pipe(Effect.scoped))
  }
}
