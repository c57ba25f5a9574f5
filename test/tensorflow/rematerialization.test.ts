/** Computing again in place of keeping, in TensorFlow. */
import { assert, describe, it } from "@effect/vitest"
import { Engine } from "@effusion/core/engine"
import { TensorflowEngine } from "@effusion/core/engine/tensorflow"
import type { HostTensor } from "@effusion/core/tensor"
import { Effect } from "effect"
import { tinyTrainingProgram } from "../support/tinyTraining.ts"

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
  it.live("trains to the same weights", () =>
    Effect.gen(function*() {
      const kept = yield* train({ mode: "graph" })
      const computed = yield* train({ mode: "graph", rematerialize: true })
      computed.losses.forEach((loss, i) => assert.closeTo(loss, kept.losses[i]!, 1e-5))
      computed.parameters.forEach((value, i) => assert.closeTo(value, kept.parameters[i]!, 1e-4))
    }))

  it.live("is refused in mode eager", () =>
    Effect.gen(function*() {
      const { message } = yield* Effect.flip(train({ mode: "eager", rematerialize: true }))
      assert.match(message, /mode "eager" cannot; take mode "graph", or leave out rematerialize/)
    }))
})
