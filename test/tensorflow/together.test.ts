/** Several engines in one process, and programs that lack what others have. */
import { assert, describe, it } from "@effect/vitest"
import { Engine, type Program, stateless, type Tensor } from "@effusion/core/engine"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { TensorflowEngine } from "@effusion/core/engine/tensorflow"
import { float32, type HostTensor, int32 } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Context, Effect, Layer } from "effect"

const f32 = (...shape: ReadonlyArray<number>) => ({ shape, dtype: "float32" } as const)
const elements = ({ data }: HostTensor) => Array.from(data)

const layers = {
  onnx: OnnxEngine.layer(),
  graph: TensorflowEngine.layer({ mode: "graph" }),
  "another graph": TensorflowEngine.layer({ mode: "graph", device: "auto" }),
  eager: TensorflowEngine.layer({ mode: "eager" }),
  auto: TensorflowEngine.layer()
}

const all = Effect.forEach(
  Object.entries(layers),
  ([name, layer]) =>
    Effect.map(Layer.build(Layer.fresh(layer)), (context) => [name, Context.get(context, Engine)] as const)
)

/** Runs the same on every engine, while the others live. */
const onEach = (f: (engine: Engine["Service"], name: string) => Effect.Effect<void, unknown>) =>
  Effect.scoped(
    Effect.flatMap(all, (engines) =>
      Effect.forEach(engines, ([name, engine]) =>
        f(engine, name), { discard: true, concurrency: "unbounded" }))
  )

const nothing = { executables: 0, instances: 0, tensors: 0, bytes: 0 }

describe("engines that live together", () => {
  it.live("count what is whole and what is not, under names of any script", () =>
    onEach(Effect.fnUntraced(function*(engine, name) {
      const program: Program<{ "zähler, 計": Tensor; "x.y:0": Tensor }, { "ввод": Tensor }, { "é\u0301 ^": Tensor }> = {
        name: "счёт /0",
        state: { "zähler, 計": { shape: [2], dtype: "int32" }, "x.y:0": f32() },
        input: { ввод: f32(4) },
        apply: ({ "x.y:0": sum, "zähler, 計": count }, { ввод: x }) => ({
          state: {
            "zähler, 計": tf.add(count, tf.scalar(1, "int32")),
            "x.y:0": tf.add(sum, tf.sum(tf.slice(x, 0, 1)))
          },
          output: { "é\u0301 ^": tf.mul(x, 1) }
        })
      }
      yield* Effect.scoped(Effect.gen(function*() {
        const instance = yield* (yield* engine.compile(program)).start({
          "zähler, 計": int32([2], [0, 2 ** 31 - 5]),
          "x.y:0": float32([], [0])
        })
        for (let step = 1; step <= 3; step++) {
          const x = [step, NaN, Infinity, -Infinity]
          const { "é\u0301 ^": y } = yield* instance.step({ ввод: float32([4], x) })
          assert.deepStrictEqual(elements(y), x, name)
        }
        const state = yield* instance.read
        assert.deepStrictEqual(elements(state["zähler, 計"]), [3, 2 ** 31 - 2], name)
        assert.deepStrictEqual(elements(state["x.y:0"]), [6], name)
      }))
      assert.deepStrictEqual(yield* engine.memory, nothing, name)
    })))

  it.live("run programs without state, without input, without output, and without all of them", () =>
    onEach(Effect.fnUntraced(function*(engine, name) {
      const run = Effect.fnUntraced(function*<I extends { readonly [name: string]: Tensor }>(
        program: Program<{}, I, { readonly [name: string]: Tensor }>,
        input: { readonly [K in keyof I]: HostTensor }
      ) {
        const instance = yield* (yield* engine.compile(program)).start({})
        yield* instance.write({})
        assert.deepStrictEqual(yield* instance.read, {}, name)
        yield* instance.step(input)
        return yield* instance.step(input)
      }, Effect.scoped)
      const constant = yield* run(stateless("constant", {}, () => ({ y: tf.tensor1d([1, 2]) })), {})
      assert.deepStrictEqual(elements(constant["y"]!), [1, 2], name)
      assert.deepStrictEqual(
        yield* run(stateless("sink", { x: f32(2) }, () => ({})), { x: float32([2], [1, 2]) }),
        {},
        name
      )
      assert.deepStrictEqual(yield* run(stateless("nothing", {}, () => ({})), {}), {}, name)
      const empty = yield* run(stateless("empty", { x: f32(0, 3) }, ({ x }) => ({ y: tf.add(x, 1) })), {
        x: float32([0, 3], [])
      })
      assert.deepStrictEqual(empty["y"]!.shape, [0, 3], name)
    })))
})
