/**
 * What is trained and sampled: DDPM's objective under its linear schedule, with Adam and averaged weights.
 */
import { adam, ema } from "@effusion/core/optimizer"
import type { Denoiser, Objective, TimestepSampler } from "@effusion/core/pipeline"
import { Distribution, draw, Key } from "@effusion/core/random"
import type { NoiseSchedule } from "@effusion/core/schedule"
import { float32, type HostTensor } from "@effusion/core/tensor"
import { Initializers, UNet } from "@effusion/models"
import type { Layer } from "effect"
import { servicesOf } from "../../support/simplifiedObjective.ts"

export { stages } from "../../support/simplifiedObjective.ts"

/** A network, and how many examples it is given at once. */
export interface Subject {
  readonly config: UNet.Config
  readonly batch: number
}

export const learningRate = 1e-4
export const averageDecay = 0.9999
export const scheduleSteps = 1000

export const optimizer = adam({ learningRate })
export const average = ema({ decay: averageDecay })

/** What training and sampling ask for, but for the engine. */
export const services = (
  config: UNet.Config
): Layer.Layer<NoiseSchedule | TimestepSampler | Objective | Denoiser> => servicesOf(UNet.layer(config), scheduleSteps)

/** Clean images of noise. */
export const cleanImages = ({ batch, config }: Subject, key = 0): HostTensor<"float32"> => {
  const shape = [batch, ...UNet.make(config).exampleShape]
  const spec = { distribution: Distribution.uniform(-1, 1), shape } as const
  return float32(shape, draw(Key.fold(Key.make(0), `images ${key}`), spec).data)
}

/**
 * Weights of which every one matters: those that networks begin with have zeros at the end of each residual branch, so
 * that two networks would agree whatever they compute inside.
 */
export const weightsOf = (config: UNet.Config): { readonly [name: string]: HostTensor<"float32"> } => {
  const key = Key.fold(Key.make(0), "weights")
  const weight = Initializers.varianceScaling(1)
  const noise = Initializers.normal(0.1)
  return Object.fromEntries(
    Object.entries(UNet.make(config).parameters).map(([name, { shape }]) => {
      const own = Key.fold(key, name)
      if (shape.length > 1) return [name, float32(shape, weight(own, shape))]
      const isScale = name.endsWith("weight")
      return [name, float32(shape, noise(own, shape).map((value) => isScale ? 1 + value : value))]
    })
  )
}
