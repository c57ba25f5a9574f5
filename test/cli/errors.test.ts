import { NodeServices } from "@effect/platform-node"
import { Effect } from "effect"
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { requireWritable } from "../../packages/cli/src/files.ts"
import type { Outcome } from "./support/cli.ts"
import { cli, temporaryFolder, tinyConfig } from "./support/cli.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

let files = 0

/** A path in the test's folder that nothing is at yet. */
const fresh = (name: string): string => join(folder.path, `${++files}-${name}`)

/** Writes a file of JSON, and returns its path. */
const json = (value: unknown): string => {
  const path = fresh("config.json")
  writeFileSync(path, typeof value === "string" ? value : JSON.stringify(value))
  return path
}

/** The command failed with one or two lines of text that match, and without a stack trace. */
const assertRefused = ({ code, stderr }: Outcome, message: RegExp): void => {
  assert.strictEqual(code, 1)
  assert.match(stderr, message)
  assert.isAtMost(stderr.split("\n").length, 2, stderr)
  assert.notMatch(stderr, /^ +at /m)
  assert.notInclude(stderr, "defect")
}

describe("effusion train refuses", () => {
  it("a preset that there is not", async () => {
    assertRefused(
      await cli("train", "--preset", "ddpm-cifar"),
      /^effusion: there is no preset "ddpm-cifar" \(did you mean "ddpm-cifar10"\?\); choose one of digits, /
    )
  })

  it("a configuration with wrong fields, and names every one of them", async () => {
    const path = json({ preset: "points", steps: -1, batchsize: 2, optimizer: { beta1: "high" }, model: { widht: 3 } })
    const { code, stderr } = await cli("train", "--config", path, "--seed", "-3", "--out", fresh("run"))
    assert.strictEqual(code, 1)
    assert.deepStrictEqual(stderr.split("\n").map((line) => line.trim()).sort(), [
      `--seed: expected a whole number of at least 0, got -3`,
      `batchsize: unknown field; did you mean "batchSize"?`,
      `effusion: ${path} is not valid in 5 places:`,
      `model.widht: unknown field; did you mean "width"?`,
      `optimizer.beta1: expected number, got "high"`,
      `steps: expected a whole number of at least 1, got -1`
    ])
  })

  it("a configuration that is no JSON, or is not there", async () => {
    assertRefused(await cli("train", "--config", json("{")), /config.json is not valid: it is not JSON \(/)
    assertRefused(
      await cli("train", "--config", "no/such.json"),
      /cannot read the configuration "no\/such.json": it does not exist; check the path/
    )
  })

  it("zero steps", async () => {
    assertRefused(
      await cli("train", "--preset", "points", "--steps", "0"),
      /the configuration is not valid: --steps: expected a whole number of at least 1, got 0/
    )
  })

  it("flags that it does not know, and values that are no numbers", async () => {
    assertRefused(
      await cli("train", "--step", "3"),
      /Unrecognized flag: --step .*Did you mean this\? --steps\n.*--help/
    )
    for (const seed of ["99999999999999999999", "-9007199254740992"]) {
      assertRefused(
        await cli("train", "--seed", seed),
        /flag --seed: "-?\d+". Expected an integer of at most 2\^53 - 1 \(9007199254740991\), or at least .*\n.*--help/
      )
    }
    assertRefused(await cli("train", "--seed", "1.5"), /flag --seed: "1.5". Expected an integer\n.*--help/)
    assertRefused(await cli("train", "--steps", "many"), /Invalid value for flag --steps: "many".*\n.*--help/)
  })

  it("more examples in a batch than there are", async () => {
    assertRefused(
      await cli("train", "--config", tinyConfig(folder.path), "--batch-size", "20001", "--out", fresh("run")),
      /batch size 20001 is larger than the dataset .* 20000 examples; give a batch size of at most 20000/
    )
  })

  it("examples that the network cannot take", async () => {
    assertRefused(
      await cli("train", "--preset", "digits", "--data", "points:two-moons"),
      /the data "points:two-moons" has points of 2 coordinates, but the network takes images of 28x28 in 1 channel; /
    )
    const images = idxFolder({ rows: 4, columns: 8 })
    assertRefused(
      await cli("train", "--preset", "digits", "--data", `idx:${images}`),
      /has images of 4x8 in 1 channel, but .* 28x28 .*set model.sample_size to \[4, 8\]/
    )
  })

  it("data files that are missing or corrupt", async () => {
    const missing = fresh("nowhere")
    assertRefused(await cli("train", "--data", `idx:${missing}`), /the data folder ".*nowhere" does not exist; give /)

    const lacking = fresh("lacking")
    mkdirSync(lacking)
    assertRefused(
      await cli("train", "--data", `idx:${lacking}`),
      /lacking" has no file of (training|test) (images|labels); put /
    )

    const cut = idxFolder({ rows: 28, columns: 28 })
    const images = join(cut, "train-images-idx3-ubyte.gz")
    writeFileSync(images, readFileSync(images).subarray(0, 30))
    assertRefused(await cli("train", "--data", `idx:${cut}`), /train-images-idx3-ubyte.gz" is not a whole gzip file/)

    const swapped = idxFolder({ rows: 28, columns: 28 })
    copyFileSync(join(swapped, "train-labels-idx1-ubyte.gz"), join(swapped, "train-images-idx3-ubyte.gz"))
    assertRefused(await cli("train", "--data", `idx:${swapped}`), /begins with 0x00000801, not with the 0x00000803 /)
  })

  it("a loss that is no number", async () => {
    const out = fresh("diverged")
    const config = tinyConfig(folder.path, { checkpoints: { every: 1, keep: 1 }, steps: 20 })
    const outcome = await cli("train", "--config", config, "--learning-rate", "1e30", "--out", out)
    assertRefused(
      outcome,
      /the (loss|gradient norm|parameters) (is|are) .* at step \d+ \(the losses before it: .*\); the last good checkpoint is ".*diverged\/checkpoints\/step-\d+"\. Lower the learning rate/
    )
    assert.isNotEmpty(readdirSync(join(out, "checkpoints")))
  })

  it("flags that do not go together", async () => {
    const { stderr } = await cli("train", "--resume", "x", "--out", "y")
    assert.strictEqual(stderr, "effusion: --resume and --out do not go together; a run goes on in its own folder")
  })
})

describe("of a run that is there", () => {
  const run = join(folder.path, "run")

  beforeAll(async () => {
    const outcome = await cli("train", "--config", tinyConfig(folder.path), "--steps", "30", "--out", run)
    assert.strictEqual(outcome.code, 0, outcome.stderr)
  })

  const copy = (): string => {
    const path = fresh("copy")
    cpSync(run, path, { recursive: true })
    return path
  }

  /** Changes one byte in the middle of a file of the checkpoint of a step. */
  const damage = (path: string, step: number): string => {
    const file = join(path, "checkpoints", `step-${String(step).padStart(8, "0")}`, "average.safetensors")
    const bytes = readFileSync(file)
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(file, bytes)
    return file
  }

  it("nothing is overwritten", async () => {
    const before = readFileSync(join(run, "metrics.jsonl"), "utf8")
    assertRefused(
      await cli("train", "--config", tinyConfig(folder.path), "--steps", "1", "--out", run),
      /already holds a run; go on with it \(--resume .*\), replace it \(--out .* --overwrite\), or choose another folder/
    )
    assert.strictEqual(readFileSync(join(run, "metrics.jsonl"), "utf8"), before)
  })

  it("the configuration cannot change when it goes on", async () => {
    assertRefused(
      await cli("train", "--resume", run, "--batch-size", "64", "--seed", "1"),
      /belongs to a run with another configuration: batchSize was 32 and is 64; seed was 0 and is 1\. Resume with /
    )
    assertRefused(
      await cli("train", "--resume", run, "--preset", "digits"),
      /belongs to a run with another configuration: data was "points:swiss-roll" and is "digits"; /
    )
    assertRefused(
      await cli("train", "--resume", run, "--steps", "29"),
      /has done 30 steps, so it cannot go on to step 29; give --steps 30 or more/
    )
  })

  it("its length can change when it goes on, and whoever does so is told what becomes of the learning rate", async () => {
    const rateAt = (path: string, step: number): number =>
      readFileSync(join(path, "metrics.jsonl"), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line))
        .find((metric) => metric.step === step).learningRate
    const goOn = async (path: string, ...args: ReadonlyArray<string>) => {
      const { code, stderr, stdout } = await cli("train", "--resume", path, ...args)
      assert.strictEqual(code, 0, stderr)
      return /^Warning: (the learning rate .*)$/m.exec(stdout)?.[1]
    }
    const longer = copy()
    assert.isUndefined(await goOn(longer))
    const notice = await goOn(longer, "--steps", "40")
    const rate = Number(rateAt(longer, 31).toPrecision(3))
    assert.isAbove(rate, 1e-5)
    assert.strictEqual(
      notice,
      `the learning rate follows the length of the run (optimizer.decay "cosine"), which is 40 steps and was 30: ` +
        `at step 31 it is ${rate}, and would have been 0`
    )

    const shorter = copy()
    for (const step of [20, 30]) rmSync(join(shorter, "checkpoints", `step-000000${step}`), { recursive: true })
    const former = Number(rateAt(shorter, 11).toPrecision(3))
    assert.match(
      (await goOn(shorter, "--steps", "15"))!,
      new RegExp(`is 15 steps and was 30: at step 11 it is 0\\.000\\d+, and would have been ${former}$`)
    )
    assert.isBelow(rateAt(shorter, 11), former)
    assert.isTrue(existsSync(join(shorter, "checkpoints", "step-00000015")))
    // Nothing is left to be done at that rate.
    assert.isUndefined(await goOn(shorter, "--steps", "15"))
  })

  it("a damaged checkpoint is named, and the one before it is used", async () => {
    const path = copy()
    damage(path, 30)
    const outcome = await cli("train", "--resume", path, "--steps", "35")
    assert.strictEqual(outcome.code, 0, outcome.stderr)
    assert.match(outcome.stdout, /Warning: the checkpoint ".*step-00000030" is damaged: average.safetensors does not /)
    assert.match(outcome.stdout, /going on after step 20/)
    const drawn = await cli("sample", path, "--count", "3")
    assert.strictEqual(drawn.code, 0, drawn.stderr)
  })

  it("damaged checkpoints are all that is left: nothing can go on", async () => {
    const path = copy()
    for (const step of [10, 20, 30]) damage(path, step)
    const message =
      /has no whole checkpoint: ".*step-00000030" is damaged \(average.safetensors .*\), and so are the older ones; train/
    assertRefused(await cli("train", "--resume", path, "--steps", "35"), message)
    assertRefused(await cli("evaluate", "bound", path), message)
    const sampled = await cli("sample", path)
    assertRefused(sampled, message)
    // What the message says to do helps.
    const remedy = /\(effusion (.*)\)$/.exec(sampled.stderr)![1]!.split(" ")
    const again = await cli(...remedy)
    assert.strictEqual(again.code, 0, again.stderr)
    assert.strictEqual((await cli("sample", path, "--count", "3")).code, 0)
  })

  it("a damaged configuration is named", async () => {
    const path = copy()
    writeFileSync(join(path, "config.json"), "{")
    assertRefused(await cli("train", "--resume", path), /config.json is not valid: it is not JSON/)
    assertRefused(await cli("sample", path), /config.json is not valid: it is not JSON/)
  })

  it("samples are refused that cannot be drawn", async () => {
    assertRefused(await cli("sample", run, "--count", "0"), /--count: expected a whole number of at least 1, got 0/)
    assertRefused(await cli("sample", run, "--steps", "51"), /--steps: expected at most schedule.steps \(50\), got 51/)
    assertRefused(await cli("sample", run, "--eta", "2"), /--eta: expected a number from 0 to 1, got 2/)
    assertRefused(await cli("sample", run, "--out", "x.png"), /cannot write "x.png": .* as .svg, .json, .csv; give /)
    assertRefused(await cli("sample", run, "--sampler", "rk45"), /Invalid value for flag --sampler: "rk45"/)
    assertRefused(await cli("sample", run, "--order", "2"), /--order: ddim has none; it is for dpm-solver, /)
    assertRefused(
      await cli("sample", run, "--sampler", "unipc", "--solver-type", "heun"),
      /--solver-type: of unipc it is bh1 or bh2, and not heun/
    )
    assertRefused(await cli("sample", run, "--sampler", "deis", "--order", "4"), /--order: of deis it is at most 3/)
    for (const [sampler, eta] of [["unipc", "0.5"], ["ddpm", "0.5"], ["ddpm", "0"]] as const) {
      assertRefused(
        await cli("sample", run, "--sampler", sampler, "--eta", eta),
        new RegExp(`cannot draw with --eta: ${sampler} has none; it is for ddim`)
      )
    }
    assertRefused(
      await cli("sample", run, "--sampler", "euler", "--noise-scale", "1.1"),
      /--noise-scale: without churn, euler adds no noise/
    )
    for (const more of [[], ["--schedule", "linear"], ["--spacing", "karras"]]) {
      const { stderr } = await cli("sample", run, "--sigma-max", "0.0001", ...more)
      const least = /--sigma-max: expected at least the least noise of the schedule, ([\d.]+), got 0.0001$/.exec(stderr)
      assert.isNotNull(least, stderr)
      assert.strictEqual((await cli("sample", run, "--sigma-max", least![1]!, "--steps", "1", "--count", "1")).code, 0)
    }
    assertRefused(
      await cli("sample", run, "--sigma-max", "0.1"),
      /no such timesteps: below sigma 0.1 \(--sigma-max\), 10 timesteps out of \d; choose between 1 and \d/
    )
    assertRefused(
      await cli("evaluate", "bound", run, "--examples", "100000"),
      /cannot evaluate with --examples 100000; give at most 2000, which is how many held-out examples "points:swiss-roll"/
    )
    assertRefused(await cli("sample", run, "--threshold", "0"), /--threshold: expected a number above 0 and at most 1/)
    assertRefused(
      await cli("sample", run, "--sampler", "ddpm", "--variance", "learned-range"),
      /"variance" of the network: it is fixed, because "[^"]*" predicts none: train one that does, or take a fixed /
    )
    // Forms of a learned variance that the library has, and no run learns.
    for (const variance of ["learned", "learned-log"]) {
      assertRefused(
        await cli("sample", run, "--sampler", "ddpm", "--variance", variance),
        /Invalid value for flag --variance: "learned[a-z-]*". Expected.*fixed-small.*fixed-large.*learned-range/
      )
    }
  })

  it("nothing is computed for a place that cannot be written, and nothing is left there", async () => {
    const before = readdirSync(run)
    const [taken, file] = [join(fresh("places"), "taken"), join(fresh("more"), "file")]
    mkdirSync(`${taken}.svg`, { recursive: true })
    mkdirSync(join(file, ".."))
    writeFileSync(file, "")
    const places: ReadonlyArray<readonly [string, RegExp]> = [
      [`${taken}.svg`, /^effusion: cannot write ".*taken.svg": it is a folder; give the path of a file$/],
      [join(file, "plot.svg"), /^effusion: cannot write ".*plot.svg": a part of its path is a file, not a folder; /],
      [
        join(file, "a", "plot.svg"),
        /^effusion: cannot write ".*plot.svg": a part of its path is a file, not a folder; /
      ]
    ]
    // Both would fail where they compute; the place is refused before.
    const commands = [
      ["sample", run, "--sampler", "ddpm", "--variance", "learned-range"],
      ["evaluate", "bound", run, "--timesteps", "51"]
    ]
    for (const command of commands) {
      for (const [place, message] of places) {
        assertRefused(await cli(...command, "--out", place), message)
      }
    }
    assertRefused(await cli("evaluate", "bound", run, "--csv", `${file}/bound.csv`), /cannot write ".*bound.csv": /)
    assert.deepStrictEqual(readdirSync(run), before)
    assert.deepStrictEqual(readdirSync(join(file, "..")), ["file"])
    assert.deepStrictEqual(readdirSync(`${taken}.svg`), [])
    // Nor is anything left where there could be something.
    const folders = fresh("folders")
    mkdirSync(folders)
    await Effect.runPromise(
      Effect.provide(requireWritable(join(folders, "a", "b", "plot.svg")), NodeServices.layer)
    )
    assert.deepStrictEqual(readdirSync(folders), [])
  })

  it("samples are refused that begin with what cannot be used", async () => {
    assertRefused(await cli("sample", run, "--strength", "0.5"), /--strength: it goes with --image, which is not given/)
    assertRefused(await cli("sample", run, "--inpaint", "x.png"), /--inpaint: it goes with --mask, which is not given/)
    assertRefused(await cli("sample", run, "--to", "x.png"), /--to: it goes with --image, which is not given/)
    assertRefused(
      await cli("sample", run, "--image", "missing.png"),
      /cannot read "missing.png": it does not exist; check the path/
    )
    assertRefused(
      await cli("sample", run, "--image", `${run}/config.json`),
      /cannot use the image ".*": the network of this run makes no images/
    )
  })
})

