/**
 * What a configuration stands for: the services of a pipeline, the optimiser, the sampler.
 */
import type { InvalidObjective } from "@effusion/core/diffusion"
import { adam, adamW, chain, clipByGlobalNorm, ema, LearningRate } from "@effusion/core/optimizer"
import type { GradientTransformation, WeightAverage } from "@effusion/core/optimizer"
import { Denoiser, TimestepSampler } from "@effusion/core/pipeline"
import type { DenoiserShape, Distance, LossWeighting, Objective } from "@effusion/core/pipeline"
import { NoiseSchedule } from "@effusion/core/schedule"
import type { InvalidSchedule } from "@effusion/core/schedule"
import { sizeOf } from "@effusion/core/tensor"
import { MLP, UNet } from "@effusion/models"
import { Layer } from "effect"
import type { RunConfig } from "./config.ts"
import { learningServices } from "./learning.ts"
import { scheduleFrom } from "./schedules.ts"

/**
 * The denoiser of a configuration.
 *
 * @example
 * denoiserOf(presets.digits).exampleShape // => [28, 28, 1]
 */
export const denoiserOf = ({ model }: RunConfig): DenoiserShape => {
  if (model.type === "unet") {
    const { type: _, ...fields } = model
    return UNet.make(UNet.Config.make(fields))
  }
  const { type: _, ...fields } = model
  return MLP.make(MLP.Config.make(fields))
}

/**
 * The classes that samples of a run are drawn of, unless others are asked for: all of them, in turn; `undefined` where the
 * network is told none.
 *
 * @example
 * classesOf(presets.digits) // => [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
 */
export const classesOf = ({ model: { num_class_embeds } }: RunConfig): ReadonlyArray<number> | undefined =>
  num_class_embeds === null ? undefined : Array.from({ length: num_class_embeds - 1 }, (_, index) => index)

/**
 * What the sides of a network's images are multiples of: all of its levels but one halve them.
 *
 * @example
 * sideMultiple(presets.digits) // => 4
 */
export const sideMultiple = ({ model }: Pick<RunConfig, "model">): number =>
  model.type === "unet" ? 2 ** (model.block_out_channels.length - 1) : 1

/**
 * The examples of a step, in all of its batches.
 *
 * @example
 * effectiveBatch({ batchSize: 16, accumulate: 4 }) // => 64
 */
export const effectiveBatch = ({ accumulate, batchSize }: Pick<RunConfig, "accumulate" | "batchSize">): number =>
  accumulate * batchSize

/**
 * The number of trainable numbers of a denoiser.
 *
 * @example
 * parameterCount(denoiserOf(config)) // => 1112801
 */
export const parameterCount = ({ parameters }: DenoiserShape): number =>
  Object.values(parameters).reduce((sum, { shape }) => sum + sizeOf(shape), 0)

/**
 * The services of a training pipeline, but for the engine.
 *
 * @example
 * Effect.provide(program, Layer.mergeAll(pipelineServices(config), OnnxEngine.layer()))
 */
export const pipelineServices = (
  config: RunConfig
): Layer.Layer<
  Denoiser | NoiseSchedule | Objective | TimestepSampler | LossWeighting | Distance,
  InvalidSchedule | InvalidObjective
> =>
  Layer.mergeAll(
    Layer.succeed(Denoiser, denoiserOf(config)),
    scheduleOf(config),
    Layer.provide(learningServices(config), scheduleOf(config)),
    timestepSamplerOf(config)
  )

const timestepSamplerOf = ({ timesteps }: RunConfig): Layer.Layer<TimestepSampler> => {
  const [type, options] = typeof timesteps === "string" ? [timesteps, {}] : [timesteps.type, timesteps]
  // A configuration has been checked: it has no options that a sampler refuses.
  switch (type) {
    case "log-normal":
      return Layer.orDie(TimestepSampler.logNormal(options))
    case "logit-normal":
      return Layer.orDie(TimestepSampler.logitNormal(options))
    case "loss-second-moment":
      return Layer.orDie(TimestepSampler.lossSecondMoment(options))
    default:
      return TimestepSampler[type]
  }
}

/** The noise schedule of a configuration. */
export const scheduleOf = ({ schedule }: RunConfig): Layer.Layer<NoiseSchedule, InvalidSchedule> =>
  NoiseSchedule.fromResult(scheduleFrom(schedule))

/**
 * The optimiser of a configuration. Its learning rate rises over the warm-up, and falls until the last step.
 *
 * @example
 * optimizerOf(config).learningRate?.(0) // => 0
 */
export const optimizerOf = ({ optimizer, steps }: RunConfig): GradientTransformation => {
  const { beta1, beta2, clipNorm, epsilon, weightDecay } = optimizer
  const options = { learningRate: learningRateOf({ optimizer, steps }), beta1, beta2, epsilon }
  const update = optimizer.algorithm === "adam" ? adam(options) : adamW({ ...options, weightDecay })
  return clipNorm === null ? update : chain(clipByGlobalNorm(clipNorm), update)
}

const learningRateOf = ({ optimizer, steps }: Pick<RunConfig, "optimizer" | "steps">): LearningRate.LearningRate => {
  const { decay, learningRate: peak } = optimizer
  const warmUp = Math.floor(optimizer.warmUp * steps)
  if (decay === "constant") return LearningRate.constant(peak, { warmUp })
  return decay === "cosine"
    ? LearningRate.cosine({ peak, steps, warmUp })
    : LearningRate.linear({ peak, steps, warmUp })
}

/**
 * What to say of a run that goes on with another number of steps, where that makes its learning rate jump: warm-up and
 * decay are parts of the run. `undefined` where there is nothing to say.
 *
 * @param done the steps that are done
 * @example
 * stretchedRate(config, { ...config, steps: 250 }, 200) // => "the learning rate follows ..."
 */
export const stretchedRate = (former: RunConfig, config: RunConfig, done: number): string | undefined => {
  const [before, now] = [former, config].map((either) => learningRateOf(either)(done))
  // Where nothing is done yet, nothing jumps, and where all is done, no step is left.
  if (done === 0 || done >= config.steps || before === now) return undefined
  const [was, is] = [before, now].map((rate) => Number(rate!.toPrecision(3)))
  return `the learning rate follows the length of the run (optimizer.decay "${config.optimizer.decay}"), which is ` +
    `${config.steps} steps and was ${former.steps}: at step ${done + 1} it is ${is}, and would have been ${was}`
}

/**
 * The averaging of weights of a configuration.
 *
 * @example
 * averageOf(config).decay(1000) // => 0.99
 */
export const averageOf = ({ averaging }: RunConfig): WeightAverage => ema(averaging)
