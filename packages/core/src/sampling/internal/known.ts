/**
 * Pixels that are known: put back after every step, at the level of noise that x has then.
 */
import * as tf from "@tensorflow/tfjs"
import { Result } from "effect"
import type { Program, Tensors } from "../../engine/Program.ts"
import type { NoiseLevel } from "../../schedule/index.ts"
import { float32, type HostTensor, type Shape, type TensorSpec } from "../../tensor/index.ts"
import type { Known } from "../Sampling.ts"
import { InvalidSampling } from "../SamplingError.ts"
import type { StepInput } from "./program.ts"
import { requireExamples, rowsFor } from "./start.ts"

/** What a step is given, where pixels are known. */
type KnownInput = StepInput & {
  /** signal and spread of x after the step: [2]. */
  readonly knownLevel: tf.Tensor
  /** Standard normal, shaped as x. */
  readonly knownNoise: tf.Tensor
}

/**
 * A program of one step, given `knownInput` besides, after which x is noised data where the mask is 1. The pixels and the
 * mask are state, so that they go to the engine once.
 */
export const withKnown = (program: Program<Tensors, StepInput, {}>): Program<Tensors, StepInput, {}> => {
  const images = program.state["x"]!
  const besides: { readonly [name: string]: TensorSpec } = {
    knownLevel: { shape: [2], dtype: "float32" },
    knownNoise: images
  }
  return {
    ...program,
    name: `${program.name}, with known pixels`,
    state: { ...program.state, knownImages: images, knownMask: images },
    input: { ...program.input, ...besides },
    apply: ({ knownImages, knownMask, ...state }, given) => {
      // What the signature names is there, besides what every step is given.
      const { knownLevel, knownNoise, ...input } = given as KnownInput
      const { state: next } = program.apply(state, input)
      const [signal, spread] = [0, 1].map((i) => tf.reshape(tf.slice(knownLevel, [i], [1]), []))
      const noised = tf.add(tf.mul(knownImages!, signal!), tf.mul(knownNoise, spread!))
      // Exactly one of the two, where the mask is 0 or 1; a mix in between.
      const x = tf.add(tf.mul(noised, knownMask!), tf.mul(next["x"]!, tf.sub(1, knownMask!)))
      return { state: { ...next, x, knownImages: knownImages!, knownMask: knownMask! }, output: {} }
    }
  }
}

/** The state that holds what is known of some consecutive samples. */
export const knownState = ({ images, mask }: Known, first: number, count: number) => ({
  knownImages: rowsFor(images, first, count),
  knownMask: rowsFor(mask, first, count)
})

/** The input for a step that ends at a level. */
export const knownInput = ({ signal, spread }: NoiseLevel, noise: HostTensor) => ({
  knownLevel: float32([2], [signal, spread]),
  knownNoise: noise
})

/** Fails where images or mask are not those of examples, or the mask is not from 0 to 1. */
export const requireKnown = (
  { images, mask }: Known,
  exampleShape: Shape
): Result.Result<void, InvalidSampling> =>
  Result.gen(function*() {
    yield* requireExamples("known.images", images, exampleShape)
    yield* requireExamples("known.mask", mask, exampleShape)
    const outside = mask.data.find((value) => !(value >= 0 && value <= 1))
    if (outside !== undefined) {
      yield* Result.fail(
        new InvalidSampling({ option: "known.mask", value: outside, expected: "from 0, unknown, to 1, known" })
      )
    }
  })
