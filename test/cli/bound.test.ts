import { assert, describe, it } from "@effect/vitest"
import type { Training } from "@effusion/core/training"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import { boundPlot } from "../../packages/cli/src/picture/boundPlot.ts"
import type { BoundReport } from "../../packages/cli/src/report/boundReport.ts"
import { describeBound, rowsOf, toCsv, toJson } from "../../packages/cli/src/report/boundReport.ts"
import { cli, temporaryFolder, tinyConfig } from "./support/cli.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

const estimate = (mean: number): Training.Estimate => ({ mean, standardError: mean / 10 })

/** An evaluation of ten dimensions at these strata: timestep t has a term of 20 / (t + 1) nats. */
const evaluationAt = (steps: number, strata: ReadonlyArray<readonly [number, number]>): Training.BoundEvaluation => {
  const term = (t: number) => 20 / (t + 1)
  const mean = (from: number, to: number) => {
    const terms = Array.from({ length: to - from + 1 }, (_, i) => term(from + i))
    return terms.reduce((sum, value) => sum + value, 0) / terms.length
  }
  const later = strata.slice(1).reduce((sum, [from, to]) => sum + (to - from + 1) * mean(from, to), 0)
  return {
    examples: 7,
    dimensions: 10,
    steps,
    variance: "fixed-small",
    prior: estimate(1),
    divergences: estimate(later),
    decoder: estimate(term(0)),
    total: estimate(1 + later + term(0)),
    rows: strata.map(([from, to]) => ({
      from,
      to,
      term: estimate(mean(from, to)),
      noiseError: estimate(1 / (from + 2)),
      dataError: estimate(0.25),
      boundWeight: from === 0 ? undefined : 3 / from,
      lossWeight: 1
    }))
  }
}

const every = (steps: number) => Array.from({ length: steps }, (_, t) => [t, t] as const)

const reportOf = (evaluation: Training.BoundEvaluation, decoder: BoundReport["decoder"] = "discretized-gaussian") => ({
  run: "runs/digits-1",
  step: 2200,
  seed: 0,
  decoder,
  evaluation
})

describe("a report of the bound", () => {
  it("is in bits per dimension for images, and in nats for points", () => {
    const evaluation = evaluationAt(30, every(30))
    const bits = toJson(reportOf(evaluation))
    const nats = toJson(reportOf(evaluation, "gaussian"))
    assert.strictEqual(bits.unit, "bits/dim")
    assert.strictEqual(nats.unit, "nats/dim")
    assert.closeTo(nats.prior.mean, 0.1, 1e-12)
    assert.closeTo(bits.prior.mean, 0.1 / Math.LN2, 1e-12)
    assert.closeTo(bits.rows[4]!.term, 20 / 5 / 10 / Math.LN2, 1e-12)
    assert.closeTo(bits.rows[4]!.termError, bits.rows[4]!.term / 10, 1e-12)
  })

  it("has a table whose rows add up to the total", () => {
    for (const strata of [every(1000), [[0, 0], [1, 1], [2, 7], [8, 99], [100, 999]] as const]) {
      const report = reportOf(evaluationAt(1000, strata))
      const lines = describeBound(report)
      const sums = lines.flatMap((line) => {
        const [, , sum] = /^ {2}(\S+(?: \(decoder\))?) +(-?[\d.e-]+)/.exec(line) ?? []
        return sum === undefined ? [] : [Number(sum)]
      })
      const parts = sums.slice(0, -1)
      assert.isAtMost(parts.length, 13)
      const total = toJson(report).total.mean
      assert.closeTo(parts.reduce((sum, part) => sum + part, 0), total, 0.01 * total)
      assert.closeTo(sums.at(-1)!, total, 0.01 * total)
      assert.isTrue(lines.every((line) => line.length <= 80), lines.join("\n"))
    }
  })

  it("says how many timesteps were looked at, and how certain it is", () => {
    const whole = describeBound(reportOf(evaluationAt(30, every(30))))
    assert.strictEqual(whole[0], "The variational bound of runs/digits-1 after 2,200 steps, on 7 held-out images")
    assert.strictEqual(whole[1], "(all 30 timesteps; variance fixed-small):")
    const some = describeBound(reportOf(evaluationAt(30, [[0, 0], [1, 29]])))
    assert.include(some[1]!, "2 of 30 timesteps each")
    assert.match(some.at(-1)!, /^Bits per dimension: at most [\d.]+ \+- [\d.]+$/)
    const evaluation = evaluationAt(3, every(3))
    const one = { ...evaluation, total: { ...evaluation.total, standardError: Number.NaN } }
    assert.match(describeBound(reportOf(one, "gaussian")).at(-1)!, /^Nats per dimension: at most [\d.]+$/)
    assert.include(JSON.stringify(toJson(reportOf(one))), `"standardError":null`)
  })

  it("has the same rows as comma-separated values", () => {
    const report = reportOf(evaluationAt(5, every(5)))
    const [header, ...lines] = toCsv(report).trimEnd().split("\n")
    const names = header!.split(",")
    assert.strictEqual(lines.length, 5)
    lines.forEach((line, t) => {
      const row = rowsOf(report)[t]!
      line.split(",").forEach((cell, i) => {
        assert.strictEqual(cell === "" ? null : Number(cell), row[names[i] as keyof typeof row])
      })
    })
    assert.include(lines[0]!, ",,")
  })
})

