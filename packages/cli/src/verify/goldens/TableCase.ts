/**
 * Tables that a file of reference numbers for the bound may have beside its cases: likelihoods of discrete data, and
 * timesteps by sections.
 */
import { discretizedGaussianLogLikelihood, discretizedGaussianLogLikelihoodTanh } from "@effusion/core/diffusion"
import { Timesteps } from "@effusion/core/schedule"
import { Result, Schema } from "effect"
import { type Check, near } from "./Check.ts"
import { decode } from "./decode.ts"
import { GoldenProblem } from "./GoldenProblem.ts"

const Numbers = Schema.Array(Schema.Finite)

const Likelihoods = Schema.Struct({
  x: Numbers,
  mean: Numbers,
  /** Standard deviations. */
  scale: Numbers,
  /** As published code computes them. */
  tanh_approx: Schema.optionalKey(Numbers),
  /** As the formula has them. */
  exact_erf: Schema.optionalKey(Numbers)
})

/**
 * The checks of a table of log-likelihoods, in nats: one for each element of each form.
 *
 * Fails with `GoldenProblem` where the table cannot be read, or its columns are not of one length.
 *
 * @example
 * const checks = Result.getOrThrow(likelihoodChecksOf(JSON.parse(text).discretized_gaussian_log_likelihood))
 */
export const likelihoodChecksOf = (input: unknown): Result.Result<ReadonlyArray<Check>, GoldenProblem> =>
  Result.gen(function*() {
    const { exact_erf, mean, scale, tanh_approx, x } = yield* decode(
      Likelihoods,
      input,
      likelihoodName,
      Object.keys(Likelihoods.fields)
    )
    const columns = { mean, scale, tanh_approx: tanh_approx ?? x, exact_erf: exact_erf ?? x }
    for (const [column, values] of Object.entries(columns)) {
      if (values.length === x.length) continue
      const reason = `it has ${values.length} numbers where x has ${x.length}`
      return yield* Result.fail(new GoldenProblem({ option: `${likelihoodName}.${column}`, reason }))
    }
    const gaussian = { mean, logVariance: scale.map((deviation) => 2 * Math.log(deviation)) }
    const against = (what: string, expected: ReadonlyArray<number> | undefined, got: Float64Array) =>
      (expected ?? []).map((value, i) => near(`${what}[${i}]`, value, got[i]!, 0))
    return [
      ...against("tanh_approx", tanh_approx, discretizedGaussianLogLikelihoodTanh(x, gaussian)),
      ...against("exact_erf", exact_erf, discretizedGaussianLogLikelihood(x, gaussian))
    ]
  })

/** What a file calls a table of likelihoods. */
export const likelihoodName = "discretized_gaussian_log_likelihood"

/** What a file calls a table of timesteps. */
export const sectionsName = "space_timesteps"

/** `1000,[50]`, `300,'10,15,20'` or `1000,ddim50`: the number of timesteps, and the sections. */
const request = /^(\d+),(?:\[([\d, ]*)\]|'([^']*)'|(ddim\d+))$/

/**
 * The checks of timesteps by sections: how many there are, and each of them, rising; or that there are none.
 *
 * `"ValueError"` is expected of sections that are too short and, of `ddimN`, where N does not divide T. (There OpenAI's
 * function finds another stride if one gives N timesteps, and so does Effusion: 34 for `ddim30` of 1000. The published
 * table calls it an error.)
 *
 * Fails with `GoldenProblem` where the request or the expectation cannot be read.
 *
 * @param key what is asked for: `1000,ddim50`
 * @example
 * const checks = Result.getOrThrow(sectionsChecksOf("1000,[10]", [0, 111, 222, 333, 444, 555, 666, 777, 888, 999]))
 */
export const sectionsChecksOf = (key: string, expected: unknown): Result.Result<ReadonlyArray<Check>, GoldenProblem> =>
  Result.gen(function*() {
    const fail = (reason: string) => Result.fail(new GoldenProblem({ option: `${sectionsName}.${key}`, reason }))
    const asked = request.exec(key)
    if (asked === null) return yield* fail(`it is no request such as "1000,[50]", "300,'10,15,20'" or "1000,ddim50"`)
    const steps = Number(asked[1])
    const sections = asked[2]?.replaceAll(" ", "") ?? asked[3] ?? asked[4]!
    const timesteps = Timesteps.sections({ steps, sections })
    if (expected === "ValueError") {
      const isWhole = asked[4] === undefined || steps % Number(asked[4].slice("ddim".length)) === 0
      const exists = Result.isSuccess(timesteps) && isWhole
      return [{ what: "timesteps", expected: 0, got: exists ? timesteps.success.length : 0, tolerance: 0 }]
    }
    const wanted = yield* decode(Numbers, expected, `${sectionsName}.${key}`, [])
    if (Result.isFailure(timesteps)) return yield* fail(timesteps.failure.message)
    const rising = timesteps.success.toReversed()
    return [
      { what: "timesteps", expected: wanted.length, got: rising.length, tolerance: 0 },
      ...wanted.map((t, i) => ({ what: `timesteps[${i}]`, expected: t, got: rising[i] ?? NaN, tolerance: 0 }))
    ]
  })
