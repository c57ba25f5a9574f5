import { assert, describe, it, layer } from "@effect/vitest"
import { CompilationFailed, EngineUnavailable, ExecutionFailed, SignatureMismatch } from "@effusion/core/engine"
import { sizeOf } from "@effusion/core/tensor"
import { Effect, Exit } from "effect"
import * as fc from "fast-check"
import { type Compilation, makeRuntime } from "../../../../packages/core/src/engine/onnx/internal/Runtime.ts"
import {
  accumulate,
  accumulateState as zeros,
  compilation,
  copyingWorker,
  elementsOf,
  evaluate,
  f32,
  i32,
  instanceOf,
  node,
  nothingHeld,
  runtimeLayer,
  slow,
  slowState,
  tensor,
  TestRuntime,
  x
} from "./models.ts"

const workers = [
  ["runtime", runtimeLayer({ threads: 2 })],
  ["runtime that cannot write in place", runtimeLayer({ threads: 2, worker: copyingWorker })]
] as const

for (const [name, runtime] of workers) {
  layer(runtime)(name, (it) => {
    it.effect("says what it computes on", () =>
      Effect.gen(function*() {
        const { device } = yield* TestRuntime
        assert.strictEqual(device.kind, "cpu")
        assert.strictEqual(device.threads, 2)
        assert.isNotEmpty(device.description)
      }))

    it.effect("steps a state forward and gives the outputs; what the program has no use for stays", () =>
      Effect.gen(function*() {
        const instance = yield* instanceOf(yield* TestRuntime, accumulate, zeros)
        for (const n of [1, 2, 3, 4]) {
          const output = yield* instance.step(x(n, 10 * n, -n))
          const sum = n * (n + 1) / 2
          assert.deepStrictEqual(elementsOf(output), { doubled: [2 * sum, 20 * sum, -2 * sum] })
        }
        const state = yield* instance.read
        assert.deepStrictEqual(elementsOf(state), { sum: [10, 100, -10], count: [4], unused: [8, 9] })
        assert.deepStrictEqual(state["count"]!.shape, [])
        assert.instanceOf(state["count"]!.data, Int32Array)
      }))

    it.effect("replaces the state by another", () =>
      Effect.gen(function*() {
        const instance = yield* instanceOf(yield* TestRuntime, accumulate, zeros)
        yield* instance.step(x(1, 1, 1))
        yield* instance.step(x(1, 1, 1))
        const other = { ...zeros, sum: tensor(f32(3), [100, 200, 300]), unused: tensor(f32(2), [1, 1]) }
        yield* instance.write(other)
        assert.deepStrictEqual(elementsOf(yield* instance.read), elementsOf(other))
        yield* instance.step(x(1, 2, 3))
        assert.deepStrictEqual(elementsOf(yield* instance.read), { sum: [101, 202, 303], count: [1], unused: [1, 1] })
      }))

    it.effect("leaves the caller's arrays alone, and what it gave out too", () =>
      Effect.gen(function*() {
        const instance = yield* instanceOf(yield* TestRuntime, accumulate, zeros)
        const input = x(1, 2, 3)
        const first = yield* instance.read
        const outputs = [yield* instance.step(input), yield* instance.step(input), yield* instance.step(input)]
        assert.deepStrictEqual(elementsOf(zeros), { sum: [0, 0, 0], count: [0], unused: [8, 9] })
        assert.deepStrictEqual(elementsOf(input), { x: [1, 2, 3] })
        assert.deepStrictEqual(elementsOf(first), { sum: [0, 0, 0], count: [0], unused: [8, 9] })
        assert.deepStrictEqual(outputs.map((output) => elementsOf(output)["doubled"]), [[2, 4, 6], [4, 8, 12], [
          6,
          12,
          18
        ]])
      }))

    it.effect("takes tensors that are views into larger arrays, and one tensor for two inputs", () =>
      Effect.gen(function*() {
        const add = compilation({
          input: { a: f32(2), b: f32(2) },
          output: { sum: f32(2) },
          nodes: [node("Add", ["input.a", "input.b"], ["output.sum"])]
        })
        const view = { ...f32(2), data: Float32Array.of(0, 0, 3, 4, 0).subarray(2, 4) }
        const output = yield* evaluate(yield* TestRuntime, add, { a: view, b: view })
        assert.deepStrictEqual(elementsOf(output), { sum: [6, 8] })
        assert.strictEqual(view.data.buffer.byteLength, 20)
      }))

    it.effect("lets instances of one program go their own ways", () =>
      Effect.gen(function*() {
        const executable = yield* (yield* TestRuntime).compileModel(accumulate)
        const [a, b] = [
          yield* executable.start(zeros),
          yield* executable.start({ ...zeros, sum: tensor(f32(3), [5, 5, 5]) })
        ]
        yield* Effect.all([a.step(x(1, 0, 0)), b.step(x(0, 1, 0)), a.step(x(1, 0, 0))], { concurrency: "unbounded" })
        assert.deepStrictEqual(elementsOf(yield* a.read), { sum: [2, 0, 0], count: [2], unused: [8, 9] })
        assert.deepStrictEqual(elementsOf(yield* b.read), { sum: [5, 6, 5], count: [1], unused: [8, 9] })
      }))

    it.effect("runs programs that have nothing to compute", () =>
      Effect.gen(function*() {
        const idle = compilation({ state: { w: f32(2) }, input: { x: f32(3) }, nodes: [] })
        const instance = yield* instanceOf(yield* TestRuntime, idle, { w: tensor(f32(2), [1, 2]) })
        assert.deepStrictEqual(yield* instance.step(x(1, 2, 3)), {})
        assert.deepStrictEqual(elementsOf(yield* instance.read), { w: [1, 2] })
      }))

    it.effect("gives the same numbers every time", () =>
      Effect.gen(function*() {
        const runtime = yield* TestRuntime
        const matrix = tensor(f32(640, 640), Float32Array.from({ length: 640 * 640 }, (_, i) => Math.sin(i) / 30))
        const once = Effect.scoped(Effect.gen(function*() {
          const instance = yield* instanceOf(runtime, slow, { ...slowState, matrix })
          yield* instance.step({})
          return (yield* instance.read)["matrix"]!.data
        }))
        const first = yield* once
        assert.isTrue(first.some((element) => element !== 0))
        for (let i = 0; i < 3; i++) assert.deepStrictEqual(yield* once, first)
      }))
  })
}

