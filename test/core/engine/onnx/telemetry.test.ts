/** ONNX Runtime tells nobody what is run, and leaves nothing of its own on the disk. */
import { assert, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { env } from "node:process"
import { fileURLToPath } from "node:url"
import { temporaryFolder } from "../../../cli/support/cli.ts"

const script = fileURLToPath(new URL("./processes/scoped.ts", import.meta.url))

it("a process that computes leaves no identifier, no database and no log of ONNX Runtime's", () => {
  const { ORT_DISABLE_TELEMETRY: _, ...others } = env
  const home = temporaryFolder()
  try {
    // The folder for temporary files is the process's own: in a shared one, a log may be an earlier process's of the same number.
    const { status, stderr } = spawnSync(process.execPath, [script], {
      env: { ...others, HOME: home.path, XDG_CACHE_HOME: join(home.path, ".cache"), TMPDIR: home.path },
      encoding: "utf8"
    })
    assert.strictEqual(status, 0, stderr)
    assert.deepStrictEqual(readdirSync(home.path), [])
  } finally {
    home.remove()
  }
})