describe("a plot of the bound", () => {
  const paths = (svg: string, color: string): ReadonlyArray<ReadonlyArray<readonly [number, number]>> =>
    [...svg.matchAll(/<path [^>]*>/g)].map(([path]) => path)
      .filter((path) => path.includes(`stroke="${color}"`))
      .map((path) =>
        [.../d="([^"]*)"/.exec(path)![1]!.matchAll(/(-?[\d.]+) (-?[\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)])
      )

  it("shows terms that fall like 1 / (t + 1) as nearly a line, from t = 1 on", () => {
    const svg = boundPlot("digits-1", reportOf(evaluationAt(1000, every(1000))))
    assert.match(svg, /^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/)
    for (const text of ["digits-1", "term of the bound (bits/dim)", "squared error of the noise", "in the bound"]) {
      assert.include(svg, `>${text}<`)
    }
    const line = paths(svg, "#2457a6").find((path) => path.length > 100)!
    // The second half of a logarithmic axis, where t + 1 is nearly t.
    const far = line.filter(([x]) => x > 385)
    const slope = ([x, y]: readonly [number, number], [x1, y1]: readonly [number, number]) => (y1 - y) / (x1 - x)
    const whole = slope(far[0]!, far.at(-1)!)
    assert.isAbove(whole, 0.1)
    assert.closeTo(slope(far[0]!, far[Math.floor(far.length / 2)]!), whole, 0.05 * whole)
  })

  it("shows strata as steps, and leaves out what has no logarithm", () => {
    const evaluation = evaluationAt(100, [[0, 0], [1, 9], [10, 99]])
    const svg = boundPlot("", reportOf(evaluation))
    assert.strictEqual(paths(svg, "#c2410c").find((path) => path.length > 1)!.length, 4)
    const nothing = {
      ...evaluation,
      rows: evaluation.rows.map((row) => ({ ...row, term: estimate(0), noiseError: estimate(0) }))
    }
    for (const text of ["NaN", "Infinity"]) assert.notInclude(boundPlot("", reportOf(nothing)), text)
  })
})

