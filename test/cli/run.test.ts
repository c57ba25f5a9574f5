import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { cli, temporaryFolder, tinyConfig } from "./support/cli.ts"
import { decodePng } from "./support/png.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

const read = (...path: ReadonlyArray<string>): string => readFileSync(join(...path), "utf8")

const metricsOf = (run: string): ReadonlyArray<{ readonly step: number; readonly [field: string]: unknown }> =>
  read(run, "metrics.jsonl").trimEnd().split("\n").map((line) => JSON.parse(line))

const fresh = (): string => mkdtempSync(join(folder.path, "run-"))

describe("a run on points", () => {
  const run = join(folder.path, "points")
  let stdout = ""

  beforeAll(async () => {
    const config = tinyConfig(folder.path, {
      model: { width: 48, depth: 2, octaves: 2 },
      batchSize: 128,
      previews: { every: 200, count: 30, steps: 5 },
      sampling: { steps: 25, count: 400 },
      guidance: { step: 40, scale: 1.2 },
      checkpoints: { every: 150, keep: 2 }
    })
    const outcome = await cli("train", "--config", config, "--steps", "500", "--out", run)
    assert.strictEqual(outcome.code, 0, outcome.stderr)
    stdout = outcome.stdout
  })

  it("leaves all files of a run, and nothing else", () => {
    assert.deepStrictEqual(readdirSync(run).sort(), [
      "checkpoints",
      "config.json",
      "engines.jsonl",
      "loss.svg",
      "metrics.jsonl",
      "previews",
      "samples.json",
      "samples.svg"
    ])
    assert.deepStrictEqual(readdirSync(join(run, "previews")).sort(), ["step-200.svg", "step-400.svg"])
    assert.deepStrictEqual(readdirSync(join(run, "checkpoints")).sort(), [
      "step-00000040",
      "step-00000450",
      "step-00000500"
    ])
    assert.match(read(run, "loss.svg"), /^<svg .*held-out data/s)
  })

  it("has the metrics of every step, and learns", () => {
    const metrics = metricsOf(run)
    assert.deepStrictEqual(metrics.map(({ step }) => step), [...Array.from({ length: 500 }, (_, i) => i + 1), 500])
    const heldOut = metrics.at(-1)!["heldOutLoss"] as number
    // Predicting nothing has a loss of 1.
    assert.isBelow(heldOut, 0.6)
    assert.isAbove(heldOut, 0.05)
    assert.isAbove(metrics[0]!["loss"] as number, 0.8)
  })

  it("draws points near those of the data", () => {
    const points: ReadonlyArray<readonly [number, number]> = JSON.parse(read(run, "samples.json"))
    assert.strictEqual(points.length, 400)
    // The Swiss roll leaves the middle free, from which noise does not stay away.
    const radii = points.map(([x, y]) => Math.hypot(x, y)).sort((a, b) => a - b)
    assert.isAbove(radii[40]!, 0.15)
    assert.isBelow(radii[360]!, 1.1)
  })

  it("says what happens, and where the picture is", () => {
    assert.match(stdout, /^Training "points": a network of [\d,]+ parameters on 20,000 points, 500 steps of 128\.\n/)
    assert.include(stdout, "previews/step-200.svg")
    assert.match(stdout, /loss on held-out data: 0\.\d+ \(standard error 0\.\d+\)\nDone in \d+s\.\n/)
    assert.include(stdout, `open ${run}/samples.svg`)
    assert.include(stdout, `sample ${run}`)
  })

  it("is trained no further when it is resumed, and comes to the same end", async () => {
    const before = [metricsOf(run), read(run, "samples.json")]
    const outcome = await cli("train", "--resume", run)
    assert.strictEqual(outcome.code, 0, outcome.stderr)
    assert.deepStrictEqual([metricsOf(run), read(run, "samples.json")], before)
  })

  it("can be drawn with: as a plot, as numbers, with the same seed the same", async () => {
    const [csv, json] = [join(folder.path, "a.csv"), join(folder.path, "b.json")]
    for (const out of [csv, json]) {
      const outcome = await cli("sample", run, "--count", "50", "--seed", "3", "--out", out)
      assert.strictEqual(outcome.code, 0, outcome.stderr)
      assert.match(outcome.stdout, /50 samples in \d+s: open .*[ab]\.(csv|json)$/)
    }
    const rows = read(csv).trimEnd().split("\n").map((line) => line.split(",").map(Number))
    assert.strictEqual(rows.length, 50)
    assert.deepStrictEqual(rows, JSON.parse(read(json)))

    const plain = await cli("sample", run, "--sampler", "ddpm", "--steps", "10")
    assert.match(plain.stdout, /open .*samples-step-500-ddpm-10-seed-1\.svg$/)
    assert.include(read(run, "samples-step-500-ddpm-10-seed-1.svg"), "400 samples after 500 steps")
    const trajectory = await cli("sample", run, "--trajectory", "--count", "20")
    assert.match(trajectory.stdout, /open .*trajectory-step-500-ddim-25-count-20-seed-1\.svg$/)
  })

  it("draws the samples of its own end again, with its own seed, and others with another guidance", async () => {
    const out = join(folder.path, "again.json")
    await cli("sample", run, "--seed", "0", "--out", out)
    assert.deepStrictEqual(JSON.parse(read(out)), JSON.parse(read(run, "samples.json")))
    for (const scale of ["1", "2"]) {
      const outcome = await cli("sample", run, "--seed", "0", "--guidance", scale, "--out", out)
      assert.strictEqual(outcome.code, 0, outcome.stderr)
      assert.notDeepEqual(JSON.parse(read(out)), JSON.parse(read(run, "samples.json")))
    }
  })

  it("is not guided by a scale below 1, nor by a checkpoint that is gone", async () => {
    const low = await cli("sample", run, "--guidance", "0.5")
    assert.strictEqual(low.code, 1)
    assert.include(low.stderr, "--guidance: expected a number of at least 1")
    const guide = join(run, "checkpoints", "step-00000040")
    renameSync(guide, `${guide}.away`)
    const gone = await cli("sample", run)
    renameSync(`${guide}.away`, guide)
    assert.strictEqual(gone.code, 1)
    assert.include(gone.stderr, "there is no guide to draw with")
    assert.include(gone.stderr, "draw without one (--guidance 1)")
  })

  it("names the picture after the guidance that it is asked for", async () => {
    const { stdout } = await cli("sample", run, "--count", "5", "--guidance", "1.5")
    assert.match(stdout, /open .*samples-step-500-ddim-25-guidance-1\.5-count-5-seed-1\.svg$/)
  })

  it("is drawn with without a guide, and says so, as long as it has not got past it", async () => {
    const short = join(folder.path, "short")
    const config = tinyConfig(folder.path, { guidance: { step: 40, scale: 1.2 }, sampling: { steps: 5, count: 10 } })
    const trained = await cli("train", "--config", config, "--steps", "3", "--out", short)
    assert.strictEqual(trained.code, 0, trained.stderr)
    const drawn = await cli("sample", short)
    assert.strictEqual(drawn.code, 0, drawn.stderr)
    for (const { stderr, stdout } of [trained, drawn]) {
      assert.include(stdout + stderr, "the samples are drawn without a guide: the run is at step 3")
    }
    const asked = await cli("sample", short, "--guidance", "2")
    assert.strictEqual(asked.code, 1)
    assert.include(asked.stderr, "there is no guide to draw with")
  })

  it("ends with its samples, though without a guide, when the early checkpoint is gone", async () => {
    const guided = read(run, "samples.json")
    rmSync(join(run, "checkpoints", "step-00000040"), { recursive: true })
    const outcome = await cli("train", "--resume", run)
    assert.strictEqual(outcome.code, 0, outcome.stderr)
    assert.include(outcome.stdout + outcome.stderr, "the samples are drawn without a guide")
    assert.notStrictEqual(read(run, "samples.json"), guided)
    const out = join(folder.path, "unguided.json")
    await cli("sample", run, "--seed", "0", "--guidance", "1", "--out", out)
    assert.deepStrictEqual(JSON.parse(read(out)), JSON.parse(read(run, "samples.json")))
  })
})

