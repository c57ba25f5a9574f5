/**
 * What sampling starts from.
 */
import { Result } from "effect"
import { float32, type HostTensor, sameShape, type Shape, showShape, sizeOf } from "../../tensor/index.ts"
import type { Plan } from "../Sampler.ts"
import type { From } from "../Sampling.ts"
import { InvalidSampling } from "../SamplingError.ts"
import type { TimestepChoice } from "../TimestepChoice.ts"
import { type Samples, startingNoise } from "./noise.ts"

/** x at the first step, for some consecutive samples, where it does not start from noise: [count, ...exampleShape]. */
export const startOf = (plan: Plan, samples: Samples, from: From): HostTensor<"float32"> => {
  const { data, shape } = rowsFor(from.latents ?? from.images, samples.first, samples.count)
  const factors = from.latents === undefined ? noisedTo(plan) : plan.raise ?? { x: 1, noise: 0 }
  const noise = factors.noise === 0 ? undefined : startingNoise(samples).data
  return float32(shape, data.map((value, i) => factors.x * value + factors.noise * (noise?.[i] ?? 0)))
}

/** The factors of data and of noise in x at the first step, the noise that raises it included: variances add up. */
const noisedTo = ({ raise = { x: 1, noise: 0 }, steps }: Plan) => {
  const { signal, spread } = steps[0]!.from
  if (raise.noise === 0) return { x: signal, noise: spread }
  const before = Math.sqrt(1 - (signal / raise.x) ** 2)
  return { x: signal, noise: Math.hypot(raise.x * before, raise.noise) }
}

/** For sample i the row i, and the first again after the last. */
export const rowsFor = ({ data, shape }: HostTensor, first: number, count: number): HostTensor<"float32"> => {
  const [rows = 1, ...exampleShape] = shape
  const size = sizeOf(exampleShape)
  const result = new Float32Array(count * size)
  for (let i = 0; i < count; i++) {
    const row = (first + i) % rows
    result.set((data as Float32Array).subarray(row * size, (row + 1) * size), i * size)
  }
  return float32([count, ...exampleShape], result)
}

/** Fails where a tensor is not [rows, ...exampleShape] of finite numbers. */
export const requireExamples = (
  option: string,
  { data, shape }: HostTensor<"float32">,
  exampleShape: Shape
): Result.Result<void, InvalidSampling> => {
  const fail = (value: unknown, expected: string) => Result.fail(new InvalidSampling({ option, value, expected }))
  if (!sameShape(shape.slice(1), exampleShape) || !(shape[0]! >= 1)) {
    return fail(showShape(shape), `of shape [1 or more, ${exampleShape.join(", ")}]`)
  }
  const infinite = data.find((value) => !Number.isFinite(value))
  return infinite === undefined ? Result.void : fail(infinite, "of finite numbers")
}

/** How many steps are left out where sampling starts from noised images. */
export const skippedOf = (
  choice: TimestepChoice,
  from: From | undefined
): Result.Result<number, InvalidSampling> => {
  if (from?.images === undefined) return Result.succeed(choice.skip ?? 0)
  const { strength } = from
  const steps = choice.steps ?? choice.timesteps?.length ?? choice.levels?.length ?? 0
  const taken = Math.floor(steps * strength)
  return strength <= 1 && taken >= 1 ? Result.succeed(steps - taken) : Result.fail(
    new InvalidSampling({
      option: "strength",
      value: strength,
      expected: `from ${1 / steps}, one of ${steps} steps, to 1, all of them`
    })
  )
}
