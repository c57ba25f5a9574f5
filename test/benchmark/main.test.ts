/**
 * The benchmark's command line. What it measures is never asserted.
 */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, it } from "vitest"

const main = fileURLToPath(new URL("main.ts", import.meta.url))

const run = (...flags: ReadonlyArray<string>) => {
  const { status, stderr, stdout } = spawnSync(
    process.execPath,
    [main, "training-step", "--config", "small", "--steps", "1", ...flags],
    { encoding: "utf8" }
  )
  assert.strictEqual(status, 0, stderr)
  return stdout
}

it("times a training step: as a row of a table, or as JSON", () => {
  assert.match(run(), /^\s*small\s+1112801\s+32(\s+[\d.]+){5}\s*$/)
  const timing = JSON.parse(run("--json"))
  assert.hasAllKeys(timing, [
    "config",
    "parameters",
    "batch",
    "median_ms",
    "min_ms",
    "gflops",
    "peak_rss_mib",
    "first_step_ms"
  ])
  assert.include(timing, { config: "small", parameters: 1_112_801, batch: 32 })
  assert.isAbove(timing.gflops, 0)
})
