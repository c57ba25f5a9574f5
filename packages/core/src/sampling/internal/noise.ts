/**
 * The random numbers of sampling. Each sample has a key of its own, so that it comes out the same in whatever batch.
 */
import { Distribution, draw, Key } from "../../random/index.ts"
import { float32, type HostTensor, type Shape, sizeOf } from "../../tensor/index.ts"

/** Some consecutive samples. */
export interface Samples {
  readonly seed: number
  /** The index of the first. */
  readonly first: number
  readonly count: number
  /** The shape of one. */
  readonly exampleShape: Shape
}

/** The noise that sampling starts from: [count, ...exampleShape]. */
export const startingNoise = (samples: Samples): HostTensor<"float32"> => noise(samples, "start")

/** The noise of the step at this position of the plan: [count, ...exampleShape]. */
export const stepNoise = (samples: Samples, position: number): HostTensor<"float32"> => noise(samples, position)

/** The noise of what is known of the samples, after the step at this position: [count, ...exampleShape]. */
export const knownNoise = (samples: Samples, position: number): HostTensor<"float32"> =>
  noise(samples, position, "known")

const noise = (
  { count, exampleShape, first, seed }: Samples,
  purpose: "start" | number,
  use: "known" | "sampling" = "sampling"
): HostTensor<"float32"> => {
  const key = Key.fold(Key.make(seed), use)
  const size = sizeOf(exampleShape)
  const data = new Float32Array(count * size)
  for (let i = 0; i < count; i++) {
    const sampleKey = Key.fold(Key.fold(key, first + i), purpose)
    data.set(draw(sampleKey, { distribution: Distribution.normal, shape: exampleShape }).data, i * size)
  }
  return float32([count, ...exampleShape], data)
}
