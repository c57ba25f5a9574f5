import { boundWeight } from "@effusion/core/diffusion"
import {
  alphaBar,
  cosine,
  linear,
  logSnr,
  posteriorVariance,
  rescaleZeroTerminalSnr,
  snr
} from "@effusion/core/schedule"
import { Result } from "effect"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { scheduleTypes } from "../../packages/cli/src/configuration/schedules.ts"
import { schedulePlot } from "../../packages/cli/src/picture/schedulePlot.ts"
import { cli, type Outcome, start, temporaryFolder } from "./support/cli.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

const core = new URL("../../packages/core/src/schedule/index.ts", import.meta.url).href

const path = (name: string): string => join(folder.path, name)

const modules = {
  own: `import { fromBetas } from "${core}"\nexport default fromBetas([0.1, 0.2, 0.4, 0.8])\n`,
  bare: `import { fromBetas } from "${core}"\nconst made = fromBetas([0.1, 0.2])\nexport default made.success\n`,
  named: `import { fromBetas } from "${core}"\nexport const half = 0.5\nexport const mine = fromBetas([0.1, half])\n`,
  two: `import { fromBetas } from "${core}"\nexport const a = fromBetas([0.1])\nexport const b = fromBetas([0.2])\n`,
  none: "export const schedule = 1\n",
  other: "export default { steps: 3 }\n",
  short:
    "export default { name: \"x\", config: {}, steps: 3, beta: new Float64Array(2), alphaBar: new Float64Array(3) }\n",
  failing: `import { fromBetas } from "${core}"\nexport default fromBetas([2])\n`,
  broken: "export default (\n",
  throwing: "throw new Error(\"on purpose\")\n"
}

beforeAll(() => {
  mkdirSync(folder.path, { recursive: true })
  for (const [name, text] of Object.entries(modules)) writeFileSync(path(`${name}.ts`), text)
})

const json = async (...args: ReadonlyArray<string>) => {
  const { code, stdout } = await cli("schedule", ...args, "--json")
  assert.strictEqual(code, 0)
  return JSON.parse(stdout) as {
    readonly schedules: ReadonlyArray<{
      readonly label: string
      readonly config: unknown
      readonly steps: number
      readonly rows: ReadonlyArray<{ readonly [quantity: string]: number | null }>
    }>
  }
}

describe("effusion schedule", () => {
  it("takes the only schedule that a module exports, by whatever name", async () => {
    const { schedules: [only] } = await json(path("named.ts"))
    assert.deepStrictEqual([only!.steps, only!.rows.map(({ beta }) => beta)], [2, [0.1, 0.5]])
  })

  it("writes one picture of several schedules, and a table of each", async () => {
    const out = path("compared.svg")
    const { code, stderr, stdout } = await cli("schedule", ...scheduleTypes, "--steps", "100", "--out", out)
    assert.strictEqual(code, 0)
    assert.strictEqual(stderr, "")
    const svg = readFileSync(out, "utf8")
    assert.match(svg, /^<svg .*<\/svg>$/s)
    for (
      const text of [...scheduleTypes, "alphaBar", "log-SNR", "beta", "variational bound, min-SNR-5, error of v"]
    ) assert.include(svg, text)
    assert.notInclude(svg, "NaN")
    for (const type of scheduleTypes) assert.include(stdout, `${type}, 100 timesteps`)
    assert.include(stdout, `wrote ${out}`)
    const lines = stdout.split("\n")
    const first = lines.indexOf("linear, 100 timesteps")
    assert.match(
      lines[first + 1]!,
      /^ +t +beta +alphaBar +snr +logSnr +sigma +posteriorVariance +boundWeight +minSnrWeight +velocityWeight$/
    )
    assert.deepStrictEqual(
      lines.slice(first + 2, first + 13).map((line) => Number(line.trim().split(/ +/)[0])),
      [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99]
    )
  })

  it("prints the numbers of the schedules, all digits and all timesteps, as JSON", async () => {
    const { schedules } = await json("cosine", "linear", "--steps", "20")
    assert.deepStrictEqual(schedules.map(({ label, steps }) => [label, steps]), [["cosine", 20], ["linear", 20]])
    const expected = Result.getOrThrow(cosine({ steps: 20 }))
    assert.deepStrictEqual(schedules[0]!.config, { name: "cosine", steps: 20, offset: 0.008, maximumBeta: 0.999 })
    for (const [t, row] of schedules[0]!.rows.entries()) {
      assert.strictEqual(row["t"], t)
      assert.strictEqual(row["alphaBar"], alphaBar(expected, t))
      assert.strictEqual(row["logSnr"], logSnr(expected, t))
      assert.strictEqual(row["posteriorVariance"], posteriorVariance(expected, t))
      assert.strictEqual(row["boundWeight"], t === 0 ? null : boundWeight(expected, t))
      assert.closeTo(row["minSnrWeight"] as number, Math.min(1, 5 / snr(expected, t)), 1e-12)
      assert.closeTo((row["velocityWeight"] as number) * alphaBar(expected, t), 1, 1e-12)
    }
    assert.strictEqual(schedules[0]!.rows.length, 20)
    assert.isFalse(existsSync("schedules.svg"))
  })

  it("prints them as comma-separated values, every n-th timestep and the last", async () => {
    const { code, stdout } = await cli("schedule", "linear", "--steps", "10", "--every", "4", "--csv")
    assert.strictEqual(code, 0)
    const [header, ...rows] = stdout.split("\n").map((line) => line.split(","))
    assert.deepStrictEqual(header, [
      "schedule",
      "t",
      "beta",
      "alphaBar",
      "snr",
      "logSnr",
      "sigma",
      "posteriorVariance",
      "boundWeight",
      "minSnrWeight",
      "velocityWeight"
    ])
    assert.deepStrictEqual(rows.map(([name, t]) => [name, t]), [
      ["linear", "0"],
      ["linear", "4"],
      ["linear", "8"],
      ["linear", "9"]
    ])
    const schedule = Result.getOrThrow(linear({ steps: 10 }))
    assert.strictEqual(Number(rows[1]![3]), alphaBar(schedule, 4))
    assert.strictEqual(rows[0]![8], "")
  })

  it("rescales all of them to zero terminal SNR", async () => {
    const { schedules } = await json("linear", "cosine", path("own.ts"), "--steps", "20", "--zero-terminal-snr")
    for (const { rows } of schedules) {
      const last = rows.at(-1)!
      assert.deepStrictEqual(
        [last["alphaBar"], last["beta"], last["snr"], last["logSnr"], last["sigma"], last["boundWeight"]],
        [0, 1, 0, null, null, null]
      )
    }
    const expected = Result.getOrThrow(Result.flatMap(linear({ steps: 20 }), rescaleZeroTerminalSnr))
    assert.strictEqual(schedules[0]!.rows[7]!["alphaBar"], alphaBar(expected, 7))
    const { stdout } = await cli("schedule", "linear", "--zero-terminal-snr", "--out", path("zero.svg"))
    assert.match(stdout, /^ +999 +1 +0 +0 +-Infinity +Infinity +1 +- +1 +-$/m)
    assert.notMatch(readFileSync(path("zero.svg"), "utf8"), /NaN|Infinity/)
  })

  it("takes schedules of one's own out of modules, beside others", async () => {
    const { schedules } = await json("cosine", path("own.ts"), path("bare.ts"), "--steps", "10")
    assert.deepStrictEqual(schedules.map(({ steps }) => steps), [10, 4, 2])
    assert.deepStrictEqual(schedules[1]!.config, { name: "betas", betas: [0.1, 0.2, 0.4, 0.8] })
    assert.strictEqual(schedules[1]!.label, path("own.ts"))
  })

  it("is a command of its own process", async () => {
    const main = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url))
    const { ended } = start(process.execPath, [main, "schedule", "cosine", "./own.ts"], { cwd: folder.path })
    const { code, stderr, stdout } = await ended
    assert.strictEqual(stderr, "")
    assert.strictEqual(code, 0)
    assert.include(stdout, "./own.ts, 4 timesteps")
    assert.isTrue(existsSync(path("schedules.svg")))
  })
})

