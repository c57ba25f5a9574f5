/**
 * `effusion verify --goldens` as a command: what it prints, and how it ends.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, describe, it } from "vitest"
import { cli, temporaryFolder } from "../support/cli.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

let files = 0

/** Writes a file of the test's folder, and returns its path. */
const write = (content: unknown): string => {
  const path = join(folder.path, `${++files}.json`)
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content))
  return path
}

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url))

type Case = { readonly name: string; readonly abs_sum: number }

const all: ReadonlyArray<Case> = JSON.parse(readFileSync(fixture("sampling-goldens.json"), "utf8")).cases
const named = (name: string): Case => all.find((golden) => golden.name === name)!

describe("effusion verify --goldens", () => {
  it("prints a line a case, with what is expected, what came out and the verdict, of several files", async () => {
    const one = write({ cases: [named("ddim.no_noise"), named("unipc.karras")] })
    const { code, stderr, stdout } = await cli("verify", "--goldens", one, fixture("vlb-goldens.json"))
    assert.deepStrictEqual([code, stderr], [0, ""])
    const lines = stdout.split("\n")
    assert.match(lines[0]!, /^pass {2}ddim\.no_noise +abs_sum expected 172\.00671 got 172\.00671; furthest off is /)
    assert.match(lines[1]!, /^pass {2}unipc\.karras +abs_sum expected 224\.62671 got /)
    assert.match(
      lines[2]!,
      /^pass {2}bound\.linear\.T1000\.FIXED_SMALL +vb_bits\[0\] expected 2\.5035872 got 2\.5035872; /
    )
    assert.match(lines[5]!, /^pass {2}bound_loop\.cosine\.T10\.FIXED_LARGE\.clipped +total_bits\[0\] /)
    assert.match(lines[8]!, /^pass {2}discretized_gaussian_log_likelihood +tanh_approx\[0\] /)
    assert.strictEqual(lines.length, 2 + 12 + 1)
    assert.strictEqual(lines.at(-1), "14 cases: 14 pass, 0 fail")
  })

  it("fails when a case does, and says by how much, and goes on", async () => {
    const golden = named("ddim.no_noise")
    const path = write({ cases: [{ ...golden, abs_sum: 172.1 }, { ...golden, name: "lcm.no_noise" }, golden] })
    const { code, stderr, stdout } = await cli("verify", "--goldens", path)
    assert.deepStrictEqual([code, stderr], [1, "effusion: 2 of 3 cases of reference numbers fail"])
    const lines = stdout.split("\n")
    assert.match(
      lines[0]!,
      /^FAIL {2}ddim\.no_noise +abs_sum expected 172\.1 got 172\.0067\d*; off by 0\.0932\d*, where 0\.01721 is allowed$/
    )
    assert.match(lines[1]!, /^FAIL {2}lcm\.no_noise +sampler: "lcm" is not known; known are ddpm, /)
    assert.match(lines[2]!, /^pass {2}ddim\.no_noise /)
    assert.strictEqual(lines[3], "3 cases: 1 pass, 2 fail")
  })

  it("prints one JSON object a case with --json, and one for all", async () => {
    const path = write({
      cases: [named("ddim.no_noise"), { ...named("dpm1"), abs_sum: 1 }, { ...named("dpm1"), config: { order: 1 } }]
    })
    const { code, stdout } = await cli("verify", "--goldens", path, "--json")
    assert.strictEqual(code, 1)
    const [first, second, third, summary] = stdout.split("\n").map((line) => JSON.parse(line))
    assert.deepStrictEqual(summary, { verdict: "fail", cases: 3, passed: 1, failed: 2 })
    assert.deepInclude(first, { file: path, name: "ddim.no_noise", verdict: "pass" })
    assert.deepInclude(first.checks[0], { what: "abs_sum", expected: named("ddim.no_noise").abs_sum, verdict: "pass" })
    assert.closeTo(first.checks[0].got, 172.0067, 1e-4)
    assert.closeTo(first.checks[0].tolerance, 0.0172, 1e-4)
    assert.isBelow(first.worst.deviation, 1)
    assert.deepInclude(second, { name: "dpm1", verdict: "fail" })
    assert.deepInclude(second.checks[0], { what: "abs_sum", verdict: "fail" })
    assert.deepInclude(second.worst, { what: "abs_sum", expected: 1 })
    assert.deepInclude(third, { name: "dpm1", verdict: "fail", checks: [] })
    assert.match(third.problem, /^config\.order: there is no such option/)
  })

  it.each<readonly [string, () => string, RegExp]>([
    ["is not there", () => join(folder.path, "none.json"), /cannot read the reference numbers ".*": it does not exist/],
    ["is no JSON", () => write("{"), /" is no file of reference numbers: it is not JSON \(/],
    [
      "has no cases",
      () => write({ source: "none", cases: [] }),
      /" is no file of reference numbers: it has no "cases"$/
    ],
    ["is a list", () => write([]), /" is no file of reference numbers: it is no object with a list of "cases"$/],
    ["has cases that are no list", () => write({ cases: {} }), /" is no file of reference numbers: "cases" and /]
  ])("refuses a file that %s, and runs nothing", async (_, path, message) => {
    const good = write({ cases: [named("ddim.no_noise")] })
    const { code, stderr, stdout } = await cli("verify", "--goldens", good, path())
    assert.deepStrictEqual([code, stdout], [1, ""])
    assert.match(stderr, message)
    assert.isAtMost(stderr.split("\n").length, 2)
  })

  it("refuses files of which it is not said what they are", async () => {
    const { code, stderr } = await cli("verify", "goldens.json")
    assert.strictEqual(code, 1)
    assert.match(stderr, /^effusion: what to verify about "goldens.json" is not said; give .*--goldens goldens.json/)
  })
})
