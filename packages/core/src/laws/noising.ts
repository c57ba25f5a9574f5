/**
 * Laws of noising: of x_t = sqrt(alphaBar_t) x_0 + sqrt(1 - alphaBar_t) epsilon, and of the way back from it.
 */
import * as fc from "fast-check"
import { addNoise, type Conversion, conversion, predictionTypes } from "../diffusion/index.ts"
import type { PredictionType } from "../diffusion/index.ts"
import { Distribution, draw, Key } from "../random/index.ts"
import type { Schedule } from "../schedule/index.ts"
import { anySchedule, elements } from "./arbitraries.ts"
import { allNear, among, epsilon, near, same } from "./internal/compare.ts"
import { showSchedule } from "./internal/subject.ts"
import { type Law, law, type Suite, suite } from "./Law.ts"

/** What is held to account. Whatever is left out is Effusion's. */
export interface Noising {
  /** x_t of data, a timestep and noise, element by element, in float64. */
  readonly addNoise: (
    schedule: Schedule,
    t: number,
    x0: ArrayLike<number>,
    noise: ArrayLike<number>
  ) => ArrayLike<number>
  /** The coefficients that turn one prediction into another. */
  readonly conversion: (
    schedule: Schedule,
    t: number,
    options: { readonly from: PredictionType; readonly to: PredictionType }
  ) => Conversion
  /** Standard normal noise: as many elements as asked for, a pure function of the key. */
  readonly noise: (key: Key.Key, count: number) => ArrayLike<number>
}

/** How the laws of noising are stated. */
export interface NoisingLawOptions {
  /** What the suite is called: `noising` unless given. */
  readonly subject?: string | undefined
  /** The schedule to noise by, or an arbitrary of several; {@link anySchedule} unless given. */
  readonly schedule?: Schedule | fc.Arbitrary<Schedule> | undefined
}

/**
 * The laws of a noising, one's own or Effusion's, under any schedule.
 *
 * @example
 * Laws.test(it, Laws.noising({ addNoise: myAddNoise }))
 */
export const noising = (noising: Partial<Noising> = {}, options: NoisingLawOptions = {}): Suite =>
  suite(options.subject ?? "noising", lawsOf({ ...effusion, ...noising }, arbitraryOf(options.schedule)))

const arbitraryOf = (schedule: NoisingLawOptions["schedule"] = anySchedule): fc.Arbitrary<Schedule> =>
  "alphaBar" in schedule ? fc.constant(schedule) : schedule

const effusion: Noising = {
  addNoise,
  conversion,
  noise: (key, count) => draw(key, { distribution: Distribution.normal, shape: [count] }).data
}

/** A schedule, one of its timesteps, and a few elements of data and noise. */
interface Case {
  readonly schedule: Schedule
  readonly t: number
  readonly x0: ReadonlyArray<number>
  readonly noise: ReadonlyArray<number>
}

const casesOf = (schedules: fc.Arbitrary<Schedule>): fc.Arbitrary<Case> =>
  fc.tuple(schedules, fc.integer({ min: 1, max: 6 })).chain(([schedule, length]) =>
    fc.record({
      schedule: fc.constant(schedule),
      t: fc.integer({ min: 0, max: schedule.steps - 1 }),
      x0: elements(length),
      noise: elements(length)
    })
  )

const show = ({ noise, schedule, t, x0 }: Case): string =>
  `t = ${t}, x0 = [${x0.join(", ")}], noise = [${noise.join(", ")}]\nschedule ${showSchedule(schedule)}`

const factorsOf = ({ alphaBar }: Schedule, t: number) => ({
  signal: Math.sqrt(alphaBar[t]!),
  spread: Math.sqrt(1 - alphaBar[t]!)
})

