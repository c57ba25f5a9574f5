/**
 * What is in the engine when a run's steps are done: nothing of the training, for evaluating and drawing take memory too.
 */
import { Engine } from "@effusion/core/engine"
import type { EngineMemory } from "@effusion/core/engine"
import type * as core from "@effusion/core/training"
import { Effect } from "effect"
import { join } from "node:path"
import { afterAll, assert, it, vi } from "vitest"
import { uncollected } from "../support/collect.ts"
import { cli, temporaryFolder, tinyConfig } from "./support/cli.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

const { memory, saved, still } = vi.hoisted(() => ({
  /** What the engine held when evaluations began. */
  memory: [] as Array<EngineMemory>,
  /** The state that was saved last, by its parts. */
  saved: {} as { [name: string]: WeakRef<object> },
  /** What of it was still there when an evaluation began. */
  still: [] as Array<ReadonlyArray<string>>
}))

// The command line as it is, but for a look at the engine and at the last state.
vi.mock("@effusion/core/training", async (original) => {
  const training = await original<typeof core>()
  const evaluate = ((options: Parameters<typeof training.Training.evaluate>[0]) =>
    Effect.gen(function*() {
      memory.push(yield* (yield* Engine).memory)
      still.push(yield* uncollected(saved))
      return yield* training.Training.evaluate(options)
    })) as typeof training.Training.evaluate
  const policy: typeof training.Checkpoint.policy = (options) => {
    const { save, ...policy } = training.Checkpoint.policy(options)
    return {
      ...policy,
      save: (state) => {
        for (const [name, tensors] of Object.entries(state.optimizer)) {
          saved[name] = new WeakRef(Object.values(tensors)[0]!.data.buffer)
        }
        return save(state)
      }
    }
  }
  return {
    ...training,
    Training: { ...training.Training, evaluate },
    Checkpoint: { ...training.Checkpoint, policy }
  }
})

it("nothing of the training is left when the network is evaluated", async () => {
  const run = join(folder.path, "run")
  const { code, stderr } = await cli("train", "--config", tinyConfig(folder.path), "--steps", "3", "--out", run)
  assert.strictEqual(code, 0, stderr)
  assert.deepStrictEqual(memory, [{ executables: 0, instances: 0, tensors: 0, bytes: 0 }])
  assert.isAbove(Object.keys(saved).length, 1)
  assert.deepStrictEqual(still, [[]])
})
