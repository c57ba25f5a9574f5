/**
 * A real installation, out of the wheel that the variable EFFUSION_TEST_WHEEL names: unpacked, compiled, loaded, damaged,
 * examined and repaired.
 */
import { environment } from "@effusion/core/engine/tensorflow/installation"
import { renameSync, truncateSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "vitest"
import { startCli, temporaryFolder } from "../cli/support/cli.ts"

const wheel = environment()["EFFUSION_TEST_WHEEL"]
const folder = temporaryFolder()
afterAll(folder.remove)

/** Runs a command on the engines of a folder, and on no others. */
const engine = (engines: string, ...args: ReadonlyArray<string>) => {
  const { EFFUSION_TENSORFLOW: _, ...others } = environment()
  return startCli(["engine", ...args], { env: { ...others, EFFUSION_ENGINES: engines }, cwd: folder.path }).ended
}

describe.skipIf(wheel === undefined)("an engine that is installed from a wheel", () => {
  const engines = join(folder.path, "engines")

  it("works, wherever its folder is moved", { timeout: 600_000 }, async () => {
    const { code, stderr, stdout } = await engine(engines, "install", "tensorflow", "--wheel", wheel!, "--json")
    assert.strictEqual(code, 0, stderr)
    const events = stdout.trimEnd().split("\n").map((line) => JSON.parse(line))
    assert.deepInclude(events.at(-1), { event: "installed", package: "@tensorflow/tfjs-node", before: false })
    const moved = join(folder.path, "moved")
    renameSync(engines, moved)
    const list = await engine(moved, "list", "--json")
    assert.strictEqual(list.code, 0, list.stderr)
    const [, tensorflow] = JSON.parse(list.stdout).engines
    assert.deepInclude(tensorflow, {
      engine: "tensorflow",
      works: true,
      software: `libtensorflow ${events.at(-1).libtensorflow}`
    })
    renameSync(moved, engines)
  })

  it("is examined and found to be in order", { timeout: 120_000 }, async () => {
    const { code, stderr, stdout } = await engine(engines, "doctor")
    assert.strictEqual(code, 0, stderr)
    assert.match(stdout, /^ok {2}computing +2 \+ 3 is 5$/m)
    assert.notInclude(stdout, "!!")
  })

  it("is found to be broken where a library is missing or cut off, and is repaired by the same command", {
    timeout: 600_000
  }, async () => {
    const library = join(engines, "tensorflow", "site", "tensorflow", "libtensorflow_framework.so.2")
    const broken = async (words: RegExp) => {
      const { code, stderr, stdout } = await engine(engines, "doctor")
      assert.strictEqual(code, 1)
      assert.match(stdout, words)
      assert.include(stderr, "effusion engine install tensorflow")
    }
    renameSync(library, `${library}.away`)
    await broken(/libtensorflow_framework\.so\.2 is missing/)
    renameSync(`${library}.away`, library)
    truncateSync(library, 30_000_000)
    await broken(/is damaged .*: it ends after 30000000 of \d+ bytes/)
    const repaired = await engine(engines, "install", "tensorflow", "--wheel", wheel!)
    assert.strictEqual(repaired.code, 0, repaired.stderr)
    assert.include(repaired.stdout, "what is installed does not work, and is installed anew")
    assert.strictEqual((await engine(engines, "doctor")).code, 0)
  })
})