describe("effusion sample refuses", () => {
  it("a folder that is none, or holds no run", async () => {
    assertRefused(await cli("sample", "nowhere"), /"nowhere" holds no run: there is no such folder; give the folder /)
    assertRefused(await cli("sample", folder.path), /holds no run: it has no config.json; give the folder of a run/)
  })

  it("a run that has no checkpoint yet", async () => {
    const run = fresh("young")
    mkdirSync(run)
    const config = await cli("train", "--config", tinyConfig(folder.path), "--dry-run", "--json")
    writeFileSync(join(run, "config.json"), JSON.stringify(JSON.parse(config.stdout).config))
    assertRefused(
      await cli("sample", run),
      /young" has no checkpoint yet, .*; train it first \(effusion train --resume/
    )
  })
})

/** A folder of IDX files with two images of zeros in each part. */
function idxFolder({ columns, rows }: { readonly rows: number; readonly columns: number }): string {
  const path = fresh("idx")
  mkdirSync(path)
  for (const part of ["train", "t10k"]) {
    const images = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, rows, 0, 0, 0, columns, ...new Uint8Array(2 * rows * columns)]
    writeFileSync(join(path, `${part}-images-idx3-ubyte.gz`), gzipSync(Uint8Array.from(images)))
    writeFileSync(join(path, `${part}-labels-idx1-ubyte.gz`), gzipSync(Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 0, 1)))
  }
  return path
}
