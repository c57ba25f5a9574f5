/**
 * Evenly spaced sub-sequences of a schedule's timesteps, for samplers that take fewer steps than training did: the
 * three spacings of Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed" (2024), table 2, with
 * the numbers of diffusers, and the sections of Nichol and Dhariwal 2021, with the numbers of OpenAI's code. All give
 * distinct timesteps in the order in which a sampler visits them, falling.
 */
import { Result } from "effect"
import { linspace } from "./internal/linspace.ts"
import { InvalidTimesteps } from "./InvalidSchedule.ts"

/** How many of how many timesteps. */
export interface TimestepsOptions {
  /** The number of timesteps of the schedule, T. */
  readonly steps: number
  /** The number of timesteps to choose, from 1 to T. */
  readonly count: number
}

/** How many of how many timesteps, of a spacing that ends at t = 0. */
export interface EndingTimestepsOptions extends TimestepsOptions {
  /**
   * Space count + 1 timesteps and leave out the last, t = 0, as solvers do that end on the data and not on x_0's noisy
   * neighbour (DPM-Solver and UniPC in diffusers); false unless given.
   */
  readonly dropLast?: boolean | undefined
}

/**
 * Multiples of floor(T / count) from 0: ends at t = 0 and leaves out the noisiest timesteps. `offset` is added to all
 * (1 is Stable Diffusion's convention).
 *
 * Fails with `InvalidTimesteps` when `count` is not between 1 and T (below T with `dropLast`), or a timestep falls
 * outside the schedule.
 *
 * @example
 * Timesteps.leading({ steps: 1000, count: 5 }) // => [800, 600, 400, 200, 0]
 * Timesteps.leading({ steps: 1000, count: 4, dropLast: true }) // => [800, 600, 400, 200]
 */
export const leading = (
  { count, dropLast = false, offset = 0, steps }: EndingTimestepsOptions & { readonly offset?: number | undefined }
): Result.Result<ReadonlyArray<number>, InvalidTimesteps> => {
  const points = dropLast ? count + 1 : count
  const stride = Math.floor(steps / points)
  return choose({ steps, count, points }, (i) => (points - 1 - i) * stride + offset)
}

/**
 * From T - 1 to 0, both included, rounded half to even.
 *
 * Fails with `InvalidTimesteps` when `count` is not between 1 and T (below T with `dropLast`).
 *
 * @example
 * Timesteps.linspaced({ steps: 1000, count: 5 }) // => [999, 749, 500, 250, 0]
 * Timesteps.linspaced({ steps: 1000, count: 4, dropLast: true }) // => [999, 749, 500, 250]
 */
export const linspaced = (
  { count, dropLast = false, steps }: EndingTimestepsOptions
): Result.Result<ReadonlyArray<number>, InvalidTimesteps> => {
  const points = dropLast ? count + 1 : count
  return choose({ steps, count, points }, (i) => roundHalfToEven(linspace(0, steps - 1, points, points - 1 - i)))
}

/**
 * From T - 1 downwards in strides of T / count, rounded half to even: begins at the noisiest timestep and leaves out
 * t = 0.
 *
 * Fails with `InvalidTimesteps` when `count` is not between 1 and T.
 *
 * @example
 * Timesteps.trailing({ steps: 1000, count: 5 }) // => [999, 799, 599, 399, 199]
 */
export const trailing = (
  { count, steps }: TimestepsOptions
): Result.Result<ReadonlyArray<number>, InvalidTimesteps> => {
  // NumPy's `arange(T, 0, -T / count)` rounds its stride like this; ties would fall otherwise with another rounding.
  const stride = steps - steps / count - steps
  return choose({ steps, count }, (i) => roundHalfToEven(steps + i * stride) - 1)
}

/** Sections of a schedule, and how many timesteps of each. */
export interface SectionsOptions {
  /** The number of timesteps of the schedule, T. */
  readonly steps: number
  /**
   * How many timesteps of each section, from the cleanest to the noisiest: the schedule is cut into as many sections of
   * equal length (the first ones are longer by one where T does not divide). Or as a string: `"10,15,20"`, or `"ddim50"`
   * for the 50 multiples of a whole stride, as the DDIM paper has them.
   */
  readonly sections: ReadonlyArray<number> | string
}

