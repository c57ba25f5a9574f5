/**
 * Who holds what in the eager mode, counted by the addon itself: between steps states and constants and nothing else,
 * however a step ended. The memory suite is held to the addon's count as well.
 */
import { expect, layer } from "@effect/vitest"
import { Engine, type Program, stateless, type Tensor } from "@effusion/core/engine"
import { float32 } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect, Layer } from "effect"
import * as fc from "fast-check"
import { constants } from "../../packages/core/src/engine/constants.ts"
import { property } from "../conformance/check.ts"
import { f32, plain } from "../conformance/tests.ts"
import { engineMemory } from "../memory/suite.ts"
import { eagerLayer, handles, uploads } from "./support/eager.ts"

engineMemory("tensorflow, eager", eagerLayer, {
  checksIndices: true,
  interruptions: {
    steps: 2000,
    hidden: 1024,
    megabytes: 32,
    counts: Effect.sync(() => ({ ...handles() }))
  },
  races: { runs: 20 }
})

const none = { tensors: 0, bytes: 0 }

/** What a random program does with the tensor it has, one thing after another. */
const deeds: { readonly [name: string]: (x: Tensor) => Tensor } = {
  add: (x) => tf.add(x, 1),
  sigmoid: (x) => tf.sigmoid(x),
  "gradient of a square": (x) => tf.grad((x) => tf.sum(tf.square(tf.sigmoid(x))))(x),
  "gradient of a softmax": (x) => tf.grad((x) => tf.sum(tf.mul(tf.softmax(x), x)))(x),
  "a gradient that throws, and is caught": (x) => {
    try {
      return tf.grad((x) => {
        tf.square(tf.sigmoid(x))
        throw new Error("caught")
      })(x)
    } catch {
      return tf.square(x)
    }
  },
  "a tensor that is kept": (x) => tf.keep(tf.mul(x, 0.5)),
  "a new tensor": (x) => tf.add(x, tf.tensor1d([1, 2, 3, 4])),
  "a disposed argument": (x) => {
    const y = tf.neg(x)
    x.dispose()
    return y
  },
  "sums by rows": (x) => tf.reshape(tf.sum(tf.reshape(x, [2, 2]), 1), [2, 1]).tile([1, 2]).reshape([4]),
  constants: (x) => tf.add(x, constants({ weights })["weights"]!)
}
const weights = float32([4], [1, 2, 3, 4])

/** Where a step fails: before which deed, and whether inside a gradient that has saved tensors already. */
interface Failure {
  readonly before: number
  readonly inGradient: boolean
}

/** The failure of the step that runs now; tracing has none. */
let failure: Failure | undefined

const fail = (x: Tensor): never => {
  if (failure?.inGradient !== true) throw new Error("on purpose")
  tf.grad((x) => {
    tf.square(tf.sigmoid(x))
    throw new Error("on purpose")
  })(x)
  throw new Error("the gradient did not throw")
}

type Named = { readonly [name: string]: Tensor }

const programOf = (names: ReadonlyArray<string>): Program<Named, Named, Named> => ({
  name: "random",
  state: { a: f32(4), b: f32(4), c: f32(2) },
  input: { x: f32(4) },
  apply: ({ a, b, c }, { x }) => {
    // Of the state: one changes, one is what another was, one stays.
    let y = tf.add(tf.clone(a!), x!)
    names.forEach((name, i) => {
      if (failure?.before === i) fail(y)
      y = deeds[name]!(y)
    })
    if (failure?.before === names.length) fail(y)
    return { state: { a: y, b: tf.clone(b!), c: c! }, output: { y: tf.sum(y), b: b! } }
  }
})

const state = { a: float32([4], [1, 2, 3, 4]), b: float32([4], [0, 0, 0, 0]), c: float32([2], [1, 1]) }
const input = { x: float32([4], [0.5, 0.5, 0.5, 0.5]) }
const stateHandles = { tensors: 3, bytes: 40 }

