/** Mode auto: what the first way refuses, and only that, goes another. */
import { assert, describe, it } from "@effect/vitest"
import {
  CompilationFailed,
  Engine,
  EngineUnavailable,
  InvalidProgram,
  type Program,
  stateless,
  type Tensors
} from "@effusion/core/engine"
import { float32 } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Context, Effect, Layer } from "effect"
import { withFallback } from "../../../../packages/core/src/engine/tensorflow/internal/withFallback.ts"
import * as EagerEngine from "../../../support/EagerEngine.ts"

const f32 = { shape: [2], dtype: "float32" } as const
const double = (name: string) => stateless(name, { x: f32 }, ({ x }: { x: tf.Tensor }) => ({ y: tf.mul(x, 2) }))

/** An engine that compiles what is called "good", and says of "bad" and of the rest what is wrong. */
const choosy = (working: Engine["Service"]): Engine["Service"] => ({
  ...working,
  name: "choosy",
  memory: Effect.succeed({ executables: 10, instances: 20, tensors: 30, bytes: 40 }),
  compile: <S extends Tensors, I extends Tensors, O extends Tensors>(program: Program<S, I, O>) =>
    program.name === "good"
      ? working.compile(program)
      : Effect.fail(
        program.name === "bad"
          ? new InvalidProgram({ program: program.name, reason: "it is bad" })
          : new CompilationFailed({ program: program.name, engine: "choosy", reason: "it is odd" })
      )
})

const working = Effect.map(Layer.build(EagerEngine.layer), (context) => Context.get(context, Engine))

describe("withFallback", () => {
  it.effect("takes the second engine for what the first refuses, and makes it once", () =>
    Effect.gen(function*() {
      const second = yield* working
      let made = 0
      const engine = yield* withFallback(
        choosy(second),
        Effect.sync(() => {
          made++
          return second
        })
      )
      assert.isUndefined((yield* engine.compile(double("good"))).warning)
      assert.strictEqual(made, 0)
      assert.deepStrictEqual(yield* engine.memory, { executables: 10, instances: 20, tensors: 30, bytes: 40 })
      for (const name of ["odd", "odder"]) {
        const executable = yield* engine.compile(double(name))
        assert.strictEqual(
          executable.warning,
          `program "${name}" runs operation by operation (mode eager), which is slower: the engine "choosy" could not ` +
            `compile program "${name}": it is odd`
        )
        const instance = yield* executable.start({})
        assert.deepStrictEqual(Array.from((yield* instance.step({ x: float32([2], [1, 2]) })).y.data), [2, 4])
      }
      assert.strictEqual(made, 1)
      // The two odd programs, and the good one that went to the same engine.
      assert.deepStrictEqual(yield* engine.memory, { executables: 13, instances: 22, tensors: 30, bytes: 40 })
    }))

  it.effect("warns that the second engine keeps what the first was to compute again", () =>
    Effect.gen(function*() {
      const second = yield* working
      const engine = yield* withFallback(choosy(second), Effect.succeed(second), { keepsAll: true })
      assert.strictEqual(
        (yield* engine.compile(double("odd"))).warning,
        "program \"odd\" runs operation by operation (mode eager), which is slower, and keeps all that a step computes: the " +
          "engine \"choosy\" could not compile program \"odd\": it is odd"
      )
    }))

  it.effect("leaves what is wrong with a program to the program", () =>
    Effect.gen(function*() {
      const engine = yield* withFallback(choosy(yield* working), Effect.die("it is not to be made"))
      assert.strictEqual((yield* Effect.flip(engine.compile(double("bad"))))._tag, "InvalidProgram")
    }))

  it.effect("says what the first engine said where the second does not work", () =>
    Effect.gen(function*() {
      const unavailable = new EngineUnavailable({ engine: "second", reason: "gone", remedy: "none" })
      const engine = yield* withFallback(choosy(yield* working), Effect.fail(unavailable))
      assert.match((yield* Effect.flip(engine.compile(double("odd")))).message, /it is odd/)
    }))
})
