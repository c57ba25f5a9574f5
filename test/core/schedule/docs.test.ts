/**
 * The programs in docs/schedules.md run as they stand there.
 */
import { assert, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "../../..")

const programs = [...readFileSync(join(root, "docs/schedules.md"), "utf8").matchAll(/```ts\n(.*?)```/gs)]
  .map(([, code]) => code!)

/** Runs a program beside the tests, so that it finds the packages as a project of the user's would. */
const run = (code: string, then: (file: string) => ReadonlyArray<string> = (file) => [file]) => {
  const folder = mkdtempSync(join(root, "test", ".readme-"))
  try {
    const file = join(folder, "mine.ts")
    writeFileSync(file, code)
    const { status, stderr, stdout } = spawnSync(process.execPath, then(file), { encoding: "utf8", cwd: folder })
    assert.strictEqual(status, 0, stderr)
    return stdout
  } finally {
    rmSync(folder, { recursive: true })
  }
}

it("makes schedules of one's own", () => {
  const lines = run(programs[0]!).trim().split("\n")
  const [betas, alphaBars] = lines[0]!.split(" ").map(Number)
  assert.closeTo(betas!, 0.0864 / (1 - 0.0864), 1e-12)
  assert.strictEqual(betas, alphaBars)
  assert.include(lines[1], "beta at t = 1 is 1.2; every beta lies between 0 and 1")
})

it("compares one's own with others", () => {
  const main = join(root, "packages/cli/src/main.ts")
  const stdout = run(programs[0]!, (file) => [main, "schedule", "cosine", file])
  assert.match(stdout, /^cosine, 1000 timesteps$/m)
  assert.match(stdout, /mine.ts, 1000 timesteps$/m)
  assert.match(stdout, /^ +500 .* 0\.249001 /m)
})

it("learns a schedule", () => {
  const [, before, after] = /bound: (-?[\d.]+) nats per coordinate, then (-?[\d.]+)/.exec(run(programs[1]!))!
  assert.isBelow(Number(after), Number(before) / 2)
})
