/**
 * A dry run: it fails with what the run would fail with, and says what it would cost all the same.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "vitest"
import { cli, temporaryFolder, tinyConfig } from "./support/cli.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

let files = 0

/** A path in the test's folder that nothing is at yet. */
const fresh = (name: string): string => join(folder.path, `${++files}-${name}`)

const points = tinyConfig(folder.path)

/** The configuration of a small network for images of 28x28. */
const images = (): string => {
  const path = fresh("images.json")
  writeFileSync(
    path,
    JSON.stringify({
      preset: "digits-small",
      model: { block_out_channels: [8, 8, 8], norm_num_groups: 4, layers_per_block: 1 },
      schedule: { type: "cosine", steps: 20 },
      batchSize: 2,
      threads: 1,
      previews: { every: 10, count: 2, steps: 4 },
      sampling: { sampler: "ddpm", steps: 4, count: 2 }
    })
  )
  return path
}

/** A file in the format of MNIST. */
const idx = (type: number, sizes: ReadonlyArray<number>, length: number): Uint8Array =>
  Uint8Array.from([0, 0, 8, type, ...sizes.flatMap((size) => [0, 0, size >> 8, size & 255]), ...new Uint8Array(length)])

/** A folder of images of 28x28, `labels` of them with a label. */
const idxFolder = ({ labels = 4, side = 28 } = {}): string => {
  const count = 4
  const path = fresh("idx")
  mkdirSync(path)
  for (const part of ["train", "t10k"]) {
    writeFileSync(join(path, `${part}-images-idx3-ubyte`), idx(3, [count, side, side], count * side * side))
    writeFileSync(join(path, `${part}-labels-idx1-ubyte`), idx(1, [labels], labels))
  }
  return path
}

const truncated = (): string => {
  const path = idxFolder()
  truncateSync(join(path, "train-images-idx3-ubyte"), 100)
  return path
}

const empty = (): string => {
  const path = fresh("empty")
  mkdirSync(path)
  return path
}

const full = (): string => {
  const path = empty()
  writeFileSync(join(path, "mine.txt"), "mine")
  return path
}

const file = (): string => {
  const path = fresh("file")
  writeFileSync(path, "mine")
  return path
}

const cases: ReadonlyArray<readonly [name: string, args: () => ReadonlyArray<string>, problem: RegExp]> = [
  ["a folder that is not there", () => ["--config", points, "--data", "idx:/nonexistent"], /does not exist/],
  ["an empty folder", () => ["--config", points, "--data", `idx:${empty()}`], /has no /],
  ["a truncated file", () => ["--config", points, "--data", `idx:${truncated()}`], /train-images-idx3-ubyte/],
  ["labels of other images", () => ["--config", points, "--data", `idx:${idxFolder({ labels: 3 })}`], /labels/],
  ["images in place of points", () => ["--config", points, "--data", `idx:${idxFolder({ side: 8 })}`], /images of 8x8/],
  ["points in place of images", () => ["--config", images(), "--data", "points:two-moons"], /the network takes images/],
  ["batches beyond the data", () => ["--config", points, "--batch-size", "30000"], /batch size 30000 is larger/],
  ["a folder with something else in it", () => ["--config", points, "--out", full()], /is not empty/],
  ["a file in place of a folder", () => ["--config", points, "--out", file()], /cannot make the folder/],
  ["a folder below a file", () => ["--config", points, "--out", join(file(), "run")], /part of its path is a file/]
]

/** The files are read at once, and the first that cannot be is named. */
const plain = (message: string): string => message.replaceAll(/(train|t10k)-(images-idx3|labels-idx1)/g, "file")

describe("a dry run fails as the run does, and tells its cost:", () => {
  it.each(cases)("%s", async (_, args, problem) => {
    const these = args()
    // Nothing is trained where that fails; two steps where it does not.
    const run = await cli("train", "--steps", "2", ...these.includes("--out") ? [] : ["--out", fresh("run")], ...these)
    const dry = await cli("train", "--dry-run", ...these)
    assert.deepStrictEqual([run.code, dry.code], [1, 1])
    assert.match(run.stderr, problem)
    assert.strictEqual(plain(dry.stderr), plain(run.stderr).replace("effusion: ", "effusion: this run cannot start: "))
    assert.match(dry.stdout, /^memory: about \d+ MiB at most in the whole run/m)
    assert.match(dry.stdout, /^time: about /m)
  })

  it("all that is in the way, to machines too", async () => {
    const out = full()
    const { code, stderr, stdout } = await cli(
      "train",
      "--config",
      points,
      "--batch-size",
      "30000",
      "--out",
      out,
      "--dry-run",
      "--json"
    )
    assert.strictEqual(code, 1)
    assert.match(stderr, /^effusion: this run cannot start, for 2 reasons:/)
    const [dry, error] = stdout.split("\n").map((line) => JSON.parse(line))
    assert.strictEqual(dry.problems.length, 2)
    assert.match(dry.problems[0], /batch size 30000/)
    assert.match(dry.problems[1], /is not empty/)
    assert.isAbove(dry.memoryBytes, 1e7)
    assert.strictEqual(error.event, "error")
    assert.match(error.message, /^this run cannot start, for 2 reasons:\n {2}batch size .*\n {2}the folder /)
    assert.deepStrictEqual(readdirSync(out), ["mine.txt"])
  })

  it("a run that is not to go on like this", async () => {
    const run = fresh("run")
    assert.strictEqual((await cli("train", "--config", points, "--steps", "4", "--out", run)).code, 0)
    for (const flags of [["--steps", "3"], ["--steps", "6", "--seed", "1"]]) {
      const resumed = await cli("train", "--resume", run, ...flags)
      const dry = await cli("train", "--resume", run, ...flags, "--dry-run")
      assert.strictEqual(dry.code, 1)
      assert.strictEqual(dry.stderr, resumed.stderr.replace("effusion: ", "effusion: this run cannot start: "))
    }
    // What is left is what it costs; and nothing has changed.
    const { stdout } = await cli("train", "--resume", run, "--steps", "10", "--dry-run", "--json")
    const { problems, secondsPerStep, trainingSeconds } = stdout.split("\n").map((line) => JSON.parse(line))
      .find(({ event }) => event === "dry-run")
    assert.closeTo(trainingSeconds, 6 * secondsPerStep, 1e-9)
    assert.deepStrictEqual(problems, [])
    assert.strictEqual(JSON.parse(readFileSync(join(run, "config.json"), "utf8")).steps, 4)
  })
})

describe("a dry run that finds nothing in the way", () => {
  it("goes through all of a run of images, and writes nothing", async () => {
    const data = idxFolder()
    const out = fresh("run")
    const { code, stderr, stdout } = await cli(
      "train",
      "--config",
      images(),
      "--data",
      `idx:${data}`,
      "--out",
      out,
      "--accumulate",
      "2",
      "--dry-run",
      "--json"
    )
    assert.strictEqual(code, 0, stderr)
    const dry = JSON.parse(stdout)
    assert.strictEqual(dry.measuredBatchSize, 2)
    assert.isAtLeast(dry.measuredSteps, 2)
    assert.isAtLeast(dry.medianSecondsPerStep, dry.secondsPerStep)
    assert.isAtLeast(dry.memoryBytes, dry.trainingMemoryBytes)
    assert.isFalse(existsSync(out))
  })
})
