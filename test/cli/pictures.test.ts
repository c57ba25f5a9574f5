/**
 * Runs on a folder of pictures, from the command line: of two classes, in colour, of many sizes and formats.
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import sharp from "sharp"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { cli, temporaryFolder } from "./support/cli.ts"
import { decodePng } from "./support/png.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

const pictures = join(folder.path, "my pictures")
const run = join(folder.path, "run")
const config = join(folder.path, "tiny.json")

/** A network for images of 8x12 pixels in colour, of two classes. */
const tiny = {
  preset: "ddpm-cifar10",
  data: `images:${pictures}`,
  model: {
    sample_size: [8, 12],
    block_out_channels: [8, 8],
    down_block_types: ["DownBlock2D", "DownBlock2D"],
    up_block_types: ["UpBlock2D", "UpBlock2D"],
    layers_per_block: 1,
    norm_num_groups: 4,
    add_attention: false,
    num_class_embeds: 3
  },
  conditioning: { dropout: 0.1 },
  steps: 3,
  batchSize: 8,
  threads: 1,
  previews: { every: 0, count: 4, steps: 5 },
  sampling: { steps: 3, count: 6 }
}

const write = (changes: object = {}): string => {
  writeFileSync(config, JSON.stringify({ ...tiny, ...changes }))
  return config
}

beforeAll(async () => {
  const formats = ["png", "jpeg", "webp"] as const
  for (const [label, name] of ["red", "green"].entries()) {
    mkdirSync(join(pictures, name, "more"), { recursive: true })
    for (let i = 0; i < 20; i++) {
      const [width, height] = [8 + i * 7 % 23, 6 + i * 5 % 17]
      const background = { r: label === 0 ? 255 - i : 0, g: label === 1 ? 255 - i : 0, b: 5 * i }
      const file = join(pictures, name, i % 2 === 0 ? "more" : "", `${i}.${formats[i % 3]}`)
      await sharp({ create: { width, height, channels: 3, background } }).toFile(file)
    }
  }
})

const succeed = async (...args: ReadonlyArray<string>) => {
  const outcome = await cli(...args)
  assert.strictEqual(outcome.code, 0, outcome.stderr)
  return outcome.stdout
}

describe("a run on a folder of pictures", () => {
  it("trains on nine tenths of them, goes on, draws in their shape, and is measured on the rest", async () => {
    const stdout = await succeed("train", "--config", write(), "--out", run, "--json")
    const events = stdout.split("\n").map((line) => JSON.parse(line))
    const [start] = events.filter(({ event }) => event === "start")
    assert.deepInclude(start, { examples: 36, unit: "images", data: `images:${pictures}` })
    const [evaluating] = events.filter(({ event }) => event === "evaluating")
    assert.deepInclude(evaluating, { examples: 4 })
    // Four columns, each of one class, and two rows of images enlarged five times, with lines of two pixels between them.
    const { channels, height, width } = decodePng(readFileSync(join(run, "samples.png")))
    assert.deepStrictEqual([channels, width, height], [3, 2 + 4 * (5 * 12 + 2), 2 + 2 * (5 * 8 + 2)])

    await succeed("train", "--resume", run, "--steps", "4", "--json")
    const out = join(folder.path, "green.png")
    await succeed("sample", run, "--labels", "1", "--count", "2", "--out", out)
    assert.strictEqual(decodePng(readFileSync(out)).channels, 3)
    const bound = JSON.parse(await succeed("evaluate", "bound", run, "--examples", "4", "--timesteps", "3", "--json"))
    assert.isAbove(bound.total.mean, 0)
  })

  it("says of classes and batches that do not fit before it reads a picture", async () => {
    const damaged = join(folder.path, "damaged")
    mkdirSync(join(damaged, "a"), { recursive: true })
    for (let i = 0; i < 10; i++) writeFileSync(join(damaged, "a", `${i}.png`), "no picture")
    const refuses = async (config: string, message: RegExp, ...args: ReadonlyArray<string>) => {
      const { code, stderr } = await cli("train", "--config", config, "--data", `images:${damaged}`, ...args)
      assert.strictEqual(code, 1)
      assert.match(stderr, message)
    }
    await refuses(
      write(),
      /the data "images:.*damaged" has 1 class, but the network tells 2 classes apart; set model.num_class_embeds to 2,/
    )
    const classless = { model: { ...tiny.model, num_class_embeds: null }, conditioning: null }
    await refuses(write(classless), /batch size 10 is larger than .*damaged\/train", which has 9/, "--batch-size", "10")
    await refuses(write(classless), /10 files of the folder ".*damaged" are no pictures, or damaged ones: "/)
  })

  it("asks for another network where it draws points", async () => {
    const { code, stderr } = await cli("train", "--preset", "points", "--data", `images:${pictures}`)
    assert.strictEqual(code, 1)
    assert.match(
      stderr,
      /has pictures, but the network takes points of 2 coordinates; .*use --preset digits, or another/
    )
  })

  it("needs no classes where the network is told none, and grey where it draws in grey", async () => {
    const all = join(folder.path, "all in one")
    mkdirSync(all)
    for (const name of ["red", "green"]) {
      const files = readdirSync(join(pictures, name)).filter((file) => file !== "more")
      for (const file of files) copyFileSync(join(pictures, name, file), join(all, `${name}-${file}`))
    }
    const grey = { ...tiny.model, in_channels: 1, out_channels: 1, num_class_embeds: null }
    const out = join(folder.path, "grey")
    await succeed(
      "train",
      "--config",
      write({ model: grey, conditioning: null }),
      "--data",
      `images:${all}`,
      "--out",
      out
    )
    assert.strictEqual(decodePng(readFileSync(join(out, "samples.png"))).channels, 1)
  })
})
