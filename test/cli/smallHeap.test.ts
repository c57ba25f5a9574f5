/**
 * A heap that is kept small, beside one that grows as V8 has it. What either takes is never asserted, only which is smaller.
 */
import { assert, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"

const module = new URL("../../packages/cli/src/internal/smallHeap.ts", import.meta.url)

/** Makes much that lives on for a while, before and after a worker thread has a heap of its own. */
const program = (before: string) => `
import { getHeapSpaceStatistics } from "node:v8"
import { Worker } from "node:worker_threads"
import { keepHeapSmall } from "${module}"

${before}
const recent = []
const work = () => {
  for (let i = 0; i < 1_000_000; i++) recent[i % 50_000] = { i, text: [i] }
}
const sizes = () => getHeapSpaceStatistics().find((space) => space.space_name === "new_space").space_size
work()
const first = sizes()
await new Promise((resolve) => new Worker("", { eval: true }).on("exit", resolve))
work()
console.log(JSON.stringify([first, sizes()]))
`

const youngGenerations = (before: string): ReadonlyArray<number> => {
  const { status, stderr, stdout } = spawnSync(process.execPath, ["--input-type=module", "--eval", program(before)], {
    encoding: "utf8"
  })
  // V8 says so on standard error where it does not know an option.
  assert.strictEqual(stderr, "")
  assert.strictEqual(status, 0)
  return JSON.parse(stdout)
}

it("has a young generation that does not grow, also when a worker thread has started", () => {
  const [first, second] = youngGenerations("keepHeapSmall()")
  for (const grown of youngGenerations("")) {
    assert.isBelow(first!, grown / 2)
    assert.isBelow(second!, grown / 2)
  }
})