describe("bad arguments", () => {
  const wrongInput: ReadonlyArray<
    readonly [string, unknown, { readonly argument: string; readonly expected: string; readonly actual: string }]
  > = [
    ["a missing name", {}, { argument: `input "x"`, expected: "float32 [3]", actual: "nothing" }],
    ["another shape", { x: tensor(f32(3, 1), [1, 2, 3]) }, {
      argument: `input "x"`,
      expected: "float32 [3]",
      actual: "float32 [3, 1]"
    }],
    ["another dtype", { x: tensor(i32(3), [1, 2, 3]) }, {
      argument: `input "x"`,
      expected: "float32 [3]",
      actual: "int32 [3]"
    }],
    [
      "too few elements",
      { x: { ...f32(3), data: new Float32Array(2) } },
      { argument: `input "x"`, expected: "float32 [3]", actual: "float32 [3] in a Float32Array of 2 elements" }
    ],
    [
      "an array of another type",
      { x: { ...f32(3), data: new Int32Array(3) } },
      { argument: `input "x"`, expected: "float32 [3]", actual: "float32 [3] in a Int32Array of 3 elements" }
    ],
    [
      "a name too many",
      { ...x(1, 2, 3), toString: tensor(f32(1), [1]) },
      { argument: `input "toString"`, expected: `absent (it has input "x")`, actual: "float32 [1]" }
    ]
  ]

  layer(runtimeLayer({ threads: 1 }))((it) => {
    for (const [what, input, expected] of wrongInput) {
      it.effect(`${what} in an input is a mismatch, and the instance goes on`, () =>
        Effect.gen(function*() {
          const instance = yield* instanceOf(yield* TestRuntime, accumulate, zeros)
          const error = yield* Effect.flip(instance.step(input as ReturnType<typeof x>))
          assert.instanceOf(error, SignatureMismatch)
          assert.deepInclude(error, { program: "accumulate", ...expected })
          yield* instance.step(x(1, 2, 3))
          assert.deepStrictEqual(elementsOf(yield* instance.read)["sum"], [1, 2, 3])
        }))
    }

    it.effect("a wrong state is a mismatch, at the start and when it is written", () =>
      Effect.gen(function*() {
        const runtime = yield* TestRuntime
        const executable = yield* runtime.compileModel(accumulate)
        const wrong = { ...zeros, sum: tensor(f32(2), [1, 2]) }
        const expected = { argument: `state "sum"`, expected: "float32 [3]", actual: "float32 [2]" }
        assert.deepInclude(yield* Effect.flip(Effect.scoped(executable.start(wrong))), expected)
        const instance = yield* executable.start(zeros)
        assert.deepInclude(yield* Effect.flip(instance.write(wrong)), expected)
        assert.deepStrictEqual(elementsOf(yield* instance.read), elementsOf(zeros))
      }))
  })

  it.effect("any difference from the signature is found, and nothing else", () =>
    Effect.gen(function*() {
      const runtime = yield* makeRuntime({ threads: 1 })
      const spec = fc.record({
        dtype: fc.constantFrom("float32" as const, "int32" as const),
        shape: fc.array(fc.nat(2), { maxLength: 2 })
      })
      const specs = fc.dictionary(fc.constantFrom("a", "b", "c"), spec)
      const differs = (a: object, b: object) => JSON.stringify(sorted(a)) !== JSON.stringify(sorted(b))
      const sorted = (record: object) =>
        Object.entries(record).sort(([a], [b]) => a < b ? -1 : 1).map((
          [name, { dtype, shape }]
        ) => [name, dtype, shape])
      const zerosOf = (specs: Compilation["signature"]["input"]) =>
        Object.fromEntries(
          Object.entries(specs).map(([name, spec]) => [
            name,
            tensor(spec, new Float32Array(sizeOf(spec.shape)))
          ])
        )
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(specs, fc.oneof(specs, fc.constant(undefined)), async (declared, given) => {
            const program = compilation({ input: declared, nodes: [] })
            const exit = await Effect.runPromiseExit(evaluate(runtime, program, zerosOf(given ?? declared)))
            assert.strictEqual(Exit.isFailure(exit), differs(declared, given ?? declared))
          }),
          { numRuns: 50 }
        )
      )
    }))
})