/** What tfjs counts, without choosing a backend for it. */
const counted = () => {
  const { numBytes, numDataBuffers, numTensors } = tf.engine().state
  return { backend: tf.getBackend(), numBytes, numDataBuffers, numTensors }
}

layer(eagerLayer, { excludeTestServices: true })("the memory of the eager mode", (it) => {
  it.effect("programs that fail at random places leave the state, and then nothing", () =>
    property(
      fc.record({
        names: fc.array(fc.constantFrom(...Object.keys(deeds)), { maxLength: 8 }),
        before: fc.nat(8),
        inGradient: fc.boolean()
      }),
      Effect.fnUntraced(function*({ before, inGradient, names }) {
        const engine = yield* Engine
        expect(handles()).toEqual(none)
        const outside = counted()
        const held = names.includes("constants") ? { tensors: 4, bytes: 56 } : stateHandles
        yield* Effect.scoped(Effect.gen(function*() {
          const executable = yield* engine.compile(programOf(names))
          const instance = yield* executable.start(state)
          expect(handles()).toEqual(stateHandles)
          for (let step = 0; step < 2; step++) {
            yield* instance.step(input)
            expect(handles()).toEqual(held)
          }
          yield* instance.write(state)
          yield* instance.read
          expect(handles()).toEqual(held)
          failure = { before: Math.min(before, names.length), inGradient }
          const error = yield* Effect.flip(instance.step(input)).pipe(
            Effect.ensuring(Effect.sync(() => {
              failure = undefined
            }))
          )
          expect(error.message).toMatch(/on purpose/)
          expect(handles()).toEqual(held)
          expect(counted()).toEqual(outside)
          // The instance has ended; another one steps.
          expect((yield* Effect.flip(instance.read)).message).toMatch(/an earlier step failed/)
          yield* (yield* executable.start(state)).step(input)
          expect(handles().tensors).toBe(held.tensors + 3)
        }))
        expect(handles()).toEqual(none)
        expect(counted()).toEqual(outside)
      }),
      { numRuns: 60 }
    ))

  it.effect("a step that fails after it has computed its next state leaves the state before", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      let broken = false
      const executable = yield* engine.compile<Named, {}, Named>({
        name: "impure",
        state: { a: f32(2) },
        input: {},
        apply: ({ a }) => ({ state: { a: tf.add(a!, 1) }, output: { y: broken ? tf.concat([a!, a!]) : a! } })
      })
      const instance = yield* executable.start({ a: float32([2], [1, 2]) })
      yield* instance.step({})
      broken = true
      const error = yield* Effect.flip(instance.step({}))
      expect(error._tag).toBe("ExecutionFailed")
      expect(error.message).toMatch(/output "y" is float32 \[4\], and was float32 \[2\] when it was compiled/)
      expect(handles()).toEqual({ tensors: 1, bytes: 8 })
    }))

  it.effect("an error of TensorFlow's is ExecutionFailed, in one line, and leaves nothing", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      let size = 2
      const executable = yield* engine.compile(
        stateless<{ x: Tensor }, Named>("misfit", { x: f32(2) }, ({ x }) => ({
          // tfjs checks shapes itself, but not what a kernel is told of them.
          y: tf.engine().runKernel("Reshape", { x: tf.tile(x, [size / 2]) }, { shape: [2] })
        }))
      )
      const instance = yield* executable.start({})
      yield* instance.step({ x: float32([2], [1, 2]) })
      size = 4
      const error = yield* Effect.flip(instance.step({ x: float32([2], [1, 2]) }))
      expect(error._tag).toBe("ExecutionFailed")
      expect(error.message).not.toContain("\n")
      expect(handles()).toEqual(none)
    }))

  it.effect("constants are uploaded once, and gone with their program", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      const size = 1_234
      const weights = float32([size], new Float32Array(size).fill(2))
      const program = stateless<{ x: Tensor }, Named>("scaled", { x: f32(size) }, ({ x }) => {
        const { again, matrix, scale } = constants({
          scale: weights,
          again: weights,
          matrix: { ...weights, shape: [2, size / 2] }
        })
        return { y: tf.sum(tf.mul(x, tf.mul(scale!, again!))), columns: tf.sum(matrix!, 0) }
      })
      const x = { x: float32([size], new Float32Array(size).fill(1)) }
      const before = uploads.get(size) ?? 0
      yield* Effect.scoped(Effect.gen(function*() {
        const executable = yield* engine.compile(program)
        const [left, right] = [yield* executable.start({}), yield* executable.start({})]
        for (let step = 0; step < 5; step++) {
          for (const instance of [left, right]) {
            const { columns, y } = yield* instance.step(x)
            expect(plain(y!).data).toEqual([4 * size])
            expect(columns!.data.length).toBe(size / 2)
            expect(columns!.data.every((sum) => sum === 4)).toBe(true)
          }
          expect(handles()).toEqual({ tensors: 1, bytes: 4 * size })
        }
        // Ten inputs and one constant.
        expect(uploads.get(size)).toBe(before + 11)
        expect(yield* engine.memory).toEqual({ executables: 1, instances: 2, tensors: 0, bytes: 0 })
      }))
      expect(handles()).toEqual(none)
      expect(Array.from(new Set(weights.data))).toEqual([2])
    }))

  it.effect("constants that are made anew at every step do not pile up, and a step that fails keeps those before", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      let failing = false
      const program = stateless<{}, Named>("anew", {}, () => {
        const { c } = constants({ c: float32([3], [1, 2, 3]) })
        if (failing) throw new Error("on purpose")
        return { y: tf.neg(c!) }
      })
      yield* Effect.scoped(Effect.gen(function*() {
        const executable = yield* engine.compile(program)
        const instance = yield* executable.start({})
        for (let step = 0; step < 5; step++) {
          expect(plain((yield* instance.step({})).y!).data).toEqual([-1, -2, -3])
          expect(handles()).toEqual({ tensors: 1, bytes: 12 })
        }
        failing = true
        yield* Effect.flip(instance.step({}))
        expect(handles()).toEqual({ tensors: 1, bytes: 12 })
      }))
      expect(handles()).toEqual(none)
    }))

  it.effect("two engines in one process each count what they hold themselves", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      const other = (yield* Layer.build(Layer.fresh(eagerLayer))).pipe((context) => Effect.provide(Engine, context))
      const second = yield* other
      const first = yield* (yield* engine.compile(programOf([]))).start(state)
      expect(yield* second.memory).toEqual({ executables: 0, instances: 0, tensors: 0, bytes: 0 })
      const instance = yield* (yield* second.compile(programOf(["add"]))).start(state)
      expect(plain((yield* instance.step(input))["y"]!).data).toEqual([16])
      expect(plain((yield* first.step(input))["y"]!).data).toEqual([12])
      for (const one of [engine, second]) {
        expect(yield* one.memory).toEqual({ executables: 1, instances: 1, ...stateHandles })
      }
      expect(handles()).toEqual({ tensors: 6, bytes: 80 })
    }))

  it.effect("tensors that others have on the same backend are theirs", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      const present = tf.getBackend()
      yield* Effect.promise(() => tf.setBackend("tensorflow"))
      const theirs = tf.add([1, 2], [3, 4])
      const instance = yield* (yield* engine.compile(programOf(["sigmoid"]))).start(state)
      yield* instance.step(input)
      expect(Array.from(theirs.dataSync())).toEqual([4, 6])
      expect(handles().tensors).toBeGreaterThan(stateHandles.tensors)
      theirs.dispose()
      if (present !== undefined) yield* Effect.promise(() => tf.setBackend(present))
    }))
})
