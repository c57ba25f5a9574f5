/**
 * Accumulated gradients, from the command line: batches whose gradients make one step.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "vitest"
import { cli, temporaryFolder, tinyConfig } from "./support/cli.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

// A learning rate that moves no float32 weight: the loss of a batch says nothing of the steps before.
const config = tinyConfig(folder.path, { optimizer: { learningRate: 1e-30 } })

const lossesOf = async (name: string, ...flags: ReadonlyArray<string>) => {
  const run = join(folder.path, name)
  const { code, stderr, stdout } = await cli("train", "--config", config, "--json", "--out", run, ...flags)
  assert.strictEqual(code, 0, stderr)
  const metrics = readFileSync(join(run, "metrics.jsonl"), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line))
  const [start] = stdout.split("\n").map((line) => JSON.parse(line))
  return { start, run, losses: metrics.flatMap(({ loss }) => loss === undefined ? [] : [loss as number]) }
}

describe("effusion train --accumulate", () => {
  it("makes a step of so many batches: its loss is their mean", async () => {
    const single = await lossesOf("single", "--steps", "6")
    const { losses, run, start } = await lossesOf("accumulated", "--steps", "2", "--accumulate", "3")
    assert.include(start, { accumulate: 3, batchSize: 32 })
    assert.strictEqual(losses.length, 2)
    for (const [step, loss] of losses.entries()) {
      const batches = single.losses.slice(3 * step, 3 * step + 3)
      assert.closeTo(loss, batches.reduce((sum, one) => sum + one, 0) / 3, 1e-6)
    }

    // It is a part of what the run is: going on takes it up, and with another number it is another run.
    const longer = await cli("train", "--resume", run, "--steps", "3", "--json")
    assert.strictEqual(longer.code, 0, longer.stderr)
    const events = longer.stdout.split("\n").map((line) => JSON.parse(line))
    assert.include(events.find(({ event }) => event === "start"), { accumulate: 3, from: 2 })
    const other = await cli("train", "--resume", run, "--steps", "4", "--accumulate", "2")
    assert.strictEqual(other.code, 1)
    assert.match(other.stderr, /accumulate was 3 and is 2/)
  })

  it("says both factors of the effective batch", async () => {
    const { stdout } = await cli(
      "train",
      "--config",
      config,
      "--steps",
      "1",
      "--accumulate",
      "4",
      "--out",
      join(folder.path, "said")
    )
    assert.match(stdout, /1 steps of 4 x 32\./)
  })

  it("is refused by its flag where it is no number of batches", async () => {
    const { code, stderr } = await cli("train", "--config", config, "--accumulate", "0", "--dry-run")
    assert.strictEqual(code, 1)
    assert.match(stderr, /--accumulate: expected a whole number of at least 1, got 0/)
  })
})
