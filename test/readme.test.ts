/**
 * The program in the README runs as it stands there.
 */
import { assert, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "..")

it("runs the first pipeline of the README", () => {
  const [, code] = /```ts\n(.*?)```/s.exec(readFileSync(join(root, "README.md"), "utf8"))!
  // Beside the tests, so that the packages are found as a project of the user's would find them.
  const folder = mkdtempSync(join(root, "test", ".readme-"))
  try {
    const file = join(folder, "first.ts")
    writeFileSync(file, code!)
    const { status, stderr, stdout } = spawnSync(process.execPath, [file], { encoding: "utf8" })
    assert.strictEqual(status, 0, stderr)
    const losses = [...stdout.matchAll(/step (\d+): loss ([\d.]+)/g)]
    assert.deepStrictEqual(losses.map(([, step]) => Number(step)), [250, 500, 750, 1000])
    // Predicting no noise at all would cost 1.
    for (const [, , loss] of losses) assert.isBelow(Number(loss), 0.5)
    assert.include(stdout, "drew 1000 points in 2 dimensions")
  } finally {
    rmSync(folder, { recursive: true })
  }
})