describe("a run on images", () => {
  const run = join(folder.path, "digits")
  const config = join(folder.path, "images.json")

  beforeAll(async () => {
    writeFileSync(
      config,
      JSON.stringify({
        preset: "digits-small",
        model: {
          block_out_channels: [8, 8],
          down_block_types: ["DownBlock2D", "DownBlock2D"],
          up_block_types: ["UpBlock2D", "UpBlock2D"],
          norm_num_groups: 4,
          add_attention: false
        },
        batchSize: 4,
        previews: { every: 2, count: 3, steps: 2 },
        sampling: { steps: 3, count: 5 }
      })
    )
    const outcome = await cli("train", "--config", config, "--steps", "3", "--out", run)
    assert.strictEqual(outcome.code, 0, outcome.stderr)
  })

  /** A grid's size in pixels, of images of 28 pixels at twice their size. */
  const size = (columns: number, rows: number) => [columns * 58 + 2, rows * 58 + 2]

  it("leaves pictures with all their images", () => {
    const samples = decodePng(readFileSync(join(run, "samples.png")))
    assert.deepStrictEqual([samples.width, samples.height, samples.channels], [...size(3, 2), 1])
    const preview = decodePng(readFileSync(join(run, "previews", "step-2.png")))
    assert.deepStrictEqual([preview.width, preview.height], size(2, 2))
  })

  it("can be drawn with: a grid, and rows of denoising steps that end in that grid", async () => {
    const [grid, rows] = [join(folder.path, "grid.png"), join(folder.path, "rows.png")]
    const drawn = await cli("sample", run, "--count", "4", "--seed", "9", "--out", grid)
    assert.strictEqual(drawn.code, 0, drawn.stderr)
    const denoised = await cli("sample", run, "--count", "4", "--seed", "9", "--trajectory", "--out", rows)
    assert.strictEqual(denoised.code, 0, denoised.stderr)
    const [a, b] = [decodePng(readFileSync(grid)), decodePng(readFileSync(rows))]
    assert.deepStrictEqual([a.width, a.height], size(2, 2))
    assert.deepStrictEqual([b.width, b.height], size(3, 4))
    const tile = (picture: typeof a, column: number, row: number) =>
      Array.from(
        { length: 56 },
        (_, y) => [...picture.data.subarray((row * 58 + 2 + y) * picture.width + column * 58 + 2).subarray(0, 56)]
      )
    for (const index of [0, 1, 2, 3]) {
      assert.deepStrictEqual(tile(b, 2, index), tile(a, index % 2, Math.floor(index / 2)))
      assert.notDeepEqual(tile(b, 0, index), tile(b, 2, index))
    }
  })

  it("cannot be guided, for it keeps no guide", async () => {
    const { code, stderr } = await cli("sample", run, "--guidance", "2")
    assert.strictEqual(code, 1)
    assert.include(stderr, "there is no guide to draw with: the run keeps none")
  })

  it("writes the picture of one sample beside the run when it is not told where", async () => {
    const { stdout } = await cli("sample", run, "--count", "1")
    assert.include(stdout, `1 sample in`)
    assert.isTrue(existsSync(join(run, "samples-step-3-ddpm-3-count-1-seed-1.png")))
  })
})

