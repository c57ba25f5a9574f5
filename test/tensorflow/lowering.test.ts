/**
 * What the conformance suite does not reach: operations that tfjs records no program of, and what a session does with the
 * state when a step fails and when the memory that was fed changes.
 */
import { assert, describe, it } from "@effect/vitest"
import { type Program, stateless, type Tensor } from "@effusion/core/engine"
import { float32, int32 } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import * as fc from "fast-check"
import type { Graph, Value, ValueType } from "../../packages/core/src/engine/graph/Graph.ts"
import { GraphBuilder } from "../../packages/core/src/engine/graph/Graph.ts"
import type { Operation, Window } from "../../packages/core/src/engine/graph/Operation.ts"
import { lower } from "../../packages/core/src/engine/tensorflow/lowering/lower.ts"
import { trace } from "../../packages/core/src/engine/trace/trace.ts"
import { values } from "../conformance/arbitraries.ts"
import type { Argument } from "../conformance/Case.ts"
import { float, int } from "../conformance/Case.ts"
import { firstMismatch, property, toHost } from "../conformance/check.ts"
import * as reference from "../conformance/reference/index.ts"
import type { NdArray, Shape } from "../conformance/reference/index.ts"
import { f32, i32, plain } from "../conformance/tests.ts"
import { open } from "./support/session.ts"

/** A graph of one operation on `a`, `b`, ... that gives `y`. */
const graphOf = (operation: Operation, inputs: ReadonlyArray<Argument>, shape: Shape, dtype: ValueType): Graph => {
  const builder = new GraphBuilder()
  const values = inputs.map(({ array, dtype }): Value => ({ shape: array.shape, dtype }))
  const y = builder.append(operation, values, shape, dtype)
  return {
    name: operation.kind,
    signature: { state: {}, input: {}, output: {} },
    arguments: values.map((value, i) => ({ role: "input", name: nameOf(i), value })),
    nodes: builder.nodes,
    results: [{ role: "output", name: "y", value: y }]
  }
}

const nameOf = (place: number): string => String.fromCharCode(97 + place)

/** Runs one operation, and compares what it gives with what is expected. */
const check = Effect.fnUntraced(function*(
  operation: Operation,
  inputs: ReadonlyArray<Argument>,
  expected: NdArray,
  magnitude: NdArray,
  xla: boolean
) {
  const session = yield* open(lower(graphOf(operation, inputs, expected.shape, "float32"), { xla }))
  const given = Object.fromEntries(inputs.map((argument, i) => [nameOf(i), toHost(argument)]))
  assert.isUndefined(firstMismatch(session.step(given)["y"]!, expected, magnitude, { relative: 1e-5 }))
}, Effect.scoped)

const windows = fc.record({
  size: fc.tuple(fc.integer({ min: 4, max: 6 }), fc.integer({ min: 4, max: 6 })),
  kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  stride: fc.integer({ min: 1, max: 2 }),
  dilation: fc.integer({ min: 1, max: 2 }),
  padding: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2), fc.nat(2)),
  seed: fc.nat(1000)
}).filter(({ dilation, kernel, padding: [top, bottom, left, right], size }) =>
  size[0] + top + bottom > dilation * (kernel[0] - 1) && size[1] + left + right > dilation * (kernel[1] - 1)
)

const ones = (outputs: ReadonlyArray<NdArray>) => outputs.map(({ shape }) => reference.full(shape, 1))

