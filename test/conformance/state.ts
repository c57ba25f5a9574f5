/**
 * What happens to states, inputs and outputs between steps.
 */
import { expect } from "@effect/vitest"
import { Engine, type Program, stateless, type Tensor } from "@effusion/core/engine"
import { float32, int32, scalar } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect, Fiber } from "effect"
import * as fc from "fast-check"
import { property } from "./check.ts"
import { type EngineTests, f32, i32, plain } from "./tests.ts"

/** A running sum, and its mean. */
export const accumulate: Program<{ sum: Tensor }, { x: Tensor }, { mean: Tensor }> = {
  name: "accumulate",
  state: { sum: f32(3) },
  input: { x: f32(3) },
  apply: ({ sum }, { x }) => {
    const next = tf.add(sum, x)
    return { state: { sum: next }, output: { mean: tf.mean(next) } }
  }
}

const compileAccumulate = Effect.flatMap(Engine, (engine) => engine.compile(accumulate))
const zeros = { sum: float32([3], [0, 0, 0]) }
const ones = { x: float32([3], [1, 1, 1]) }

/** Registers the tests. */
export const stateTests = (it: EngineTests): void => {
  it.effect("an executable has the signature of its program, and the specs of its outputs", () =>
    Effect.gen(function*() {
      const executable = yield* compileAccumulate
      expect(executable.name).toBe("accumulate")
      expect(executable.state).toEqual({ sum: f32(3) })
      expect(executable.input).toEqual({ x: f32(3) })
      expect(executable.output).toEqual({ mean: f32() })
    }))

  it.effect("steps carry the state on; read copies it, write replaces it", () =>
    Effect.gen(function*() {
      const instance = yield* (yield* compileAccumulate).start({ sum: float32([3], [1, 2, 3]) })
      expect(plain((yield* instance.read).sum)).toEqual({ dtype: "float32", shape: [3], data: [1, 2, 3] })
      expect(plain((yield* instance.step(ones)).mean)).toEqual({ dtype: "float32", shape: [], data: [3] })
      expect(plain((yield* instance.step(ones)).mean).data).toEqual([4])
      const read = yield* instance.read
      expect(plain(read.sum).data).toEqual([3, 4, 5])
      yield* instance.write({ sum: float32([3], [10, 20, 30]) })
      expect(plain(read.sum).data).toEqual([3, 4, 5])
      expect(plain((yield* instance.read).sum).data).toEqual([10, 20, 30])
      expect(plain((yield* instance.step(ones)).mean).data).toEqual([21])
      yield* instance.write(read)
      expect(plain((yield* instance.step(ones)).mean).data).toEqual([5])
    }))

  it.effect("instances of one executable do not touch each other", () =>
    Effect.gen(function*() {
      const executable = yield* compileAccumulate
      const [left, right] = [yield* executable.start(zeros), yield* executable.start(zeros)]
      yield* left.step(ones)
      yield* left.step(ones)
      yield* right.step(ones)
      expect(plain((yield* left.read).sum).data).toEqual([2, 2, 2])
      expect(plain((yield* right.read).sum).data).toEqual([1, 1, 1])
    }))

  it.effect("states that trade places, stay, or come from the input, and outputs that are states and inputs", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      const executable = yield* engine.compile<
        { a: Tensor; b: Tensor; kept: Tensor; last: Tensor; n: Tensor },
        { x: Tensor; i: Tensor },
        { a: Tensor; again: Tensor; x: Tensor; n: Tensor; i: Tensor; one: Tensor; constant: Tensor }
      >({
        name: "trade",
        state: { a: f32(2), b: f32(2), kept: f32(2), last: f32(2), n: i32() },
        input: { x: f32(2), i: i32(3) },
        apply: ({ a, b, kept, n }, { i, x }) => ({
          state: { a: b, b: a, kept, last: x, n: tf.add(n, tf.scalar(1, "int32")) },
          output: { a, again: a, x, n, i, one: tf.onesLike(a), constant: tf.tensor1d([3, 4], "int32") }
        })
      })
      const instance = yield* executable.start({
        a: float32([2], [1, 2]),
        b: float32([2], [3, 4]),
        kept: float32([2], [5, 6]),
        last: float32([2], [7, 8]),
        n: int32([], [41])
      })
      const input = { x: float32([2], [9, 10]), i: int32([3], [-1, 0, 2 ** 30 + 1]) }
      const first = yield* instance.step(input)
      expect(plain(first.a).data).toEqual([1, 2])
      expect(plain(first.again).data).toEqual([1, 2])
      expect(plain(first.x).data).toEqual([9, 10])
      expect(plain(first.n)).toEqual({ dtype: "int32", shape: [], data: [41] })
      expect(plain(first.i)).toEqual({ dtype: "int32", shape: [3], data: [-1, 0, 2 ** 30 + 1] })
      expect(plain(first.one).data).toEqual([1, 1])
      expect(plain(first.constant)).toEqual({ dtype: "int32", shape: [2], data: [3, 4] })
      const after = yield* instance.read
      expect(plain(after.a).data).toEqual([3, 4])
      expect(plain(after.b).data).toEqual([1, 2])
      expect(plain(after.kept).data).toEqual([5, 6])
      expect(plain(after.last).data).toEqual([9, 10])
      expect(plain(after.n)).toEqual({ dtype: "int32", shape: [], data: [42] })
      yield* instance.step(input)
      yield* instance.step(input)
      const third = yield* instance.read
      expect(plain(third.a).data).toEqual([3, 4])
      expect(plain(third.b).data).toEqual([1, 2])
      expect(plain(third.n).data).toEqual([44])
    }))

  it.effect("what a step gave back stays as it was when other steps run", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      const executable = yield* engine.compile<{ sum: Tensor }, { x: Tensor }, { sum: Tensor }>({
        name: "running sum",
        state: { sum: f32(4) },
        input: { x: f32(4) },
        apply: ({ sum }, { x }) => ({ state: { sum: tf.add(sum, x) }, output: { sum: tf.add(sum, x) } })
      })
      const instance = yield* executable.start({ sum: float32([4], [0, 0, 0, 0]) })
      const given = []
      for (let step = 0; step < 5; step++) given.push(yield* instance.step({ x: float32([4], [1, 2, 3, 4]) }))
      expect(given.map(({ sum }) => plain(sum).data))
        .toEqual([1, 2, 3, 4, 5].map((n) => [n, 2 * n, 3 * n, 4 * n]))
    }))

  it.effect("host tensors stay the caller's: whole, usable again, and free to be views of larger arrays", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      const executable = yield* engine.compile<{ s: Tensor }, { x: Tensor; y: Tensor }, { z: Tensor }>({
        name: "views",
        state: { s: f32(3) },
        input: { x: f32(3), y: f32(3) },
        apply: ({ s }, { x, y }) => ({ state: { s: tf.add(s, y) }, output: { z: tf.add(tf.mul(x, 10), y) } })
      })
      const whole = Float32Array.from({ length: 9 }, (_, i) => i)
      const [x, y] = [float32([3], whole.subarray(2, 5)), float32([3], whole.subarray(4, 7))]
      const instance = yield* executable.start({ s: x })
      for (let run = 0; run < 2; run++) {
        expect(plain((yield* instance.step({ x, y })).z).data).toEqual([24, 35, 46])
        expect(plain((yield* instance.step({ x: y, y })).z).data).toEqual([44, 55, 66])
      }
      expect(plain((yield* instance.read).s).data).toEqual([2 + 4 * 4, 3 + 4 * 5, 4 + 4 * 6])
      expect(Array.from(whole)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
      yield* instance.write({ s: y })
      expect(plain((yield* instance.read).s).data).toEqual([4, 5, 6])
      expect(Array.from(whole)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
    }))

  it.effect("steps of one instance run one after the other, in the order they were asked for", () =>
    property(
      fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 1, maxLength: 12 }),
      Effect.fnUntraced(function*(numbers: ReadonlyArray<number>) {
        const instance = yield* (yield* compileAccumulate).start(zeros)
        const means = yield* Effect.forEach(numbers, (n) => instance.step({ x: float32([3], [n, n, n]) }), {
          concurrency: "unbounded"
        })
        const sums = numbers.map((_, i) => numbers.slice(0, i + 1).reduce((a, b) => a + b, 0))
        expect(means.map(({ mean }) => mean.data[0]! + 0)).toEqual(sums.map((sum) => sum + 0))
        expect(Array.from((yield* instance.read).sum.data, (value) => value + 0)).toEqual(
          [0, 1, 2].map(() => sums.at(-1)! + 0)
        )
      }, Effect.scoped),
      { numRuns: 10 }
    ))

  it.effect("an interrupted step is whole or not begun, and the instance goes on", () =>
    Effect.gen(function*() {
      const instance = yield* (yield* compileAccumulate).start(zeros)
      for (let round = 0; round < 10; round++) {
        const before = (yield* instance.read).sum.data[0]!
        const fiber = yield* Effect.forkChild(instance.step(ones), { startImmediately: true })
        if (round % 2 === 1) yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
        const after = plain((yield* instance.read).sum).data
        expect([[before, before, before], [before + 1, before + 1, before + 1]]).toContainEqual(after)
        expect((yield* instance.step(ones)).mean.data[0]).toBeCloseTo(after[0]! + 1, 5)
      }
    }))

  it.effect("names may be long, dotted, and in any script", () =>
    Effect.gen(function*() {
      const long = "down_blocks.0.resnets.0.conv_shortcut.weight_of_a_rather_long_name"
      const engine = yield* Engine
      const executable = yield* engine.compile({
        name: "a program whose name is longer than forty characters, é, 日本語",
        state: { [long]: f32(2), "": f32(2) },
        input: { "α.β": f32(2), "x y": f32(2) },
        apply: (state: { readonly [name: string]: Tensor }, input: { readonly [name: string]: Tensor }) => ({
          state: { [long]: tf.add(state[long]!, input["α.β"]!), "": tf.mul(state[""]!, 2) },
          output: { [`${long}.gradient`]: tf.sub(state[long]!, input["x y"]!), constructor: tf.scalar(1) } as {
            readonly [name: string]: Tensor
          }
        })
      })
      const instance = yield* executable.start({ [long]: float32([2], [1, 2]), "": float32([2], [1, 1]) })
      const output = yield* instance.step({ "α.β": float32([2], [10, 20]), "x y": float32([2], [0.5, 0.5]) })
      expect(plain(output[`${long}.gradient`]!).data).toEqual([0.5, 1.5])
      expect(plain(output["constructor"]!).data).toEqual([1])
      const state = yield* instance.read
      expect(plain(state[long]!).data).toEqual([11, 22])
      expect(plain(state[""]!).data).toEqual([2, 2])
    }))

  it.effect("inputs that a program does not use must still be given, and change nothing", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      const executable = yield* engine.compile(
        stateless("ignore", { x: f32(2), unused: i32(3) }, ({ x }: { x: Tensor; unused: Tensor }) => ({ y: tf.neg(x) }))
      )
      const instance = yield* executable.start({})
      const { y } = yield* instance.step({ x: float32([2], [1, -2]), unused: int32([3], [1, 2, 3]) })
      expect(plain(y).data).toEqual([-1, 2])
    }))

  it.effect("a program may be nothing but state", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      const executable = yield* engine.compile<{ n: Tensor }, {}, {}>({
        name: "double",
        state: { n: f32() },
        input: {},
        apply: ({ n }) => ({ state: { n: tf.add(n, n) }, output: {} })
      })
      const instance = yield* executable.start({ n: scalar(1) })
      for (let step = 0; step < 10; step++) expect(yield* instance.step({})).toEqual({})
      expect(plain((yield* instance.read).n).data).toEqual([1024])
    }))
}
