/**
 * Laws of classifier-free guidance: of what becomes of the prediction with a class and the one without.
 */
import * as tf from "@tensorflow/tfjs"
import * as fc from "fast-check"
import { conversion, type PredictionType } from "../diffusion/index.ts"
import { guidedDenoiser } from "../sampling/index.ts"
import type { Schedule } from "../schedule/index.ts"
import { anySchedule, elements } from "./arbitraries.ts"
import { allNear, among, near } from "./internal/compare.ts"
import { eagerly } from "./internal/eager.ts"
import { showSchedule } from "./internal/subject.ts"
import { type Law, law, type Suite, suite } from "./Law.ts"

/** What there is to guide: one example's predictions, and how. */
export interface GuidanceInput {
  /** The prediction with the class. */
  readonly withClass: ReadonlyArray<number>
  /** The prediction without a class. */
  readonly without: ReadonlyArray<number>
  /** 1 is the prediction with the class, 0 the one without. */
  readonly scale: number
  /** How much of it is scaled to the standard deviation of the prediction with the class. */
  readonly rescale: number
  /** Whether the step is one of those that are guided. */
  readonly isInside: boolean
}

/** What makes one prediction of the two. */
export type Guiding = (input: GuidanceInput) => ArrayLike<number>

/** How the laws of guidance are stated. */
export interface GuidanceLawOptions {
  /** What the suite is called: `guidance` unless given. */
  readonly subject?: string | undefined
}

/**
 * The laws of classifier-free guidance, one's own or Effusion's.
 *
 * @example
 * Laws.test(it, Laws.guidance(myGuiding))
 */
export const guidance = (guiding: Guiding = byDenoiser, options: GuidanceLawOptions = {}): Suite =>
  suite(options.subject ?? "guidance", lawsOf(guiding))

/** Effusion's, of a denoiser that says what it is to say, on plain tfjs. */
const byDenoiser: Guiding = ({ isInside, rescale, scale, withClass, without }) =>
  eagerly(() => {
    const t = 5
    const denoiser = guidedDenoiser({
      name: "two predictions",
      exampleShape: [withClass.length],
      parameters: {},
      classes: 1,
      draws: () => ({}),
      apply: (_, { condition }) => tf.gather(tf.tensor2d([[...withClass], [...without]]), condition as tf.Tensor1D)
    }, { classifierFree: { scale, rescale, timesteps: isInside ? [t, t] : [t + 1, t + 1] } })
    const x = tf.zeros([1, withClass.length])
    const input = { x, t: tf.tensor1d([t]), condition: tf.tensor1d([0], "int32"), draws: {} }
    return denoiser.apply({}, input).dataSync().slice()
  })

interface Case {
  readonly withClass: ReadonlyArray<number>
  readonly without: ReadonlyArray<number>
  readonly scale: number
  readonly rescale: number
}

const cases: fc.Arbitrary<Case> = fc.integer({ min: 2, max: 6 }).chain((length) =>
  fc.record({
    withClass: elements(length),
    without: elements(length),
    scale: fc.integer({ min: 0, max: 40 }).map((n) => n / 4),
    rescale: fc.integer({ min: 1, max: 4 }).map((n) => n / 4)
  })
)

const show = ({ rescale, scale, withClass, without }: Case): string =>
  `scale ${scale}, rescale ${rescale}, with the class [${withClass.join(", ")}], without [${without.join(", ")}]`

const largest = (values: ReadonlyArray<number>): number => Math.max(1, ...values.map(Math.abs))

/** The standard deviation of the elements. */
const deviation = (values: ArrayLike<number>): number => {
  const all = Array.from(values)
  const mean = all.reduce((sum, value) => sum + value, 0) / all.length
  return Math.sqrt(all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / all.length)
}

const lawsOf = (guiding: Guiding): ReadonlyArray<Law> => [
  law({
    name: "guidance/linear",
    sentence: "guided by a scale w, the prediction is w of that with the class and 1 - w of that without, within 1e-5",
    source: "Ho and Salimans 2022 (Classifier-Free Diffusion Guidance), equation 6, where w is the scale less 1",
    inputs: cases,
    show,
    violation: (input) => {
      const { scale, withClass, without } = input
      const expected = withClass.map((value, i) => scale * value + (1 - scale) * without[i]!)
      const guided = guiding({ ...input, rescale: 0, isInside: true })
      return allNear("the guided prediction", guided, "it should have", expected, 1e-5 * largest(expected))
    }
  }),
  law({
    name: "guidance/any-prediction",
    sentence:
      "guiding predictions of noise or v comes to the same as guiding the estimates of x_0 that they are, within 1e-4",
    source: "each prediction is an affine function of any other at given x_t, and the weights w and 1 - w add up to 1",
    inputs: fc.record({
      given: cases,
      schedule: anySchedule,
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      x: fc.integer({ min: -8, max: 8 }).map((n) => n / 4),
      to: fc.constantFrom<PredictionType>("epsilon", "v_prediction")
    }),
    show: ({ at, given, schedule, to, x }) =>
      `${to} at t = ${timestepAt(schedule, at)}, x_t = ${x}, ${show(given)}\nschedule ${showSchedule(schedule)}`,
    violation: ({ at, given, schedule, to, x }) => {
      const t = timestepAt(schedule, at)
      const as = conversion(schedule, t, { from: "sample", to })
      const converted = (values: ArrayLike<number>) => Array.from(values, (value) => as.xt * x + as.prediction * value)
      const input = { ...given, rescale: 0, isInside: true }
      const expected = converted(guiding(input))
      const [withClass, without] = [converted(given.withClass), converted(given.without)]
      const size = largest([...withClass, ...without, ...expected]) * (1 + given.scale)
      return allNear(
        `the guided prediction of ${to}`,
        guiding({ ...input, withClass, without }),
        "of x_0 it comes to",
        expected,
        1e-4 * size
      )
    }
  }),
  law({
    name: "guidance/rescaled",
    sentence:
      "rescaled by r, the guided prediction g is r of what has the standard deviation of the prediction with the class, and 1 - r of g, within 1e-4",
    source: "Lin et al. 2024, equations 15 and 16",
    inputs: cases,
    show,
    violation: (input) => {
      const plain = guiding({ ...input, rescale: 0, isInside: true })
      // Of no spread, or nearly, there is nothing to rescale.
      if (deviation(plain) < 1e-2) return undefined
      const { rescale, withClass } = input
      const rescaled = guiding({ ...input, isInside: true })
      const factor = rescale * deviation(withClass) / deviation(plain) + 1 - rescale
      const expected = Array.from(plain, (value) => factor * value)
      return allNear(
        "the rescaled prediction",
        rescaled,
        "it should have",
        expected,
        1e-4 * largest([...expected, ...Array.from(plain)])
      )
    }
  }),
  law({
    name: "guidance/interval",
    sentence:
      "a step that is not guided has the prediction with the class, within 1e-6, whatever the scale and the rescaling",
    source: "Kynkäänniemi et al. 2024, equation 6",
    inputs: cases,
    show,
    violation: (input) => {
      const outside = guiding({ ...input, isInside: false })
      return among(
        input.withClass.entries(),
        ([i, value]) =>
          near(`element ${i}`, outside[i]!, "with the class it is", value, 1e-6 * largest(input.withClass))
      )
    }
  })
]

const timestepAt = ({ steps }: Schedule, at: number): number => Math.min(steps - 1, Math.floor(at * steps))