for (const xla of [false, true]) {
  describe(xla ? "with XLA" : "without XLA", () => {
    it.effect("the gradients of convolutions with strides, dilations and any padding", () =>
      property(
        windows,
        Effect.fnUntraced(function*({ dilation, kernel, padding, seed, size, stride }) {
          const [top, bottom, left, right] = padding
          const window: Window = { strides: [stride, stride], dilations: [dilation, dilation], padding }
          const convolution = {
            strides: stride,
            dilations: dilation,
            padding: [[top, bottom], [left, right]] as const
          }
          const x = values(seed, [2, ...size, 2], { low: -2, high: 2 })
          const filter = values(seed + 1, [...kernel, 2, 3], { low: -2, high: 2 })
          const shape = reference.conv2d(x, filter, convolution).shape
          const dy = values(seed + 2, shape, { low: -2, high: 2 })
          const { gradientMagnitudes, gradients } = reference.differentiate(
            ({ filter, x }) => [reference.mul(reference.conv2d(x!, filter!, convolution), dy)],
            { x, filter },
            ["x", "filter"],
            ones
          )
          const [dx, dFilter] = [gradients["x"]!, gradients["filter"]!]
          yield* check(
            { kind: "convolutionInputGradient", window },
            [float(dy), float(filter)],
            dx,
            gradientMagnitudes["x"]!,
            xla
          )
          yield* check(
            { kind: "convolutionFilterGradient", window },
            [float(x), float(dy)],
            dFilter,
            gradientMagnitudes["filter"]!,
            xla
          )
        }),
        { numRuns: 12 }
      ))

    it.effect("average pooling with any padding, which does not count, and its gradient", () =>
      property(
        windows.filter(({ kernel, padding }) => padding.every((zeros, side) => zeros < kernel[side < 2 ? 0 : 1]!)),
        Effect.fnUntraced(function*({ kernel, padding, seed, size, stride }) {
          const window: Window = { strides: [stride, stride], dilations: [1, 1], padding }
          const x = values(seed, [2, ...size, 2], { low: -2, high: 2 })
          const pooled = pool(x, kernel, window)
          const operation = { window, size: kernel }
          yield* check({ kind: "averagePool", ...operation }, [float(x)], pooled, reference.full(pooled.shape, 2), xla)
          const dy = values(seed + 1, pooled.shape, { low: -2, high: 2 })
          const { gradientMagnitudes, gradients } = reference.differentiate(
            ({ x }) => [reference.mul(pool(x!, kernel, window), dy)],
            { x },
            ["x"],
            ones
          )
          yield* check(
            { kind: "averagePoolGradient", ...operation },
            [float(dy)],
            gradients["x"]!,
            gradientMagnitudes["x"]!,
            xla
          )
        }),
        { numRuns: 12 }
      ))

    it.effect("sums of segments leave out rows of segments that there are not", () =>
      check(
        { kind: "segmentSum", segments: 3 },
        [float(reference.array([4, 2], [1, 2, 3, 4, 5, 6, 7, 8])), int(reference.array([4], [2, -1, 3, 2]))],
        reference.array([3, 2], [0, 0, 0, 0, 8, 10]),
        reference.full([3, 2], 10),
        xla
      ))

    it.effect("slices that run backwards, to the first element and not so far", () =>
      Effect.gen(function*() {
        const x = float(reference.array([2, 5], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
        const slice = (begin: ReadonlyArray<number>, end: ReadonlyArray<number>, strides: ReadonlyArray<number>) =>
          ({ kind: "slice", begin, end, strides }) as const
        const backwards = reference.array([2, 3], [9, 7, 5, 4, 2, 0])
        yield* check(slice([1, 4], [-1, -1], [-1, -2]), [x], backwards, reference.full([2, 3], 9), xla)
        yield* check(
          slice([1, 3], [0, 1], [-1, -1]),
          [x],
          reference.array([1, 2], [8, 7]),
          reference.full([1, 2], 9),
          xla
        )
      }))

    it.effect("functions of integers and booleans", () =>
      Effect.gen(function*() {
        const program = stateless("whole", { n: i32(3) }, ({ n }: { n: Tensor }) => {
          const positive = tf.greater(n, 0)
          return {
            round: tf.round(n),
            relu: tf.relu(n),
            finite: tf.cast(tf.isFinite(n), "int32"),
            undefined: tf.cast(tf.isNaN(n), "int32"),
            above: tf.cast(tf.greater(positive, tf.equal(n, 3)), "int32"),
            product: tf.prod(n),
            running: tf.cumsum(n)
          }
        })
        const session = yield* open(lower(yield* trace(program, "tensorflow"), { xla }))
        const output = session.step({ n: int32([3], [-2, 1, 3]) })
        assert.deepStrictEqual(
          Object.fromEntries(Object.entries(output).map(([name, tensor]) => [name, plain(tensor).data])),
          {
            round: [-2, 1, 3],
            relu: [0, 1, 3],
            finite: [1, 1, 1],
            undefined: [0, 0, 0],
            above: [0, 1, 0],
            product: [-6],
            running: [-2, -1, 2]
          }
        )
      }).pipe(Effect.scoped))

    it.effect("a state that came from the input stays when the memory of the input changes", () =>
      Effect.gen(function*() {
        const last: Program<{ s: Tensor; t: Tensor }, { x: Tensor }, { y: Tensor }> = {
          name: "last",
          state: { s: f32(2, 3), t: f32(3) },
          input: { x: f32(6) },
          apply: (_, { x }) => ({ state: { s: tf.reshape(x, [2, 3]), t: tf.slice(x, [0], [3]) }, output: { y: x } })
        }
        const session = yield* open(lower(yield* trace(last, "tensorflow"), { xla }))
        const [s, t] = [new Float32Array(6).fill(7), new Float32Array(3).fill(7)]
        session.write({ s: float32([2, 3], s), t: float32([3], t) })
        s.fill(0)
        t.fill(0)
        assert.deepStrictEqual(plain(session.read()["s"]!).data, [7, 7, 7, 7, 7, 7])
        const x = Float32Array.of(1, 2, 3, 4, 5, 6)
        assert.deepStrictEqual(plain(session.step({ x: float32([6], x) })["y"]!).data, [1, 2, 3, 4, 5, 6])
        x.fill(0)
        const state = session.read()
        assert.deepStrictEqual(plain(state["s"]!).data, [1, 2, 3, 4, 5, 6])
        assert.deepStrictEqual(plain(state["t"]!).data, [1, 2, 3])
      }).pipe(Effect.scoped))
  })
}

describe("a step that fails", () => {
  // Rows beyond a table are an error in TensorFlow's own kernels; XLA takes the last row for them.
  it.effect("leaves every state as it was, and the session in order", () =>
    Effect.gen(function*() {
      const program: Program<{ n: Tensor; row: Tensor }, { place: Tensor }, {}> = {
        name: "rows",
        state: { n: f32(), row: f32(2) },
        input: { place: i32(1) },
        apply: ({ n }, { place }) => ({
          state: {
            n: tf.add(n, 1),
            row: tf.reshape(tf.gather(tf.tensor2d([[1, 2], [3, 4], [5, 6]]), place as tf.Tensor1D), [2])
          },
          output: {}
        })
      }
      const session = yield* open(lower(yield* trace(program, "tensorflow"), { xla: false }))
      session.write({ n: float32([], [5]), row: float32([2], [0, 0]) })
      for (let attempt = 0; attempt < 20; attempt++) {
        assert.throws(() => session.step({ place: int32([1], [3]) }), "not in [0, 3)")
        assert.deepStrictEqual(plain(session.read()["n"]!).data, [5])
      }
      session.step({ place: int32([1], [2]) })
      assert.deepStrictEqual(plain(session.read()["n"]!).data, [6])
      assert.deepStrictEqual(plain(session.read()["row"]!).data, [5, 6])
    }).pipe(Effect.scoped))
})

/** The mean over each window of what is in the image, from its definition. */
const pool = (x: NdArray, [height, width]: readonly [number, number], { padding, strides }: Window): NdArray => {
  const [batch, rows, columns, channels] = x.shape as [number, number, number, number]
  const [top, bottom, left, right] = padding
  const count = (length: number, size: number, stride: number) => Math.floor((length - size) / stride) + 1
  const shape = [
    batch,
    count(rows + top + bottom, height, strides[0]),
    count(columns + left + right, width, strides[1]),
    channels
  ]
  return reference.build(shape, ([n, i, j, c]) => {
    const inside: Array<number> = []
    for (let u = 0; u < height; u++) {
      for (let v = 0; v < width; v++) {
        const [row, column] = [i! * strides[0] - top + u, j! * strides[1] - left + v]
        if (row < 0 || row >= rows || column < 0 || column >= columns) continue
        inside.push(x.data[((n! * rows + row) * columns + column) * channels + c!]!)
      }
    }
    return inside.reduce((sum, element) => sum + element, 0) / inside.length
  })
}
