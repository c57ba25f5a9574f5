/**
 * What pictures are called: another way of drawing, another name; and another content, another file.
 */
import { NodeServices } from "@effect/platform-node"
import { Effect, Option } from "effect"
import * as fc from "fast-check"
import { mkdtempSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "vitest"
import type { Input } from "../../packages/cli/src/commands/sample.ts"
import { sampleName } from "../../packages/cli/src/commands/sampleName.ts"
import { writeBeside } from "../../packages/cli/src/files.ts"
import { cli, temporaryFolder, tinyConfig } from "./support/cli.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

const number = fc.double({ min: 0, max: 10, noNaN: true })
const file = fc.constantFrom("7.png", "folder/8.png", ".png", "a b.png")

/** What flags of `sample` may say, by their names here. Those that say where a picture goes are not among them. */
const flags = {
  count: fc.nat(99),
  spacing: fc.constantFrom("karras", "trailing"),
  sigmaMax: number,
  final: fc.constantFrom("zero", "sigma-min"),
  threshold: number,
  eta: number,
  variance: fc.constantFrom("fixed-small", "fixed-large"),
  order: fc.integer({ min: 1, max: 4 }),
  solverType: fc.constantFrom("bh1", "bh2"),
  churn: number,
  noise: number,
  schedule: fc.constantFrom("linear", "cosine"),
  image: file,
  strength: number,
  to: file,
  inpaint: file,
  mask: file,
  resamplings: fc.nat(9),
  guidance: number,
  labels: fc.option(fc.array(fc.nat(999), { minLength: 1, maxLength: 100 }), { nil: undefined }),
  classGuidance: number,
  guidanceRescale: number,
  guidanceInterval: fc.tuple(number, number)
}

const names = Object.keys(flags) as ReadonlyArray<keyof typeof flags>

type Values = { readonly [Name in keyof typeof flags]: unknown }

const values = fc.record(flags, { requiredKeys: [] })

const drawn = { step: 200, sampler: "ddim", steps: 50, seed: 1, type: ".png" }

const nameOf = (given: Partial<Values>, more: Partial<typeof drawn> = {}): string =>
  sampleName(
    { ...drawn, ...more },
    {
      trajectory: false,
      ...Object.fromEntries(names.map((name) => [name, name in given ? Option.some(given[name]) : Option.none()]))
    } as unknown as Input
  )

/** What flags say, in one order. */
const said = (given: Partial<Values>): string =>
  JSON.stringify(names.map((name) => name in given ? String(given[name]) : null))

describe("the name of a picture", () => {
  it("is one that files can have, and another one whenever a flag says something else", () => {
    fc.assert(
      fc.property(values, values, fc.constantFrom(...names), (given, others, changed) => {
        const name = nameOf(given)
        assert.match(name, /^samples-step-200-ddim-50-[\w.-]*seed-1\.png$/)
        assert.isAtMost(name.length, 255)
        const { [changed]: _, ...rest } = given
        const other = changed in others ? { ...rest, [changed]: others[changed] } : rest
        assert.strictEqual(nameOf(other) === name, said(other) === said(given))
      }),
      { seed: 1, numRuns: 300 }
    )
  })

  it("says what of", () => {
    assert.strictEqual(nameOf({}), "samples-step-200-ddim-50-seed-1.png")
    assert.strictEqual(
      nameOf({ eta: 0.5, labels: [3, 7], image: "a/7.png", strength: 0.4 }),
      "samples-step-200-ddim-50-eta-0.5-image-7-strength-0.4-labels-3-7-seed-1.png"
    )
    assert.strictEqual(nameOf({ labels: undefined }), "samples-step-200-ddim-50-labels-none-seed-1.png")
    const changes = [{ step: 201 }, { sampler: "ddpm" }, { steps: 51 }, { seed: 2 }, { type: ".svg" }]
    assert.strictEqual(new Set([{}, ...changes].map((more) => nameOf({}, more))).size, 6)
  })
})

describe("a file beside another one", () => {
  it("replaces none, unless it is the same", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 2 }), { maxLength: 8 }), async (contents) => {
        const place = mkdtempSync(join(folder.path, "beside-"))
        const kept = new Map<string, string>()
        for (const content of contents) {
          const path = await Effect.runPromise(
            Effect.provide(writeBeside(join(place, "a.png"), content), NodeServices.layer)
          )
          const text = String(content)
          assert.strictEqual(kept.get(path) ?? text, text)
          kept.set(path, text)
          for (const [path, text] of kept) assert.strictEqual(String(new Uint8Array(readFileSync(path))), text)
        }
        assert.strictEqual(kept.size, new Set(contents.map(String)).size)
        const names = [...kept.keys()].map((_, i) => i === 0 ? "a.png" : `a-${i + 1}.png`)
        assert.deepStrictEqual(readdirSync(place).sort(), names.sort())
      }),
      { seed: 1, numRuns: 30 }
    )
  })
})

describe("drawing into a run's folder", () => {
  it("keeps what was drawn before", async () => {
    const run = join(folder.path, "run")
    const trained = await cli("train", "--config", tinyConfig(folder.path), "--steps", "10", "--out", run)
    assert.strictEqual(trained.code, 0, trained.stderr)
    const kept = new Map<string, string>()
    const draw = async (...args: ReadonlyArray<string>): Promise<string> => {
      const { code, stderr, stdout } = await cli("sample", run, "--count", "5", ...args)
      assert.strictEqual(code, 0, stderr)
      const path = /open (.*)$/.exec(stdout)![1]!
      for (const [path, text] of kept) assert.strictEqual(readFileSync(path, "utf8"), text)
      kept.set(path, readFileSync(path, "utf8"))
      return path
    }
    await draw("--eta", "0")
    await draw("--eta", "1")
    await draw("--schedule", "linear")
    await draw("--threshold", "0.9")
    const plain = await draw()
    assert.strictEqual(kept.size, 5)
    assert.strictEqual(await draw(), plain)
    // Whoever names a file wants it there.
    await draw("--out", join(folder.path, "named.svg"))
    kept.clear()
    assert.strictEqual(
      await draw("--out", join(folder.path, "named.svg"), "--eta", "1"),
      join(folder.path, "named.svg")
    )
  })
})
