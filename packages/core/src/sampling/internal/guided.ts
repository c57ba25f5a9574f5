/**
 * Guidance: going on beyond a worse prediction.
 *
 * A network's prediction of what it was asked for is compared with a worse one: that of the same network with worse
 * parameters (the guide), or that of the same network told no class (classifier-free guidance). The sum goes on beyond
 * each:
 *
 *     guided = good + (scale - 1) (good - worse) + ...
 *
 * With one worse prediction that is worse + scale (good - worse). The factors add up to 1, and at a given x_t the noise,
 * x_0 and v are affine functions of one another: guided in any of them, the result is the same. (Rescaling is not affine:
 * it is of the prediction that the network makes.)
 */
import * as tf from "@tensorflow/tfjs"
import { qualify, unqualify } from "../../engine/names.ts"
import type { Tensor, Tensors } from "../../engine/Program.ts"
import { type DenoiserInput, type DenoiserShape, splitVariance, withoutVariance } from "../../pipeline/Denoiser.ts"
import { axesAfterBatch, forEachExample } from "../../pipeline/perExample.ts"
import type { HostTensors } from "../../pipeline/Pipeline.ts"
import { sigmaOf } from "../../schedule/index.ts"
import type { Plan } from "../Sampler.ts"
import type { ClassifierFree, Guide } from "../Sampling.ts"

const trained = "trained"
const guide = "guide"

/** Classifier-free guidance as a program computes it. */
export interface GuidedSteps extends ClassifierFree {
  /** The first and the last timestep of those that are guided; none are where it is absent. */
  readonly timesteps?: readonly [first: number, last: number] | undefined
}

/**
 * The steps of a plan that classifier-free guidance is for: those that begin at a level with sigma in the interval, and
 * so, because sigma rises with the timestep, those of an interval of timesteps.
 */
export const guidedSteps = (plan: Plan, classifierFree: ClassifierFree): GuidedSteps => {
  const [above, upTo] = classifierFree.interval ?? [0, Infinity]
  const timesteps = plan.steps
    .filter(({ from }) => sigmaOf(from) > above && sigmaOf(from) <= upTo)
    .map(({ timestep }) => timestep)
  return {
    ...classifierFree,
    timesteps: timesteps.length === 0 ? undefined : [Math.min(...timesteps), Math.max(...timesteps)]
  }
}

/** What guides a denoiser; either, both or neither. */
export interface Guidance {
  /** The scale of a {@link Guide} (Karras et al. 2024, equation 3). */
  readonly guideScale?: number | undefined
  readonly classifierFree?: GuidedSteps | undefined
}

/**
 * A denoiser that predicts what guidance makes of a denoiser's predictions. With a guide its parameters are
 * {@link guidedParameters}, else the denoiser's own.
 */
export const guidedDenoiser = (denoiser: DenoiserShape, { classifierFree, guideScale }: Guidance): DenoiserShape => {
  const classes = classifierFree?.timesteps === undefined || classifierFree.scale === 1 ? undefined : classifierFree
  if (guideScale === undefined && classes === undefined) return denoiser
  return {
    ...denoiser,
    name: `${denoiser.name}, guided`,
    parameters: guideScale === undefined
      ? denoiser.parameters
      : { ...qualify(trained, denoiser.parameters), ...qualify(guide, denoiser.parameters) },
    apply: (parameters, input) => {
      const own = guideScale === undefined ? parameters : unqualify(trained, parameters)
      const { prediction: good, variance: said } = splitVariance(denoiser, denoiser.apply(own, input))
      const bare = withoutVariance(denoiser)
      const beyondGuide = guideScale === undefined
        ? good
        : beyond(good, bare.apply(unqualify(guide, parameters), input), guideScale - 1, good)
      const guided = classes === undefined
        ? beyondGuide
        : beyondNoClass(bare, own, input, { good, sum: beyondGuide, classes })
      // What is said of the variance is no prediction to go beyond: it stays as the network says.
      return said === undefined ? guided : tf.concat([guided, said], -1)
    }
  }
}

/** The parameters of {@link guidedDenoiser} with a guide. */
export const guidedParameters = (parameters: HostTensors, { parameters: others }: Guide): HostTensors => ({
  ...qualify(trained, parameters),
  ...qualify(guide, others)
})

/** sum + by (good - worse). */
const beyond = (good: Tensor, worse: Tensor, by: number | Tensor, sum: Tensor): Tensor =>
  tf.add(sum, tf.mul(tf.sub(good, worse), by))

const beyondNoClass = (
  denoiser: DenoiserShape,
  parameters: Tensors,
  input: DenoiserInput,
  { classes: { rescale = 0, scale, timesteps }, good, sum }: {
    readonly good: Tensor
    readonly sum: Tensor
    readonly classes: GuidedSteps
  }
): Tensor => {
  const none = tf.fill(input.t.shape, denoiser.classes ?? 0, "int32")
  const worse = denoiser.apply(parameters, { ...input, condition: none })
  const inside = forEachExample(within(input.t, timesteps!), input.x)
  const guided = beyond(good, worse, tf.mul(inside, scale - 1), sum)
  if (rescale === 0) return guided
  const ratio = tf.sqrt(tf.div(variance(good), tf.maximum(variance(guided), 1e-12)))
  // rescale * (guided * ratio) + (1 - rescale) * guided
  return tf.mul(guided, tf.add(tf.mul(tf.mul(inside, rescale), tf.sub(ratio, 1)), 1))
}

/** 1 where first <= t <= last, else 0. Both ends are timesteps of the plan, rounded to float32 as t is. */
const within = (t: Tensor, [first, last]: readonly [number, number]): Tensor =>
  tf.cast(tf.logicalAnd(tf.greaterEqual(t, tf.scalar(first)), tf.lessEqual(t, tf.scalar(last))), "float32")

/** The variance of each sample's elements: [batch, 1, ...]. */
const variance = (x: Tensor): Tensor => {
  const axes = axesAfterBatch(x)
  return tf.mean(tf.square(tf.sub(x, tf.mean(x, axes, true))), axes, true)
}
