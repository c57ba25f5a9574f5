/**
 * One step of any sampler as a program. Its state is x and the sampler's memory; what tells one sampler and one step
 * from another is input, so a program is compiled once for a network, a batch size and a size of memory.
 */
import * as tf from "@tensorflow/tfjs"
import { constants } from "../../engine/constants.ts"
import { qualify } from "../../engine/names.ts"
import type { Program, Tensor, Tensors } from "../../engine/Program.ts"
import { clippedToData } from "../../pipeline/conditioning/selfConditioning.ts"
import { type DenoiserShape, splitVariance } from "../../pipeline/Denoiser.ts"
import { forEachExample } from "../../pipeline/perExample.ts"
import { float32, type HostTensor, type TensorSpec, zeros } from "../../tensor/index.ts"
import type { Clip, DenoisingStep, Plan } from "../Sampler.ts"
import { coefficientCount, coefficients, quantilePlace } from "./coefficients.ts"

/** What one step is given. */
export type StepInput = {
  /** The timestep of each example: [batch], float32, for a solver's may lie between those of the schedule. */
  readonly t: Tensor
  /** The step's coefficients in the order of `coefficients`, float32. */
  readonly coefficients: Tensor
  /** Standard normal, shaped as x. */
  readonly noise: Tensor
  /** The class of each example, where the denoiser has classes: [batch], int32. */
  readonly condition?: Tensor
}

/**
 * The program that takes one step of a plan for a batch. The parameters are part of it: they are constants, which lets
 * an engine lay them out once for the whole of sampling.
 */
export const denoisingProgram = (
  denoiser: DenoiserShape,
  parameters: { readonly [name: string]: HostTensor },
  options: {
    readonly batch: number
    readonly memory: ReadonlyArray<string>
    readonly clip?: Plan["clip"]
    readonly variance?: Plan["variance"]
  }
): Program<Tensors, StepInput, {}> => {
  const images: TensorSpec = { shape: [options.batch, ...denoiser.exampleShape], dtype: "float32" }
  return {
    name: `sampling with ${denoiser.name}`,
    state: {
      x: images,
      ...estimateOf(denoiser, images),
      ...qualify("memory", Object.fromEntries(options.memory.map((name) => [name, images])))
    },
    input: {
      t: { shape: [options.batch], dtype: "float32" },
      coefficients: { shape: [coefficientCount(options.memory.length)], dtype: "float32" },
      noise: images,
      ...(denoiser.classes === undefined ? {} : { condition: { shape: [options.batch], dtype: "int32" } as const })
    },
    apply: (state, input) => {
      const names = ["x", ...options.memory.map((name) => `memory.${name}`)]
      const [x, ...memory] = names.map((name) => state[name]!)
      const [inputScale, bound, sampleOfX, sampleOfPrediction, epsilonOfX, epsilonOfPrediction, ...rest] = scalars(
        input.coefficients
      )
      const [logVariance, logVarianceOfPrediction, ...factors] = rest
      const output = denoiser.apply(constants(parameters), {
        x: tf.mul(x!, inputScale!),
        t: input.t,
        draws: {},
        ...(input.condition === undefined ? {} : { condition: input.condition }),
        ...estimateOf(denoiser, state[estimateName])
      })
      const { prediction, variance } = splitVariance(denoiser, output)
      const estimate = sum([sampleOfX!, sampleOfPrediction!], [x!, prediction])
      const sample = clipped(estimate, bound!, options.clip)
      const epsilon = sum([epsilonOfX!, epsilonOfPrediction!], [x!, prediction])
      const noise = options.variance === undefined || variance === undefined
        ? input.noise
        : tf.mul(
          input.noise,
          options.variance === "variance"
            ? tf.sqrt(tf.relu(variance))
            : tf.exp(tf.mul(tf.add(tf.mul(variance, logVarianceOfPrediction!), logVariance!), 0.5))
        )
      const terms = [x!, sample, epsilon, noise, ...memory]
      const next = names.map((_, i) => sum(factors.slice(i * terms.length, (i + 1) * terms.length), terms))
      return {
        state: {
          ...Object.fromEntries(names.map((name, i) => [name, next[i]!])),
          // The next prediction is shown this one's estimate (Chen et al. 2023, algorithm 2).
          ...estimateOf(denoiser, clippedToData(sample))
        },
        output: {}
      }
    }
  }
}

/** The state that sampling starts from; a denoiser that self-conditions has an estimate of zeros in it. */
export const startingState = (
  plan: Plan,
  noise: HostTensor<"float32">,
  denoiser: Pick<DenoiserShape, "selfConditions"> = {}
): { readonly [name: string]: HostTensor } => ({
  ...estimateOf(denoiser, zeros(noise.shape)),
  x: plan.initialNoiseSigma === 1 ? noise : float32(noise.shape, noise.data.map((z) => plan.initialNoiseSigma * z)),
  ...qualify("memory", Object.fromEntries(plan.memory.map((name) => [name, zeros(noise.shape)])))
})

/** The input of one step. */
export const stepInput = (plan: Plan, step: DenoisingStep, noise: HostTensor, condition?: HostTensor): {
  readonly [K in keyof StepInput]: HostTensor
} => {
  const values = coefficients(plan, step)
  return {
    t: float32([noise.shape[0]!], new Float32Array(noise.shape[0]!).fill(step.timestep)),
    coefficients: float32([values.length], values),
    noise,
    ...(condition === undefined ? {} : { condition })
  }
}

const estimateName = "selfCondition"

/** The denoiser's estimate under its name, where the denoiser is shown it. */
const estimateOf = <A>(
  { selfConditions = false }: Pick<DenoiserShape, "selfConditions">,
  estimate: A
): { readonly [estimateName]?: A } => selfConditions ? { [estimateName]: estimate } : {}

/** Clipped to one bound, or each example to its own and scaled by it. */
const clipped = (estimate: Tensor, bound: Tensor, clip: Clip | undefined): Tensor => {
  if (typeof clip !== "object") return tf.minimum(tf.maximum(estimate, tf.neg(bound)), bound)
  const batch = estimate.shape[0]!
  const elements = tf.reshape(tf.abs(estimate), [batch, -1])
  const count = elements.shape[1]!
  const { above, below, part } = quantilePlace(count, clip.ratio)
  // Sorted falling, so that the place from the end is the place from the largest.
  const largest = tf.topk(elements, count - below).values
  const low = tf.slice(largest, [0, count - 1 - below], [batch, 1])
  const high = tf.slice(largest, [0, count - 1 - above], [batch, 1])
  const quantile = tf.add(low, tf.mul(tf.sub(high, low), part))
  const own = forEachExample(tf.minimum(tf.maximum(quantile, 1), bound), estimate)
  return tf.div(tf.minimum(tf.maximum(estimate, tf.neg(own)), own), own)
}

const scalars = (vector: Tensor): Array<Tensor> =>
  Array.from({ length: vector.shape[0]! }, (_, i) => tf.reshape(tf.slice(vector, [i], [1]), []))

const sum = (factors: ReadonlyArray<Tensor>, terms: ReadonlyArray<Tensor>): Tensor =>
  factors.map((factor, i) => tf.mul(terms[i]!, factor)).reduce((total, term) => tf.add(total, term))
