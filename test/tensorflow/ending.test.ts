/**
 * Processes that computed with TensorFlow end as they should: libtensorflow has threads and exit handlers of its own, which
 * must be there to the end.
 */
import { assert, describe, it } from "vitest"
import { startCli } from "../cli/support/cli.ts"

describe("a process that has computed with TensorFlow", () => {
  // A process that ended by itself, after the engine's thread had, ended with a segmentation fault.
  it("ends with code 0", async () => {
    const { code, stderr, stdout } = await startCli(["verify", "--engine", "tensorflow", "--law", "loss/splits"]).ended
    assert.match(stdout, /^4 laws hold/m, stderr)
    assert.strictEqual(code, 0, stderr)
  }, 60_000)
})
