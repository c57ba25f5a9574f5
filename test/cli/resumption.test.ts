/**
 * What a resumed run keeps in memory: not the state that it was resumed from, which is as large as the one in the engine.
 */
import type * as core from "@effusion/core/training"
import { Effect } from "effect"
import { join } from "node:path"
import { afterAll, assert, it, vi } from "vitest"
import { uncollected } from "../support/collect.ts"
import { cli, temporaryFolder, tinyConfig } from "./support/cli.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

const { read, saved } = vi.hoisted(() => ({
  /** What was read from checkpoints, by step. */
  read: {} as { [name: string]: WeakRef<object> },
  /** What of it was still there when checkpoints were saved, by step. */
  saved: {} as { [step: number]: ReadonlyArray<string> }
}))

// The command line as it is, but for a look at the checkpoints that go in and out.
vi.mock("@effusion/core/training", async (original) => {
  const training = await original<typeof core>()
  const { Checkpoint } = training
  const latest: typeof Checkpoint.latest = (folder) =>
    Effect.tap(Checkpoint.latest(folder), ({ checkpoint }) =>
      Effect.sync(() => {
        if (checkpoint === undefined) return
        const { average, optimizer, parameters, step } = checkpoint.state
        read[`state ${step}`] = new WeakRef(checkpoint.state)
        for (const [group, tensors] of Object.entries({ parameters, average: average!, ...optimizer })) {
          for (const [name, { data }] of Object.entries(tensors)) {
            read[`state ${step}: ${group} ${name}`] = new WeakRef(data.buffer)
          }
        }
      }))
  const policy: typeof Checkpoint.policy = (options) => {
    const { save, ...policy } = Checkpoint.policy(options)
    return {
      ...policy,
      save: (state) =>
        Effect.gen(function*() {
          saved[state.step] = yield* uncollected(read)
          return yield* save(state)
        })
    }
  }
  return { ...training, Checkpoint: { ...Checkpoint, latest, policy } }
})

it("a resumed run lets go of the state that was read when it is in the engine", async () => {
  const run = join(folder.path, "run")
  const config = tinyConfig(folder.path, { checkpoints: { every: 5, keep: 1 } })
  const began = await cli("train", "--config", config, "--steps", "5", "--out", run)
  assert.strictEqual(began.code, 0, began.stderr)
  const resumed = await cli("train", "--resume", run, "--steps", "15")
  assert.strictEqual(resumed.code, 0, resumed.stderr)
  assert.isAbove(Object.keys(read).length, 8)
  assert.deepStrictEqual(saved, { 5: [], 10: [], 15: [] })
})