describe("a dry run", () => {
  it("prints the settings and what training will cost, and writes nothing", async () => {
    const config = tinyConfig(folder.path)
    const out = fresh()
    const { code, stderr, stdout } = await cli(
      "train",
      "--config",
      config,
      "--dry-run",
      "--batch-size",
      "40",
      "--out",
      out
    )
    assert.strictEqual(code, 0, stderr)
    const end = stdout.indexOf("\n}\n") + 3
    const settings = JSON.parse(stdout.slice(0, end))
    assert.strictEqual(settings.batchSize, 40)
    assert.strictEqual(settings.model.width, 16)
    assert.match(
      stdout.slice(end),
      /^engine: onnx .*on .+, 1 thread\nparameters: 1,\d{3}\nmemory: about \d+ MiB at most in the whole run, .*\ntime: about \w+.* 2,000 steps of \d+ ms/
    )
    assert.deepStrictEqual(readdirSync(out), [])
  })

  it("is one JSON object for machines", async () => {
    const { stdout } = await cli("train", "--config", tinyConfig(folder.path), "--dry-run", "--json")
    const { config, event, memoryBytes, parameters, secondsPerStep, trainingSeconds } = JSON.parse(stdout)
    assert.strictEqual(event, "dry-run")
    assert.strictEqual(config.preset, "points")
    // Time embedding 2 (16 + 1) 16, input (6 + 1) 16, block, output: counted by the model's own tests.
    assert.isAbove(parameters, 1000)
    assert.closeTo(trainingSeconds, secondsPerStep * 2000, 1e-9)
    assert.isAbove(memoryBytes, 1e7)
  })

  it("warns of what training would warn of", async () => {
    const short = tinyConfig(folder.path, { schedule: { type: "linear", steps: 50 } })
    const run = fresh()
    const trained = await cli("train", "--config", short, "--steps", "2", "--out", run)
    const warning = trained.stdout.split("\n").find((line) => line.startsWith("Warning: "))
    assert.match(warning ?? "none", /^Warning: the schedule "linear" with 50 timesteps ends at alphaBar /)
    const dry = await cli("train", "--config", short, "--dry-run")
    assert.strictEqual(dry.stdout.split("\n").at(-1), warning)
    const json = await cli("train", "--config", short, "--dry-run", "--json")
    const [estimate, warned, ...others] = json.stdout.split("\n").map((line) => JSON.parse(line))
    assert.strictEqual(estimate.event, "dry-run")
    assert.deepStrictEqual(warned, { event: "warning", message: warning!.slice("Warning: ".length) })
    assert.deepStrictEqual(others, [])
    // A run that goes on is warned of nothing that it has begun with.
    assert.notInclude((await cli("train", "--resume", run, "--dry-run")).stdout, "Warning")
  })
})

describe("events for machines", () => {
  it("are JSON lines: start, steps, checkpoints, previews, evaluation, end", async () => {
    const config = tinyConfig(folder.path, {
      previews: { every: 4, count: 2, steps: 2 },
      checkpoints: { every: 3, keep: 1 }
    })
    const { stdout } = await cli("train", "--config", config, "--steps", "6", "--json", "--overwrite", "--out", fresh())
    const events = stdout.split("\n").map((line) => JSON.parse(line))
    assert.deepStrictEqual(
      events.map(({ event }) => event),
      [
        "start",
        "step",
        "step",
        "step",
        "checkpoint",
        "step",
        "preview",
        "step",
        "step",
        "checkpoint",
        "evaluating",
        "evaluation",
        "end"
      ]
    )
    assert.deepStrictEqual(events.filter(({ event }) => event === "step").map(({ step }) => step), [1, 2, 3, 4, 5, 6])
    assert.strictEqual(events.at(-1).reason, "finished")
  })

  it("tell of an error, too", async () => {
    const { stderr, stdout } = await cli("train", "--preset", "nope", "--json")
    const { event, message } = JSON.parse(stdout)
    assert.strictEqual(event, "error")
    assert.strictEqual(stderr, `effusion: ${message}`)
  })
})