/**
 * Timesteps by sections, each spaced evenly with both its ends included and rounded half to even: `space_timesteps` of
 * OpenAI's code (Nichol and Dhariwal 2021, section 4).
 *
 * Fails with `InvalidTimesteps` when a section is shorter than its number of timesteps, when no stride makes that many
 * multiples, or when the text has another form.
 *
 * @example
 * Timesteps.sections({ steps: 1000, sections: [10] }) // => [999, 888, ..., 111, 0]
 * Timesteps.sections({ steps: 1000, sections: "ddim50" }) // => [980, 960, ..., 20, 0]
 */
export const sections = (
  { sections, steps }: SectionsOptions
): Result.Result<ReadonlyArray<number>, InvalidTimesteps> => {
  const fail = (reason: string) => Result.fail(new InvalidTimesteps({ reason }))
  if (typeof sections !== "string") return sectioned(steps, sections)
  const stride = /^ddim(\d+)$/.exec(sections)
  if (stride !== null) return strided(steps, Number(stride[1]))
  if (/^\d+(,\d+)*$/.test(sections)) return sectioned(steps, sections.split(",").map(Number))
  return fail(`${JSON.stringify(sections)}; give counts such as "10,15,20", or a number of DDIM steps such as "ddim50"`)
}

const sectioned = (
  steps: number,
  counts: ReadonlyArray<number>
): Result.Result<ReadonlyArray<number>, InvalidTimesteps> => {
  const fail = (reason: string) => Result.fail(new InvalidTimesteps({ reason }))
  const timesteps: Array<number> = []
  let first = 0
  for (const [i, count] of counts.entries()) {
    const size = Math.floor(steps / counts.length) + (i < steps % counts.length ? 1 : 0)
    if (!(Number.isInteger(count) && count >= 0 && count <= size)) {
      return fail(`${count} timesteps out of a section of ${size}; choose between 0 and ${size}`)
    }
    const stride = count <= 1 ? 1 : (size - 1) / (count - 1)
    // The stride is added up, as in the code whose numbers these are: a product would round otherwise.
    for (let k = 0, position = 0; k < count; k++, position += stride) timesteps.push(first + roundHalfToEven(position))
    first += size
  }
  return choose({ steps, count: timesteps.length }, (i) => timesteps[timesteps.length - 1 - i]!)
}

const strided = (steps: number, count: number): Result.Result<ReadonlyArray<number>, InvalidTimesteps> => {
  const multiples = (stride: number) => Math.ceil(steps / stride)
  // Strides near T / count are all that can give so many multiples; the smallest is the one wanted.
  let stride = 1
  while (stride < steps && multiples(stride) > count) stride++
  return multiples(stride) === count
    ? choose({ steps, count }, (i) => (count - 1 - i) * stride)
    : Result.fail(
      new InvalidTimesteps({
        reason: `no whole stride makes ${count} timesteps out of ${steps}; choose another number`
      })
    )
}

const choose = (
  { count, points = count, steps }: TimestepsOptions & { readonly points?: number },
  timestep: (i: number) => number
): Result.Result<ReadonlyArray<number>, InvalidTimesteps> => {
  const fail = (reason: string) => Result.fail(new InvalidTimesteps({ reason }))
  if (!(Number.isInteger(steps) && steps >= 1)) return fail(`a schedule has a positive number of steps, not ${steps}`)
  if (!(Number.isInteger(count) && count >= 1 && points <= steps)) {
    const most = steps - (points - count)
    return fail(`${count} timesteps out of ${steps}; choose between 1 and ${most}`)
  }
  const timesteps = Array.from({ length: count }, (_, i) => timestep(i))
  const outside = timesteps.find((t) => !(Number.isInteger(t) && t >= 0 && t < steps))
  return outside === undefined
    ? Result.succeed(timesteps)
    : fail(`timestep ${outside} is outside a schedule of ${steps} steps; give a smaller offset or fewer timesteps`)
}

/**
 * The nearest whole number, and of two the even one: the rounding of IEEE 754 and of NumPy, where `Math.round` takes every
 * half upwards.
 *
 * @example
 * Timesteps.roundHalfToEven(832.5) // => 832
 */
export const roundHalfToEven = (value: number): number => {
  const floor = Math.floor(value)
  const fraction = value - floor
  return fraction < 0.5 || (fraction === 0.5 && floor % 2 === 0) ? floor : floor + 1
}
