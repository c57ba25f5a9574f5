/**
 * The program in the README runs as it stands there, and with other layers.
 */
import { assert, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "..")

const [, code] = /```ts\n(.*?)```/s.exec(readFileSync(join(root, "README.md"), "utf8"))!

/** What a program prints. */
const run = (program: string): string => {
  // Beside the tests, so that the packages are found as a project of the user's would find them.
  const folder = mkdtempSync(join(root, "test", ".readme-"))
  try {
    const file = join(folder, "first.ts")
    writeFileSync(file, program)
    const { status, stderr, stdout } = spawnSync(process.execPath, [file], { encoding: "utf8" })
    assert.strictEqual(status, 0, stderr)
    return stdout
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const losses = (printed: string) =>
  [...printed.matchAll(/step (\d+): loss ([\d.]+)/g)].map(([, step, loss]) => [Number(step), Number(loss)] as const)

it("runs the first pipeline of the README", () => {
  const printed = run(code!)
  assert.deepStrictEqual(losses(printed).map(([step]) => step), [250, 500, 750, 1000])
  // Predicting no noise at all would cost 1.
  for (const [, loss] of losses(printed)) assert.isBelow(loss, 0.5)
  assert.include(printed, "drew 1000 points in 2 dimensions")
})

it("runs it with other layers in their places", () => {
  const swaps = [
    ["Objective.noise", "Objective.velocity"],
    ["NoiseSchedule.cosine({ steps: 200 })", "NoiseSchedule.linear({ steps: 1000 })"],
    ["TimestepSampler.uniform", "TimestepSampler.logitNormal()"],
    ["steps: 1_000", "steps: 250"]
  ] as const
  const swapped = swaps.reduce((program, [present, other]) => {
    assert.include(program, present)
    return program.replace(present, other)
  }, code!)
  const printed = run(swapped)
  assert.deepStrictEqual(losses(printed).map(([step]) => step), [250])
  assert.include(printed, "drew 1000 points in 2 dimensions")
})
