/**
 * Mistakes in the tables of a schedule, and in what is derived from them.
 */
import { Result } from "effect"
import * as S from "../../schedule/index.ts"
import type { Schedule } from "../../schedule/index.ts"
import type { Fault } from "../Fault.ts"
import { type Formulas, schedule as lawsOf } from "../schedule.ts"

const right = Result.getOrThrow(S.linear({ steps: 40, start: 1e-3, end: 0.2 }))

const fromBetas = Result.getOrThrow(S.fromBetas(right.beta))

/** A formula in place of the right one. */
const formula = (name: string, caughtBy: string, mistake: string, formulas: Partial<Formulas>): Fault => ({
  name,
  mistake,
  caughtBy: `schedule/${caughtBy}`,
  wrong: lawsOf(right, { formulas }),
  right: lawsOf(right)
})

/** Tables in place of the right ones. */
const tables = (name: string, caughtBy: string, mistake: string, wrong: Partial<Schedule>): Fault => ({
  name,
  mistake,
  caughtBy: `schedule/${caughtBy}`,
  wrong: lawsOf({ ...right, ...wrong }),
  right: lawsOf(right)
})

const before = S.previousAlphaBar
const share = (schedule: Schedule, t: number) => S.beta(schedule, t) / (1 - S.alphaBar(schedule, t))

/** alphaBar as a product in float32. */
const singlePrecision = ({ beta }: Schedule): Float32Array => {
  let product = 1
  return Float32Array.from(beta, (value) => product = Math.fround(product * Math.fround(1 - value)))
}

/** Schedules and formulas with one mistake each. */
export const scheduleFaults: ReadonlyArray<Fault> = [
  tables("beta-missing", "tables-are-whole", "the table of betas has one entry fewer than there are timesteps", {
    beta: right.beta.slice(1)
  }),
  tables("time-reversed", "alpha-bar-falls", "alphaBar is counted from the noise, so it rises with t", {
    alphaBar: right.alphaBar.toReversed()
  }),
  tables("product-before-t", "alpha-bar-falls", "alphaBar_t leaves out step t, so alphaBar_0 is 1", {
    alphaBar: right.alphaBar.map((_, t) => before(right, t))
  }),
  tables(
    "alpha-for-alpha-bar",
    "alpha-bar-is-product",
    "alphaBar_t is 1 - beta_t, without the product over the steps",
    {
      alphaBar: right.beta.map((beta) => 1 - beta)
    }
  ),
  tables(
    "sum-for-product",
    "alpha-bar-is-product",
    "alphaBar_t is exp(-sum of beta), which holds for small betas only",
    {
      alphaBar: right.beta.map((_, t) => Math.exp(-right.beta.slice(0, t + 1).reduce((sum, beta) => sum + beta, 0)))
    }
  ),
  tables("product-in-float32", "alpha-bar-is-product", "alphaBar is multiplied up in float32", {
    alphaBar: Float64Array.from(singlePrecision(right))
  }),
  formula("signal-off-by-one", "signal-and-spread", "sqrt(alphaBar_{t-1}) scales the data at t", {
    sqrtAlphaBar: (schedule, t) => Math.sqrt(before(schedule, t))
  }),
  formula("spread-without-root", "signal-and-spread", "1 - alphaBar scales the noise, without the square root", {
    sqrtOneMinusAlphaBar: (schedule, t) => 1 - S.alphaBar(schedule, t)
  }),
  formula("snr-of-amplitudes", "snr-falls", "the SNR is the ratio of the factors, not of their squares", {
    snr: (schedule, t) => Math.sqrt(S.snr(schedule, t))
  }),
  formula("log-snr-halved", "snr-falls", "logSnr is lambda of DPM-Solver, which is half of it", {
    logSnr: (schedule, t) => S.logSnr(schedule, t) / 2
  }),
  formula("step-without-root", "kernels-compose", "a forward step scales by 1 - beta, without the square root", {
    forwardStep: (schedule, t) => ({ scale: 1 - S.beta(schedule, t), variance: S.beta(schedule, t) })
  }),
  formula("step-of-previous-beta", "kernels-compose", "a forward step adds beta_{t-1}", {
    forwardStep: (schedule, t) => ({
      scale: Math.sqrt(1 - S.beta(schedule, t)),
      variance: S.beta(schedule, Math.max(0, t - 1))
    })
  }),
  formula(
    "posterior-coefficients-swapped",
    "posterior-is-bayes",
    "the posterior's factors of x_0 and x_t are exchanged",
    {
      posteriorMeanFactorOfX0: S.posteriorMeanFactorOfXt,
      posteriorMeanFactorOfXt: S.posteriorMeanFactorOfX0
    }
  ),
  formula(
    "posterior-x0-of-t",
    "posterior-is-consistent",
    "the posterior's factor of x_0 has alphaBar_t for alphaBar_{t-1}",
    {
      posteriorMeanFactorOfX0: (schedule, t) => S.sqrtAlphaBar(schedule, t) * share(schedule, t)
    }
  ),
  formula(
    "posterior-xt-without-root",
    "posterior-is-bayes",
    "the posterior's factor of x_t has alpha for sqrt(alpha)",
    {
      posteriorMeanFactorOfXt: (schedule, t) =>
        S.alpha(schedule, t) * (1 - before(schedule, t)) / (1 - S.alphaBar(schedule, t))
    }
  ),
  formula("posterior-variance-is-beta", "posterior-is-bayes", "the posterior's variance is beta from t = 1 on", {
    posteriorVariance: (schedule, t) => t === 0 ? 0 : S.beta(schedule, t)
  }),
  formula(
    "posterior-clipped-at-0",
    "posterior-variance-bounds",
    "the variance at t = 0 is that of t = 1, as it is clipped to take its logarithm",
    { posteriorVariance: (schedule, t) => S.posteriorVariance(schedule, Math.max(t, 1)) }
  ),
  formula(
    "betas-picked",
    "respaced-is-subset",
    "a respaced schedule has the betas of its timesteps, not those between them",
    {
      respace: (schedule, timesteps) =>
        Result.map(S.respace(schedule, timesteps), (respaced) => ({
          ...respaced,
          beta: Float64Array.from(respaced.timesteps, (t) => schedule.beta[t]!)
        }))
    }
  ),
  formula("respaced-renumbered", "respaced-is-subset", "a respaced schedule tells the denoiser 0, 1, 2, ...", {
    respace: (schedule, timesteps) =>
      Result.map(S.respace(schedule, timesteps), (respaced) => ({
        ...respaced,
        timesteps: respaced.timesteps.map((_, i) => i)
      }))
  }),
  formula(
    "tables-made-in-float32",
    "float32-tables",
    "1 - alphaBar is computed in float32, where its digits are lost",
    {
      float32Tables: (schedule) => {
        const alphaBar = Float32Array.from(schedule.alphaBar)
        return {
          signal: alphaBar.map(Math.sqrt),
          spread: alphaBar.map((value) => Math.sqrt(1 - value))
        }
      }
    }
  ),
  {
    name: "config-rounded",
    mistake: "the config of a schedule keeps six digits of its betas",
    caughtBy: "schedule/json-round-trip",
    wrong: lawsOf(fromBetas, {
      rebuild: (_, config) =>
        S.fromBetas((config["betas"] as ReadonlyArray<number>).map((beta) => Number(beta.toPrecision(6))))
    }),
    right: lawsOf(fromBetas)
  }
]
