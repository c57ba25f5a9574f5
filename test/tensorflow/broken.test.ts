/**
 * What a user is told who trains with a TensorFlow that is broken, or that has no GPU to compute with: a line or two, an exit
 * code that is not 0, and no run that was begun. The installation is broken for real.
 */
import { copyFileSync, existsSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { env } from "node:process"
import { afterAll, assert, describe, it } from "vitest"
import type { Installation } from "../../packages/core/src/engine/tensorflow/installation/index.ts"
import { startCli, temporaryFolder, tinyConfig } from "../cli/support/cli.ts"
import { said } from "./support/chatter.ts"
import { copyTo, framework, library, main, unshare } from "./support/copies.ts"
import { installation } from "./support/installation.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

const config = tinyConfig(folder.path)

/** Trains with an installation, in vain: what is said. */
const refused = async (
  { folder: tensorflow }: Installation,
  flags: ReadonlyArray<string> = [],
  variables: NodeJS.ProcessEnv = {}
): Promise<string> => {
  const out = join(folder.path, "run")
  const { code, stderr, stdout } = await startCli(
    ["train", "--config", config, "--out", out, "--engine", "tensorflow", ...flags],
    { env: { ...env, EFFUSION_TENSORFLOW: tensorflow, ...variables } }
  ).ended
  assert.strictEqual(code, 1, stderr)
  assert.strictEqual(stdout, "")
  const lines = said(stderr)
  assert.isAtMost(lines.length, 2, stderr)
  assert.match(lines[0]!, /^effusion: the engine "tensorflow" does not work here: /)
  assert.isFalse(existsSync(out))
  return lines.join("\n")
}

const damages: ReadonlyArray<readonly [string, (copy: Installation) => void, RegExp]> = [
  [
    "a library was removed",
    (copy) => rmSync(library(copy, framework)),
    new RegExp(`${framework}.*missing.*effusion engine install tensorflow`)
  ],
  [
    "a library was renamed",
    (copy) => renameSync(library(copy, main), library(copy, "libtensorflow-old.so")),
    new RegExp(`${main}.*missing`)
  ],
  [
    "a library was cut off",
    (copy) => truncateSync(unshare(library(copy, framework)), 3_000_000),
    /damaged.*it ends after 3000000 of \d+ bytes.*effusion engine install tensorflow/
  ],
  [
    "a library is something else",
    (copy) => {
      rmSync(library(copy, framework))
      writeFileSync(library(copy, framework), "<html>404 Not Found</html>\n".repeat(10))
    },
    /damaged.*it is not a shared library/
  ],
  [
    "a library is of another build",
    (copy) => {
      rmSync(library(copy, framework))
      copyFileSync(copy.addon, library(copy, framework))
    },
    /undefined symbol/
  ],
  ["the addon was cut off", ({ addon }) => truncateSync(addon, 1000), /damaged/],
  ["the addon was removed", ({ addon }) => rmSync(addon), /not built/]
]

describe("a training with a TensorFlow of which", () => {
  for (const [index, [what, damage, words]] of damages.entries()) {
    it(`${what} is refused`, async () => {
      const copy = await copyTo(join(folder.path, String(index)))
      damage(copy)
      assert.match(await refused(copy), words)
    })
  }
})

describe("a training on a GPU", () => {
  for (const hidden of ["-1", ""]) {
    it(`that CUDA_VISIBLE_DEVICES=${JSON.stringify(hidden)} hides, or that is not there, is refused`, async () => {
      const words = await refused(installation, ["--device", "gpu"], { CUDA_VISIBLE_DEVICES: hidden })
      assert.match(words, /CUDA_VISIBLE_DEVICES/)
    })
  }
})