const lawsOf = ({ addNoise, conversion, noise }: Noising, schedules: fc.Arbitrary<Schedule>): ReadonlyArray<Law> => {
  const cases = casesOf(schedules)
  const apply = ({ noise, schedule, t, x0 }: Case) => Array.from(addNoise(schedule, t, x0, noise))

  return [
    law({
      name: "noising/marginal",
      sentence:
        "the factor of the data in x_t is sqrt(alphaBar_t) and that of the noise sqrt(1 - alphaBar_t), within 4 units in the last place",
      source: "Ho et al. 2020, equation 4",
      inputs: cases,
      show,
      violation: (input) => {
        const { signal, spread } = factorsOf(input.schedule, input.t)
        const [one, zero] = [input.x0.map(() => 1), input.x0.map(() => 0)]
        return allNear(
          "x_t of ones without noise",
          apply({ ...input, x0: one, noise: zero }),
          "sqrt(alphaBar) is",
          one.map(() => signal),
          4 * epsilon
        ) ??
          allNear(
            "x_t of nothing but noise",
            apply({ ...input, x0: zero, noise: one }),
            "sqrt(1 - alphaBar) is",
            one.map(() => spread),
            4 * epsilon
          )
      }
    }),
    law({
      name: "noising/linear",
      sentence: "x_t of a sum of data and of noise is the sum of each one's x_t, and scales with them, within 1e-13",
      source: "Ho et al. 2020, equation 4: x_t is a linear combination of data and noise",
      inputs: fc.tuple(cases, fc.integer({ min: -8, max: 8 })).chain(([first, factor]) =>
        fc.record({
          first: fc.constant(first),
          factor: fc.constant(factor),
          x0: elements(first.x0.length),
          noise: elements(first.x0.length)
        })
      ),
      show: ({ factor, first, noise, x0 }) =>
        `${show(first)}\nplus ${factor} times x0 = [${x0.join(", ")}], noise = [${noise.join(", ")}]`,
      violation: ({ factor, first, noise, x0 }) => {
        const second = apply({ ...first, x0, noise })
        const combined = apply({
          ...first,
          x0: first.x0.map((value, i) => value + factor * x0[i]!),
          noise: first.noise.map((value, i) => value + factor * noise[i]!)
        })
        const expected = apply(first).map((value, i) => value + factor * second[i]!)
        return allNear("x_t of the combination", combined, "the combination of both x_t has", expected, 1e-13)
      }
    }),
    law({
      name: "noising/invertible",
      sentence:
        "data and noise follow from x_t and the right prediction, whatever is predicted; and a prediction turned into another is that other's target, within the rounding of the factors",
      source:
        "Ho et al. 2020, equations 4 and 15; Salimans and Ho 2022, section 4 and appendix D; Song et al. 2021, section 3",
      inputs: cases,
      show,
      violation: (input) => {
        const { schedule, t } = input
        const { signal, spread } = factorsOf(schedule, t)
        const targets: { readonly [Type in PredictionType]: ReadonlyArray<number> } = {
          epsilon: input.noise,
          sample: input.x0,
          v_prediction: input.x0.map((x0, i) => signal * input.noise[i]! - spread * x0),
          score: input.noise.map((value) => -value / spread)
        }
        const xt = apply(input)
        return among(predictionTypes, (from) =>
          among(predictionTypes, (to) => {
            const { prediction, xt: ofXt } = conversion(schedule, t, { from, to })
            // Where the data is all but gone, or the noise, the other does not follow from what is left.
            if (!Number.isFinite(prediction) || !Number.isFinite(ofXt)) return undefined
            const made = targets[from].map((value, i) => ofXt * xt[i]! + prediction * value)
            const largest = Math.max(...targets[from].map(Math.abs), 4)
            const tolerance = 16 * epsilon * (Math.abs(ofXt) * 8 + Math.abs(prediction) * largest + 1 / spread)
            return allNear(`${to} of ${from}`, made, "its target has", targets[to], tolerance)
          }))
      }
    }),
    law({
      name: "noising/permutes",
      sentence: "elements in another order are noised to the same elements in that order, bit for bit",
      source: "Ho et al. 2020, equation 4: each element is noised by itself",
      inputs: cases,
      show,
      violation: (input) => {
        const order = input.x0.map((_, i) => (i + 1) % input.x0.length).toReversed()
        const moved = apply({ ...input, x0: order.map((i) => input.x0[i]!), noise: order.map((i) => input.noise[i]!) })
        const xt = apply(input)
        return same("x_t of the permuted", moved, "the permuted x_t has", order.map((i) => xt[i]!))
      }
    }),
    law({
      name: "noising/splits",
      sentence: "a batch that is noised in two parts is the batch that is noised at once, bit for bit",
      source: "Ho et al. 2020, equation 4: each element is noised by itself",
      inputs: fc.tuple(cases, fc.nat(6)),
      show: ([input, cut]) => `cut after ${Math.min(cut, input.x0.length)}, ${show(input)}`,
      violation: ([input, cut]) => {
        const part = (from: number, to?: number) =>
          apply({ ...input, x0: input.x0.slice(from, to), noise: input.noise.slice(from, to) })
        return same("x_t in two parts", [...part(0, cut), ...part(cut)], "x_t at once has", apply(input))
      }
    }),
    law({
      name: "noising/moments",
      sentence:
        `over ${momentCount} draws, the mean of x_t is sqrt(alphaBar_t) x_0 and its variance 1 - alphaBar_t, each within 6 standard errors`,
      source:
        "Ho et al. 2020, equation 4; the standard errors of the mean and the variance of a normal sample. One seed in 10^8 fails by chance",
      atMost: 40,
      inputs: fc.record({ input: cases, seed: fc.integer({ min: 0 }) }),
      show: ({ input, seed }) => `seed ${seed}, ${show(input)}`,
      violation: ({ input: { schedule, t, x0: [x0] }, seed }) => {
        const { signal, spread } = factorsOf(schedule, t)
        const drawn = noise(Key.make(seed), momentCount)
        const xt = Array.from(addNoise(schedule, t, new Float64Array(momentCount).fill(x0!), drawn))
        const mean = xt.reduce((sum, value) => sum + value, 0) / momentCount
        const variance = xt.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (momentCount - 1)
        const error = 6 * spread / Math.sqrt(momentCount)
        return near("the mean", mean, "that of q(x_t | x_0) is", signal * x0!, error + 1e-12) ??
          near("the variance", variance, "that of q(x_t | x_0) is", spread ** 2, error * Math.SQRT2 * spread + 1e-12)
      }
    })
  ]
}

const momentCount = 4096
