/**
 * `effusion sample`: every sampler by its name, other schedules, and pictures to begin with.
 */
import { NodeServices } from "@effect/platform-node"
import { linear } from "@effusion/core/schedule"
import { float32 } from "@effusion/core/tensor"
import { Effect, Exit, Option, Result } from "effect"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { givenSampling, samplerFlags } from "../../packages/cli/src/commands/samplerFlags.ts"
import { samplerIssues, samplerOf, samplers } from "../../packages/cli/src/configuration/samplers.ts"
import { readImage } from "../../packages/cli/src/picture/readImage.ts"
import { cli, temporaryFolder } from "./support/cli.ts"
import { decodePng, encodePng } from "./support/png.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

const path = (name: string): string => join(folder.path, name)

/** Writes a picture of 28 x 28 pixels; gives its path. */
const picture = (name: string, value: (x: number, y: number) => number): string => {
  const data = Uint8Array.from({ length: 784 }, (_, i) => value(i % 28, Math.floor(i / 28)))
  writeFileSync(path(name), encodePng({ width: 28, height: 28, data, channels: 1 }))
  return path(name)
}

describe("a sampler by its name", () => {
  it("has a plan, with whatever is for it and nothing else", () => {
    const schedule = Result.getOrThrow(linear({ steps: 50 }))
    for (const sampler of samplers) {
      const plan = samplerOf({ sampler, eta: 0 }).plan(schedule, { steps: 10, predictionType: "v_prediction" })
      assert.isAtLeast(Result.getOrThrow(plan).steps.length, 10, sampler)
      assert.deepStrictEqual(samplerIssues({ sampler, eta: 0 }), [])
    }
    assert.deepStrictEqual(samplerIssues({ sampler: "unipc", eta: 0, order: 3, solverType: "bh1" }), [])
    assert.deepStrictEqual(
      samplerIssues({ sampler: "ddim", eta: 0, order: 2, churn: 1 }).map(({ field }) => field),
      ["order", "churn"]
    )
    for (const sampler of samplers) {
      const issues = samplerIssues({ sampler, eta: 0.5 })
      assert.deepStrictEqual(issues.map(({ field }) => field), sampler === "ddim" ? [] : ["eta"])
    }
    assert.deepStrictEqual(
      samplerIssues({ sampler: "dpm-solver", eta: 0, order: 4, solverType: "bh2" }).map(({ field }) => field),
      ["solverType", "order"]
    )
  })

  it("forgets what a run told another one", () => {
    const nothing = Object.fromEntries(Object.keys(samplerFlags).map((name) => [name, Option.none()]))
    const input = (given: object) => ({ ...nothing, ...given }) as unknown as Parameters<typeof givenSampling>[1]
    const run = { sampler: "dpm-solver", steps: 20, eta: 0, count: 4, order: 3, spacing: "karras" } as const
    assert.deepStrictEqual(givenSampling(run, input({})), run)
    assert.strictEqual(
      givenSampling({ ...run, sampler: "ddim", eta: 1 }, input({ sampler: Option.some("ddpm") }))["eta"],
      0
    )
    assert.deepStrictEqual(givenSampling(run, input({ steps: Option.some(5) })), { ...run, steps: 5 })
    assert.deepStrictEqual(givenSampling(run, input({ sampler: Option.some("ddim") })), {
      sampler: "ddim",
      steps: 20,
      eta: 0,
      count: 4
    })
  })
})