layer(runtimeLayer({ threads: 1 }))("models that cannot be run", (it) => {
  it.effect("an unknown operator fails to compile, with ONNX Runtime's words in one line", () =>
    Effect.gen(function*() {
      const runtime = yield* TestRuntime
      const bad = compilation({
        name: "bad",
        input: { x: f32(3) },
        output: { y: f32(3) },
        nodes: [node("Frobnicate", ["input.x"], ["output.y"])]
      })
      const error = yield* Effect.flip(Effect.scoped(runtime.compileModel(bad)))
      assert.instanceOf(error, CompilationFailed)
      assert.match(
        error.message,
        /^the engine "onnx" could not compile program "bad": .*No Op registered for Frobnicate[^\n]*$/
      )
      assert.deepStrictEqual(yield* runtime.memory, nothingHeld)
    }))

  it.effect("a model that does not keep to its signature fails to compile", () =>
    Effect.gen(function*() {
      const runtime = yield* TestRuntime
      const good = accumulate.model
      const reasonOf = (model: Partial<Compilation["model"]>) =>
        Effect.scoped(runtime.compileModel({ ...accumulate, model: { ...good, ...model } })).pipe(
          Effect.flip,
          Effect.map(({ reason }) => reason)
        )
      const odd = { name: "input.z", dtype: "float32", shape: [3] } as const
      assert.strictEqual(
        yield* reasonOf({ inputs: [odd] }),
        `the model's input "input.z" is not in the program's signature`
      )
      assert.strictEqual(
        yield* reasonOf({ inputs: [{ ...odd, name: "input.x", shape: [4] }] }),
        `the model's input "input.x" is float32 [4], and the program's is float32 [3]`
      )
      assert.strictEqual(
        yield* reasonOf({ outputs: [{ ...odd, name: "state.sum" }] }),
        `the model's output "state.sum" is not in the program's signature`
      )
      assert.strictEqual(yield* reasonOf({ outputs: [] }), `the model lacks the output "output.doubled"`)
      const initializers = [{ name: "one", dtype: "int32", shape: [3], data: [1] }] as const
      assert.strictEqual(
        yield* reasonOf({ initializers }),
        `initializer "one" has 1 elements, and its shape asks for 3`
      )
    }))

  it.effect("a step that fails says why, ends the instance, and no other", () =>
    Effect.gen(function*() {
      const pick = compilation({
        name: "pick",
        state: { w: f32(2) },
        input: { i: i32(1) },
        output: { y: f32(1) },
        nodes: [node("Gather", ["state.w", "input.i"], ["output.y"]), node("Neg", ["state.w"], ["next.w"])]
      })
      const executable = yield* (yield* TestRuntime).compileModel(pick)
      const state = { w: tensor(f32(2), [1, 2]) }
      const [failing, other] = [yield* executable.start(state), yield* executable.start(state)]
      const at = (i: number) => ({ i: tensor(i32(1), [i]) })
      const error = yield* Effect.flip(failing.step(at(7)))
      assert.instanceOf(error, ExecutionFailed)
      assert.match(
        error.message,
        /^the engine "onnx" failed while running program "pick": [^\n]*idx=7 must be within[^\n]*$/
      )
      for (const use of [failing.step(at(0)), failing.read, failing.write(state)]) {
        const later = yield* Effect.flip(Effect.asVoid(use as typeof failing.read))
        assert.match(later.message, /an earlier step failed: .*idx=7/)
      }
      assert.deepStrictEqual(elementsOf(yield* other.step(at(1))), { y: [2] })
    }))
})

describe("makeRuntime", () => {
  const unavailable = (options: Parameters<typeof makeRuntime>[0]) => Effect.flip(Effect.scoped(makeRuntime(options)))
  const workerAt = (path: string) => new URL(path, import.meta.url)

  it.effect("refuses a number of threads that is none", () =>
    Effect.gen(function*() {
      for (const threads of [0, -1, 1.5, Number.NaN]) {
        const error = yield* unavailable({ threads })
        assert.instanceOf(error, EngineUnavailable)
        assert.match(
          error.message,
          new RegExp(`it was asked to use ${threads} threads; give a whole number of threads`)
        )
      }
    }))

  it.effect("says what is missing where ONNX Runtime does not load", () =>
    Effect.gen(function*() {
      const missing = yield* unavailable({ worker: workerAt("./workers/unavailable.ts") })
      assert.match(missing.message, /does not work here: Cannot find module 'onnxruntime-node'; .* must be installed/)
      const broken = yield* unavailable({ worker: workerAt("./workers/broken.ts") })
      assert.match(broken.message, /its worker thread failed: this module is broken/)
      const absent = yield* unavailable({ worker: workerAt("./workers/absent.ts") })
      assert.match(absent.message, /its worker thread failed: Cannot find module/)
    }))
})