describe("effusion evaluate bound", () => {
  const run = join(folder.path, "points")

  beforeAll(async () => {
    const config = tinyConfig(folder.path)
    const outcome = await cli("train", "--config", config, "--steps", "60", "--out", run)
    assert.strictEqual(outcome.code, 0, outcome.stderr)
  })

  const json = async (...args: ReadonlyArray<string>) => {
    const { code, stderr, stdout } = await cli("evaluate", "bound", run, "--examples", "200", "--json", ...args)
    assert.strictEqual(code, 0, stderr)
    return JSON.parse(stdout) as ReturnType<typeof toJson> & { readonly plot: string }
  }

  it("prints a table, and writes a plot into the run's folder", async () => {
    const { code, stderr, stdout } = await cli("evaluate", "bound", run, "--examples", "50")
    assert.strictEqual(code, 0, stderr)
    assert.match(
      stdout,
      /^The variational bound of .*points after 60 steps, on 50 held-out points\n\(all 50 timesteps; /m
    )
    assert.match(stdout, /^ {2}timesteps +nats\/dim +noise error +error of x0 +weight: bound +plain loss$/m)
    assert.match(stdout, /^Nats per dimension: at most -?\d/m)
    assert.include(stdout, `open ${join(run, "bound.svg")}`)
    assert.match(readFileSync(join(run, "bound.svg"), "utf8"), /^<svg .*term of the bound \(nats\/dim\)/s)
  })

  it("prints one JSON object, whose parts add up", async () => {
    const csv = join(folder.path, "bound.csv")
    const plot = join(folder.path, "elsewhere", "plot.svg")
    const report = await json("--csv", csv, "--out", plot)
    assert.deepInclude(report, {
      run,
      step: 60,
      seed: 0,
      examples: 200,
      dimensions: 2,
      steps: 50,
      timesteps: 50,
      decoder: "gaussian",
      plot
    })
    const { divergences, likelihood, prior, rows, total } = report
    assert.closeTo(total.mean, prior.mean + divergences.mean + likelihood.mean, 1e-9)
    assert.closeTo(divergences.mean, rows.slice(1).reduce((sum, { term }) => sum + term, 0), 1e-9)
    assert.isTrue(existsSync(plot))
    assert.strictEqual(readFileSync(csv, "utf8").trimEnd().split("\n").length, 51)
    // Knowing only that points lie in the square costs log 2 nats a dimension; a network of 60 steps may cost more.
    assert.isBelow(total.mean, 5)
    assert.isAbove(total.mean, -3)
  })

  it("is the same for the same seed, and nearly so for others and for fewer timesteps", async () => {
    const all = await json()
    assert.deepStrictEqual(await json(), all)
    const other = await json("--seed", "1")
    assert.notStrictEqual(other.total.mean, all.total.mean)
    const some = await json("--timesteps", "12")
    assert.strictEqual(some.rows.length, 12)
    for (const { total } of [other, some]) {
      assert.closeTo(total.mean, all.total.mean, 5 * (total.standardError + all.total.standardError))
    }
    const large = await json("--variance", "fixed-large")
    assert.strictEqual(large.variance, "fixed-large")
    assert.notStrictEqual(large.divergences.mean, all.divergences.mean)
    assert.closeTo(large.likelihood.mean, all.likelihood.mean, 1e-9)
  })

  it("of images is in bits, with the decoder that is asked for", async () => {
    const images = join(folder.path, "images")
    const config = join(folder.path, "images.json")
    writeFileSync(
      config,
      JSON.stringify({
        preset: "digits-small",
        model: { block_out_channels: [4, 4, 4], norm_num_groups: 2, layers_per_block: 1 },
        schedule: { type: "cosine", steps: 20 },
        batchSize: 2,
        threads: 1,
        previews: { every: 0, count: 1, steps: 1 },
        sampling: { steps: 2, count: 1 }
      })
    )
    const trained = await cli("train", "--config", config, "--steps", "2", "--out", images)
    assert.strictEqual(trained.code, 0, trained.stderr)
    const of = async (...args: ReadonlyArray<string>) => {
      const { code, stderr, stdout } = await cli("evaluate", "bound", images, "--examples", "3", "--json", ...args)
      assert.strictEqual(code, 0, stderr)
      return JSON.parse(stdout) as ReturnType<typeof toJson>
    }
    const exact = await of()
    const tanh = await of("--decoder", "tanh")
    assert.deepInclude(exact, { unit: "bits/dim", decoder: "discretized-gaussian", dimensions: 784 })
    assert.strictEqual(tanh.decoder, "discretized-gaussian-tanh")
    assert.strictEqual(tanh.divergences.mean, exact.divergences.mean)
    assert.notStrictEqual(tanh.likelihood.mean, exact.likelihood.mean)
    assert.isAbove(exact.likelihood.mean, 0)
  })

  it("refuses, in one or two lines, what it cannot do", async () => {
    const refused = async (message: RegExp, ...args: ReadonlyArray<string>) => {
      const { code, stderr } = await cli("evaluate", "bound", ...args)
      assert.strictEqual(code, 1)
      assert.match(stderr, message)
      assert.isAtMost(stderr.split("\n").length, 2, stderr)
      assert.notInclude(stderr, "defect")
    }
    await refused(/"nowhere" holds no run: there is no such folder/, "nowhere")
    await refused(/cannot evaluate with --examples 0; give a number of at least 1/, run, "--examples", "0")
    await refused(/cannot evaluate with --timesteps 51; give an integer from 2 to 50/, run, "--timesteps", "51")
    await refused(/cannot evaluate with --variance learned-range; .* learns none/, run, "--variance", "learned-range")
    await refused(/cannot evaluate with --decoder exact; give none: points are continuous/, run, "--decoder", "exact")
    await refused(/cannot write "plot.png": a plot is written as .svg/, run, "--out", "plot.png")
    await refused(/Invalid value for flag --variance: "big"/, run, "--variance", "big")
    const young = join(folder.path, "young")
    mkdirSync(join(young, "checkpoints"), { recursive: true })
    writeFileSync(join(young, "config.json"), readFileSync(join(run, "config.json")))
    await refused(/young" has no checkpoint yet, so there are no weights to use; train it first/, young)
  })
})
