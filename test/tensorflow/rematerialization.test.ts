/** Computing again in place of keeping, in TensorFlow. */
import { assert, describe, it } from "@effect/vitest"
import { Engine, stateless } from "@effusion/core/engine"
import { TensorflowEngine } from "@effusion/core/engine/tensorflow"
import type { HostTensor } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import { beforeEach, vi } from "vitest"
import type { lower } from "../../packages/core/src/engine/tensorflow/lowering/lower.ts"
import type { TensorflowModel } from "../../packages/core/src/engine/tensorflow/Model.ts"
import { tinyTrainingProgram } from "../support/tinyTraining.ts"

/** What the engine has lowered programs to. */
const lowered: Array<TensorflowModel> = vi.hoisted(() => [])

vi.mock("../../packages/core/src/engine/tensorflow/lowering/lower.ts", async (importOriginal) => {
  const original = await importOriginal<{ readonly lower: typeof lower }>()
  return {
    ...original,
    lower: (...call: Parameters<typeof lower>) => {
      const model = original.lower(...call)
      lowered.push(model)
      return model
    }
  }
})

beforeEach(() => {
  lowered.length = 0
})

/** Nodes that wait for another one before they hand on what they have: nothing but computing again asks for any. */
const waiting = ({ nodes }: TensorflowModel) =>
  nodes.filter(({ inputs, op }) => op === "Identity" && inputs.some((input) => input.startsWith("^")))

const train = (options: TensorflowEngine.Options) =>
  Effect.gen(function*() {
    const { input, program, state } = yield* tinyTrainingProgram
    const engine = yield* Engine
    const instance = yield* (yield* engine.compile(program)).start(state)
    const losses = yield* Effect.forEach([0, 1, 2], (step) =>
      Effect.map(instance.step(input(step)), ({ loss }) => loss.data[0]!))
    const { parameters } = (yield* instance.read) as { readonly parameters: HostTensor }
    return { losses, parameters: Array.from(parameters.data) }
  }).pipe(Effect.scoped, Effect.provide(TensorflowEngine.layer(options)))

describe("rematerialization", () => {
  for (const mode of ["graph", "auto"] as const) {
    it.live(`in mode ${mode} computes more, each time after something else, and trains to the same weights`, () =>
      Effect.gen(function*() {
        const kept = yield* train({ mode })
        const computed = yield* train({ mode, rematerialize: true })
        assert.strictEqual(lowered.length, 2)
        const [before, after] = lowered as [TensorflowModel, TensorflowModel]
        assert.isEmpty(waiting(before))
        assert.isNotEmpty(waiting(after))
        // What waits is besides what computes again.
        assert.isAbove(after.nodes.length, before.nodes.length + waiting(after).length)
        computed.losses.forEach((loss, i) => assert.closeTo(loss, kept.losses[i]!, 1e-5))
        computed.parameters.forEach((value, i) => assert.closeTo(value, kept.parameters[i]!, 1e-4))
      }))
  }

  it.live("is not done to what mode auto runs operation by operation, which it says", () =>
    Effect.gen(function*() {
      const program = stateless("whole", { n: { shape: [2], dtype: "int32" } }, ({ n }) => ({ y: tf.exp(n) }))
      const warningOf = (options: TensorflowEngine.Options) =>
        Effect.gen(function*() {
          return (yield* (yield* Engine).compile(program)).warning
        }).pipe(Effect.scoped, Effect.provide(TensorflowEngine.layer({ mode: "auto", ...options })))
      assert.match((yield* warningOf({}))!, /which is slower: program "whole"/)
      const warning = (yield* warningOf({ rematerialize: true }))!
      assert.match(warning, /which is slower, and keeps all that a step computes: program "whole"/)
    }))

  for (const mode of ["eager", "xla"] as const) {
    it.live(`is refused in mode ${mode}`, () =>
      Effect.gen(function*() {
        const { message } = yield* Effect.flip(train({ mode, rematerialize: true }))
        assert.include(message, `mode "${mode}" cannot; take mode "graph", or leave out rematerialize`)
      }))
  }
})
