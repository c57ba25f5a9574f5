/**
 * What docs/configuration.md says of the fields of a run: that there are no others, and that its examples are valid.
 */
import { Effect, Exit } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "vitest"
import { decodeRunConfig, type Json, overlay, RunConfig } from "../../packages/cli/src/configuration/config.ts"
import { presets } from "../../packages/cli/src/configuration/presets.ts"

const page = readFileSync(join(import.meta.dirname, "../../docs/configuration.md"), "utf8")

it("names every field of a configuration in one of its tables", () => {
  const named = new Set(
    [...page.matchAll(/^\| (`.*?) +\|/gm)].flatMap(([, cell]) =>
      [...cell!.matchAll(/`(\w+)`/g)].map(([, name]) => name)
    )
  )
  for (const field of Object.keys(RunConfig.fields)) assert.isTrue(named.has(field), field)
})

it("has examples that are valid", () => {
  const examples = [...page.matchAll(/```json\n(.*?)```/gs)].map(([, text]) => JSON.parse(text!) as Json)
  assert.strictEqual(examples.length, 4)
  for (const example of examples) {
    const preset = presets[String(example["preset"])]!
    const decoded = Effect.runSyncExit(decodeRunConfig(overlay({ ...preset }, example), "the example"))
    assert.isTrue(Exit.isSuccess(decoded), JSON.stringify(decoded))
  }
})
