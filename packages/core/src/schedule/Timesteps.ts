/**
 * Evenly spaced sub-sequences of a schedule's timesteps, for samplers that take fewer steps than training did: the
 * three spacings of Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed" (2024), table 2, with
 * the numbers of diffusers. All give `count` distinct timesteps in the order in which a sampler visits them, falling.
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

/**
 * Multiples of floor(T / count) from 0: ends at t = 0 and leaves out the noisiest timesteps. `offset` is added to all
 * (1 is Stable Diffusion's convention).
 *
 * Fails with `InvalidTimesteps` when `count` is not between 1 and T, or a timestep falls outside the schedule.
 *
 * @example
 * leading({ steps: 1000, count: 5 }) // => [800, 600, 400, 200, 0]
 */
export const leading = (
  { count, offset = 0, steps }: TimestepsOptions & { readonly offset?: number | undefined }
): Result.Result<ReadonlyArray<number>, InvalidTimesteps> => {
  const stride = Math.floor(steps / count)
  return choose({ steps, count }, (i) => (count - 1 - i) * stride + offset)
}

/**
 * From T - 1 to 0, both included, rounded half to even.
 *
 * Fails with `InvalidTimesteps` when `count` is not between 1 and T.
 *
 * @example
 * linspaced({ steps: 1000, count: 5 }) // => [999, 749, 500, 250, 0]
 */
export const linspaced = (
  { count, steps }: TimestepsOptions
): Result.Result<ReadonlyArray<number>, InvalidTimesteps> =>
  choose({ steps, count }, (i) => roundHalfToEven(linspace(0, steps - 1, count, count - 1 - i)))

/**
 * From T - 1 downwards in strides of T / count, rounded half to even: begins at the noisiest timestep and leaves out
 * t = 0.
 *
 * Fails with `InvalidTimesteps` when `count` is not between 1 and T.
 *
 * @example
 * trailing({ steps: 1000, count: 5 }) // => [999, 799, 599, 399, 199]
 */
export const trailing = (
  { count, steps }: TimestepsOptions
): Result.Result<ReadonlyArray<number>, InvalidTimesteps> => {
  // NumPy's `arange(T, 0, -T / count)` rounds its stride like this; ties would fall otherwise with another rounding.
  const stride = steps - steps / count - steps
  return choose({ steps, count }, (i) => roundHalfToEven(steps + i * stride) - 1)
}

const choose = (
  { count, steps }: TimestepsOptions,
  timestep: (i: number) => number
): Result.Result<ReadonlyArray<number>, InvalidTimesteps> => {
  const fail = (reason: string) => Result.fail(new InvalidTimesteps({ reason }))
  if (!(Number.isInteger(steps) && steps >= 1)) return fail(`a schedule has a positive number of steps, not ${steps}`)
  if (!(Number.isInteger(count) && count >= 1 && count <= steps)) {
    return fail(`${count} timesteps out of ${steps}; choose between 1 and ${steps}`)
  }
  const timesteps = Array.from({ length: count }, (_, i) => timestep(i))
  const outside = timesteps.find((t) => !(Number.isInteger(t) && t >= 0 && t < steps))
  return outside === undefined
    ? Result.succeed(timesteps)
    : fail(`timestep ${outside} is outside a schedule of ${steps} steps; give a smaller offset or fewer timesteps`)
}

// The rounding of IEEE 754 and of NumPy; Math.round takes every half upwards.
const roundHalfToEven = (value: number): number => {
  const floor = Math.floor(value)
  const fraction = value - floor
  return fraction < 0.5 || (fraction === 0.5 && floor % 2 === 0) ? floor : floor + 1
}