describe("effusion schedule refuses", () => {
  const assertRefused = ({ code, stderr }: Outcome, message: RegExp): void => {
    assert.strictEqual(code, 1)
    assert.match(stderr, message)
    assert.isAtMost(stderr.split("\n").length, 2, stderr)
    assert.notMatch(stderr, /^ +at /m)
    assert.notInclude(stderr, "defect")
  }

  it.each<[string, ReadonlyArray<string>, RegExp]>([
    [
      "a name that there is not",
      ["cosin"],
      /there is no noise schedule "cosin" \(did you mean "cosine"\?\); choose from/
    ],
    ["a module that there is not", ["no/such.ts"], /no schedule in the module "no\/such.ts": it does not exist; check/],
    ["a module without a schedule", ["none.ts"], /none.ts": it exports none; export default a Schedule/],
    [
      "a module with several",
      ["two.ts"],
      /two.ts": it exports 2, and none of them by default; export default a Schedule/
    ],
    [
      "a module whose default is no schedule",
      ["other.ts"],
      /other.ts": its default export is no schedule; export what/
    ],
    ["a schedule with tables of other lengths", ["short.ts"], /short.ts": its default export is no schedule/],
    [
      "a module whose schedule failed",
      ["failing.ts"],
      /failing.ts": its default export is a failure \(no noise.*beta at/
    ],
    ["a module that is no program", ["broken.ts"], /broken.ts": it cannot be loaded \(/],
    ["a module that throws", ["throwing.ts"], /throwing.ts": it cannot be loaded \(on purpose\); see that it runs by/],
    ["no timesteps", ["cosine", "--steps", "0"], /no noise schedule "cosine": "steps" is 0/],
    ["one timestep that is to end in noise", ["cosine", "--steps", "1", "--zero-terminal-snr"], /give at least two/],
    ["every 0-th timestep", ["cosine", "--every", "0"], /--every is 0; it is a whole number of at least 1/],
    ["two kinds of numbers", ["cosine", "--csv", "--json"], /--csv and --json do not go together; give one of them/],
    [
      "another kind of picture",
      ["cosine", "--out", "x.png"],
      /--out is x.png; it is the name of a file that ends in .svg/
    ]
  ])("%s", async (_, args, message) => {
    const given = args.map((arg) => Object.hasOwn(modules, arg.replace(/\.ts$/, "")) ? path(arg) : arg)
    assertRefused(await cli("schedule", ...given), message)
    assert.isFalse(existsSync("schedules.svg"))
  })

  it("no schedules at all", async () => {
    const { code, stderr } = await cli("schedule")
    assert.strictEqual(code, 1)
    assert.match(stderr, /schedule/)
  })
})

describe("a plot of schedules", () => {
  it("has as many places as can be seen, the ends among them", () => {
    const [short, long] = [20, 100_000].map((steps) =>
      schedulePlot([{ label: "linear", schedule: Result.getOrThrow(linear({ steps, end: 1e-3, start: 1e-6 })) }])
    )
    assert.isBelow(long!.length, 60_000)
    assert.isBelow(short!.length, long!.length)
  })
})
