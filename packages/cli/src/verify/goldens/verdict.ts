/**
 * What came out of a sampler against what is to come out.
 *
 * A number may be off by the tolerance that its file publishes, or by 1e-4 of itself, whichever is more; single elements and
 * the signed sum by 1e-4 of the mean of |x|, where that is more. Numbers that were computed in float32 cannot be known better
 * than float32 knows them, and some are known badly, because they are small differences of large numbers. So a number may be
 * off as well by what float32 leaves open, of which there are two measures:
 *
 * - what it changes here to round x, what the denoiser says, and all coefficients to float32 at every step; four times that,
 *   and for a single element the most that it changes any of them
 * - what it leaves uncertain at each step: 2^-23 of the largest element of x, or more where a step takes large numbers from
 *   one another (`run.ts`)
 */
import { Result } from "effect"
import { type Check, near, worstOf } from "./Check.ts"
import type { GoldenProblem } from "./GoldenProblem.ts"
import { type Outcome, runCase } from "./run.ts"
import type { Expected, SchedulerCase } from "./SchedulerCase.ts"

/**
 * The checks of a case.
 *
 * Fails with `GoldenProblem` where the case cannot be run.
 *
 * @example
 * const checks = Result.getOrThrow(checksOf(golden))
 * checks.every(passes)
 */
export const checksOf = (golden: SchedulerCase): Result.Result<ReadonlyArray<Check>, GoldenProblem> =>
  Result.gen(function*() {
    const { expected } = golden
    const outcome = yield* runCase(golden, { tables: "float32" })
    const rounded = yield* runCase(golden, { tables: "float32", state: "float32" })
    const roundedNumbers = numbersOf(expected, rounded)
    const largestChange = Math.max(...outcome.x.map((value, i) => Math.abs(value - rounded.x[i]!)))
    const checks = numbersOf(expected, outcome).map(({ atLeast, got, isElement, wanted, what }, i) => {
      const change = isElement ? largestChange : Math.abs(got - roundedNumbers[i]!.got)
      return near(what, wanted, got, Math.max(atLeast, 4 * change))
    })
    const reference = expected.float64_reference_abs_sum
    // What was computed in float64 is held against float64 tables.
    const exact = reference === undefined ? [] : [near(
      "float64_reference_abs_sum",
      reference,
      absoluteSum((yield* runCase(golden, { tables: "float64" })).x),
      0
    )]
    return [...checks, ...exact, ...wayOf(expected, outcome)]
  })

interface Measured {
  readonly what: string
  readonly wanted: number
  readonly got: number
  readonly atLeast: number
  readonly isElement?: boolean
}

/** The numbers of x that are wanted, as they came out. */
const numbersOf = (expected: Expected, { shape, uncertainty: floor, x }: Outcome): ReadonlyArray<Measured> => {
  const { abs_mean, abs_sum, elements, sum, upstream_assert } = expected
  const total = absoluteSum(x)
  const mean = total / x.length
  const near = Math.max(floor, 1e-4 * mean)
  const measured: Array<Measured> = []
  if (abs_sum !== undefined) measured.push({ what: "abs_sum", wanted: abs_sum, got: total, atLeast: floor * x.length })
  if (abs_mean !== undefined) measured.push({ what: "abs_mean", wanted: abs_mean, got: mean, atLeast: floor })
  if (sum !== undefined) {
    const signed = x.reduce((total, value) => total + value, 0)
    measured.push({ what: "sum", wanted: sum, got: signed, atLeast: near * x.length })
  }
  if (upstream_assert !== undefined) {
    const { on, tol, value } = upstream_assert
    measured.push({ what: `upstream_assert.${on}`, wanted: value, got: on === "sum" ? total : mean, atLeast: tol })
  }
  for (const { index, label, value } of elements) {
    const isInside = index.length === shape.length && index.every((i, axis) => i < shape[axis]!)
    const flat = index.reduce((flat, i, axis) => flat * (shape[axis] ?? 1) + i, 0)
    measured.push({ what: label, wanted: value, got: isInside ? x[flat]! : NaN, atLeast: near, isElement: true })
  }
  return measured
}

const absoluteSum = (x: Float64Array): number => x.reduce((sum, value) => sum + Math.abs(value), 0)

/** Of timesteps and sigmas, those that are furthest off. */
const wayOf = (expected: Expected, { sigmas = [], timesteps, timestepTolerance }: Outcome): ReadonlyArray<Check> => [
  ...furthest("timesteps", expected.timesteps, timesteps, timestepTolerance),
  ...furthest("sigmas", expected.sigmas, sigmas, 0)
]

const furthest = (
  what: string,
  wanted: ReadonlyArray<number> | undefined,
  got: ReadonlyArray<number>,
  atLeast: number
): ReadonlyArray<Check> => {
  if (wanted === undefined) return []
  if (wanted.length !== got.length) {
    return [{ what: `${what}.length`, expected: wanted.length, got: got.length, tolerance: 0 }]
  }
  const worst = worstOf(wanted.map((value, i) => near(`${what}[${i}]`, value, got[i]!, atLeast)))
  return worst === undefined ? [] : [worst]
}