describe("reading a picture", () => {
  const read = (name: string, shape: ReadonlyArray<number>) =>
    Effect.runPromiseExit(Effect.provide(readImage(name, shape), NodeServices.layer))

  it("gives pixels from -1 to 1, whatever its channels and depth", async () => {
    const cases = [
      { channels: 1, data: Uint8Array.of(0, 255), grey: [-1, 1] },
      { channels: 2, data: Uint8Array.of(51, 255, 255, 0), grey: [-0.6, 1] },
      { channels: 3, data: Uint8Array.of(255, 0, 0, 255, 255, 255), grey: [2 * 0.299 - 1, 1] },
      { channels: 4, data: Uint8Array.of(0, 255, 0, 9, 0, 0, 0, 255), grey: [2 * 0.587 - 1, -1] },
      { channels: 1, data: Uint16Array.of(65_535, 0), grey: [1, -1] }
    ] as const
    for (const { grey, ...png } of cases) {
      writeFileSync(path("two.png"), encodePng({ width: 2, height: 1, ...png }))
      const exit = await read(path("two.png"), [1, 2, 1])
      assert.isTrue(Exit.isSuccess(exit))
      if (!Exit.isSuccess(exit)) continue
      assert.deepStrictEqual(exit.value.shape, [1, 1, 2, 1])
      for (const [i, value] of grey.entries()) assert.closeTo(exit.value.data[i]!, value, 1e-6)
    }
    writeFileSync(path("two.png"), encodePng({ width: 2, height: 1, channels: 1, data: Uint8Array.of(0, 255) }))
    const colour = await read(path("two.png"), [1, 2, 3])
    assert.deepStrictEqual(colour, Exit.succeed(float32([1, 1, 2, 3], [-1, -1, -1, 1, 1, 1])))
  })

  it("refuses what is no picture of that size", async () => {
    writeFileSync(path("text.png"), "no picture")
    const big = picture("big.png", () => 0)
    for (
      const [name, shape, message] of [
        [path("text.png"), [28, 28, 1], /it is no PNG file, or a damaged one/],
        [big, [14, 28, 1], /it has 28 x 28 pixels, and the network's images 28 x 14; scale it/],
        [big, [2], /makes no images/],
        [path("none.png"), [28, 28, 1], /cannot read ".*none.png": it does not exist/]
      ] as const
    ) {
      const exit = await read(name, shape)
      assert.isTrue(Exit.isFailure(exit))
      assert.match(String(Exit.isFailure(exit) && exit.cause), message)
    }
  })
})

describe("drawing with a network for images", () => {
  const run = path("run")

  beforeAll(async () => {
    writeFileSync(
      path("config.json"),
      JSON.stringify({
        preset: "digits-small",
        model: { block_out_channels: [8, 8, 8], norm_num_groups: 4, layers_per_block: 1 },
        schedule: { type: "cosine", steps: 20 },
        steps: 2,
        batchSize: 2,
        threads: 1,
        checkpoints: { every: 2, keep: 1 },
        previews: { every: 0, count: 1, steps: 2 },
        sampling: { sampler: "ddpm", steps: 4, count: 2 }
      })
    )
    const { code, stderr } = await cli("train", "--config", path("config.json"), "--out", run)
    assert.strictEqual(code, 0, stderr)
  }, 60_000)

  const draw = async (...args: ReadonlyArray<string>): Promise<Uint8Array> => {
    const out = path("out.png")
    const { code, stderr } = await cli("sample", run, "--count", "2", "--out", out, ...args)
    assert.strictEqual(code, 0, `${args.join(" ")}: ${stderr}`)
    return decodePng(readFileSync(out)).data
  }

  it("goes with every sampler, and the same with the same seed", async () => {
    for (const sampler of samplers) {
      const first = await draw("--sampler", sampler, "--steps", "4")
      assert.deepStrictEqual(await draw("--sampler", sampler, "--steps", "4"), first)
    }
  }, 60_000)

  it("takes spacings, thresholds, noise limits and other schedules, each to another effect", async () => {
    const plain = await draw("--sampler", "euler", "--steps", "5")
    for (
      const more of [
        ["--spacing", "karras"],
        ["--threshold", "0.9"],
        ["--sigma-max", "10"],
        ["--schedule", "linear"],
        ["--churn", "3"]
      ]
    ) {
      assert.notDeepEqual(await draw("--sampler", "euler", "--steps", "5", ...more), plain, more.join(" "))
    }
  }, 60_000)

  const dark = picture("dark.png", () => 0)
  const light = picture("light.png", (x) => x < 14 ? 255 : 128)

  it("keeps a picture where the mask is black", async () => {
    const mask = picture("mask.png", (_, y) => y < 14 ? 0 : 255)
    for (const more of [[], ["--resamplings", "2"]]) {
      const { channels, data, width } = await (async () => {
        await draw("--inpaint", light, "--mask", mask, "--steps", "15", ...more)
        return decodePng(readFileSync(path("out.png")))
      })()
      // A grid of images that are twice as large, with lines of two pixels around.
      const pixel = (x: number, y: number) => data[((2 + 2 * y) * width + 2 + 2 * x) * channels]!
      for (let y = 0; y < 14; y++) for (let x = 0; x < 28; x++) assert.strictEqual(pixel(x, y), x < 14 ? 255 : 128)
      let changed = 0
      for (let y = 14; y < 28; y++) for (let x = 0; x < 28; x++) changed += pixel(x, y) === (x < 14 ? 255 : 128) ? 0 : 1
      assert.isAbove(changed, 100)
    }
  }, 60_000)

  it("starts from a picture, and goes from one to another", async () => {
    const [fromDark, fromLight] = [
      await draw("--image", dark, "--strength", "0.25"),
      await draw("--image", light, "--strength", "0.25")
    ]
    assert.notDeepEqual(fromDark, fromLight)
    await draw("--image", dark, "--to", light, "--steps", "20")
  }, 60_000)

  it("shows a way between pictures as a row, and a long one as several, and says how it was drawn", async () => {
    for (const [count, columns, rows] of [[8, 8, 1], [17, 9, 2]] as const) {
      const args = ["--image", dark, "--to", light, "--steps", "2", "--count", String(count)]
      const { code, stderr, stdout } = await cli("sample", run, ...args)
      assert.strictEqual(code, 0, stderr)
      const path = /open (.*)$/.exec(stdout)![1]!
      assert.match(path, new RegExp(`samples-step-2-ddim-2-image-dark-to-light-count-${count}-seed-1\\.png$`))
      const { height, width } = decodePng(readFileSync(path))
      assert.deepStrictEqual([width, height], [columns * 58 + 2, rows * 58 + 2])
    }
  }, 60_000)

  it("refuses guidance and strength on the way between pictures", async () => {
    const strong = await cli("sample", run, "--image", dark, "--to", light, "--strength", "1")
    assert.match(strong.stderr, /cannot draw with --strength: with --to, pictures are encoded whole/)
    for (const flags of [["--sampler", "unipc"], ["--spacing", "karras"], ["--schedule", "linear"], ["--eta", "1"]]) {
      const { code, stderr } = await cli("sample", run, "--image", dark, "--to", light, ...flags)
      assert.strictEqual(code, 1)
      assert.match(stderr, new RegExp(`^effusion: cannot draw with ${flags[0]}: with --to, .*; leave it out`))
    }
  })

  it("draws one sample as a picture that others can start from", async () => {
    const [one, again] = [path("one.png"), path("again.png")]
    assert.strictEqual((await cli("sample", run, "--count", "1", "--steps", "2", "--out", one)).code, 0)
    const { height, width } = decodePng(readFileSync(one))
    assert.deepStrictEqual([width, height], [28, 28])
    assert.strictEqual((await cli("sample", run, "--count", "2", "--image", one, "--out", again)).code, 0)
  }, 60_000)
})

describe("drawing with a network that has learned the variance", () => {
  it("uses it in ddpm unless told, and only there", async () => {
    writeFileSync(
      path("learned.json"),
      JSON.stringify({
        preset: "points",
        model: { width: 16, depth: 1, octaves: 1, learns_variance: true },
        learnedVariance: "hybrid",
        schedule: { type: "cosine", steps: 20 },
        steps: 20,
        batchSize: 8,
        threads: 1,
        checkpoints: { every: 20, keep: 1 },
        previews: { every: 0, count: 5, steps: 5 },
        sampling: { sampler: "ddpm", steps: 5, count: 5 }
      })
    )
    const run = path("learned")
    assert.strictEqual((await cli("train", "--config", path("learned.json"), "--out", run)).code, 0)
    const draw = async (...args: ReadonlyArray<string>): Promise<string> => {
      const { code, stderr } = await cli("sample", run, "--out", path("points.json"), ...args)
      assert.strictEqual(code, 0, stderr)
      return readFileSync(path("points.json"), "utf8")
    }
    const learned = await draw()
    assert.strictEqual(await draw("--variance", "learned-range"), learned)
    assert.notStrictEqual(await draw("--variance", "fixed-small"), learned)
    await draw("--sampler", "dpm-solver")
  }, 60_000)
})
