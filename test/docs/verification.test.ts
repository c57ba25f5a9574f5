/**
 * docs/verification.md does what it says: its files are written and run, and print what stands there; and its list of laws is
 * that of the laws.
 */
import { Engine } from "@effusion/core/engine"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { Laws } from "@effusion/core/laws"
import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { afterAll, assert, beforeAll, describe, expect, it } from "vitest"
import { start } from "../cli/support/cli.ts"

const root = resolve(import.meta.dirname, "../..")
const path = join(root, "docs/verification.md")
const page = readFileSync(path, "utf8")
const main = join(root, "packages/cli/src/main.ts")

/** The page's blocks of code, in order. */
const blocks = [...page.matchAll(/```(\w+)\n(.*?)```/gs)].map(([, language, text]) => ({ language, text: text! }))

/** Files by their name, which stands in their first line. */
const files = blocks.filter(({ language }) => language === "ts").map(({ text }) => ({
  name: /^\/\/ (\S+)\n/.exec(text)![1]!,
  text
}))

/** Commands, and what they print. */
const commands = blocks.flatMap(({ language, text }, i) =>
  language === "sh" ? [{ words: text.trim().split(" "), prints: blocks[i + 1]!.text.trim() }] : []
)

describe("docs/verification.md", () => {
  // Beside the tests, so that the packages are found as a project of the user's would find them.
  let folder = ""
  beforeAll(() => {
    folder = mkdtempSync(join(root, "test", ".page-"))
    for (const { name, text } of files) writeFileSync(join(folder, name), text)
    // Without a configuration of its own, vitest would take that of this repository, and run all of its tests.
    writeFileSync(join(folder, "vitest.config.mjs"), "export default {}\n")
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it("has files and commands", () => {
    assert.isAtLeast(files.length, 7)
    assert.isAtLeast(commands.length, 5)
  })

  it.each(commands.map(({ prints, words }) => [words.join(" "), words, prints] as const))(
    "%s prints what it says",
    async (_, [effusion, ...words], prints) => {
      assert.strictEqual(effusion, "effusion")
      const { stdout } = await start(process.execPath, [main, ...words], {
        cwd: folder,
        // Not as npm or npx would run it, which it says to people as `npm run effusion --` or `npx effusion`.
        env: { ...process.env, npm_lifecycle_event: "" }
      }).ended
      assert.strictEqual(stdout.trim(), prints)
    }
  )

  it("has tests that pass, one for each law", () => {
    const vitest = join(root, "node_modules/vitest/vitest.mjs")
    const config = join(folder, "vitest.config.mjs")
    const report = join(folder, "report.json")
    const { status, stderr, stdout } = spawnSync(
      process.execPath,
      [vitest, "run", "--root", folder, "--config", config, "--reporter", "json", "--outputFile", report],
      { cwd: folder, encoding: "utf8", timeout: 50_000 }
    )
    assert.strictEqual(status, 0, `${stdout}\n${stderr}`)
    const { numFailedTests, numPassedTests, testResults } = JSON.parse(readFileSync(report, "utf8"))
    assert.strictEqual(numFailedTests, 0, stdout)
    assert.isAbove(numPassedTests, 40)
    assert.strictEqual(testResults.length, files.filter(({ name }) => name.endsWith(".test.ts")).length)
  })

  it("lists the laws as they are (vitest run test/docs/verification -u writes them)", async () => {
    const [suites, faults] = await Effect.map(
      Engine,
      (engine) => [[...Laws.builtIn, ...Laws.builtInOn(engine)], [...Laws.faults, ...Laws.faultsOn(engine)]] as const
    ).pipe(Effect.provide(OnnxEngine.layer({ threads: 1 })), Effect.runPromise)
    const laws = new Map<string, Laws.Law>()
    for (const law of suites.flatMap(({ laws }) => laws)) if (!laws.has(law.name)) laws.set(law.name, law)
    assert.deepStrictEqual(
      [...new Set(faults.map(({ caughtBy }) => caughtBy))].sort(),
      [...laws.keys()].sort(),
      "every law catches a planted fault, and none but these do"
    )
    const list = [...laws.values()].map(({ name, sentence, source }) => {
      const caught = faults.filter(({ caughtBy }) => caughtBy === name).map(({ mistake }) => `  - ${mistake}`)
      return [`- \`${name}\`: ${sentence}. (${source}.) Catches:`, ...caught].join("\n")
    })
    const written = page.replace(
      /(<!-- laws -->\n).*(<!-- \/laws -->)/s,
      (_, begin: string, end: string) => `${begin}\n${list.join("\n")}\n\n${end}`
    )
    await expect(written).toMatchFileSnapshot(path)
  })
})
