/**
 * What a timestep sampler asks of the stage that it is used in: draws, tables, and the way from both to timesteps.
 */
import * as tf from "@tensorflow/tfjs"
import { Record } from "effect"
import type { Tensor } from "../../engine/Program.ts"
import { Distribution } from "../../random/index.ts"
import type { DrawSpec, DrawSpecs } from "../../random/index.ts"
import type { Schedule } from "../../schedule/index.ts"
import { float32 } from "../../tensor/HostTensor.ts"
import type { HostTensors } from "../Pipeline.ts"
import type { Adaptation, StageContext } from "../Stage.ts"
import { normalized } from "./probabilities.ts"
import type { Spread, TimestepSamplerShape } from "./TimestepSampler.ts"

/** A sampler under a schedule. */
export interface TimestepDraw {
  readonly draws: (batch: number) => DrawSpecs
  readonly adaptation?: Adaptation
  /** Whether examples have an importance. */
  readonly corrects: boolean
  readonly sample: (context: StageContext) => { readonly t: Tensor; readonly importance?: Tensor }
}

export const timestepDraw = (sampler: TimestepSamplerShape, schedule: Schedule): TimestepDraw => {
  const { distribution, spread } = sampler
  const { steps } = schedule
  const draws = (batch: number) => ({ u: positions(spread, batch) })
  switch (distribution._tag) {
    case "Uniform":
      return spread === "independent"
        ? {
          // Drawn as they are: every timestep is exactly as likely as any other.
          draws: (batch) => ({ t: { distribution: Distribution.integers(0, steps), shape: [batch] } }),
          corrects: false,
          sample: ({ draws }) => ({ t: draws["t"]! })
        }
        : { draws, corrects: false, sample: ({ draws }) => ({ t: evenQuantile(draws["u"]!, steps) }) }
    case "Fixed": {
      const { corrects, probabilities } = distribution
      const host = tablesOf(sampler.name, probabilities(schedule), steps, corrects)
      const constants = () => Record.map(host, ({ data }) => tf.tensor1d(data))
      return { draws, corrects, sample: ({ draws }) => sample(draws["u"]!, constants(), corrects) }
    }
    case "Learned": {
      const { initial, observe, probabilities } = distribution.learning(steps)
      return {
        draws,
        adaptation: {
          initial,
          tables: (state) => tablesOf(sampler.name, probabilities(state), steps, true),
          observe
        },
        corrects: true,
        sample: ({ draws, tables = {} }) => sample(draws["u"]!, tables, true)
      }
    }
  }
}

/** The tables of a distribution, [T] each: where on [0, 1) each timestep begins, and how often its loss counts. */
const boundaries = "timesteps.boundaries"
const importance = "timesteps.importance"

const positions = (spread: Spread, batch: number): DrawSpec => {
  const shape = [batch]
  switch (spread) {
    case "independent":
      return { distribution: Distribution.uniform(0, 1), shape }
    case "stratified":
      return { distribution: Distribution.stratified, shape, over: "step" }
    case "antithetic":
      return { distribution: Distribution.antithetic, shape, over: "step" }
  }
}

/** floor(T u) for positions u in [0, 1). A position just below 1 may be rounded up to T. */
const evenQuantile = (u: Tensor, steps: number): Tensor =>
  tf.cast(tf.minimum(tf.floor(tf.mul(u, steps)), steps - 1), "int32")

const sample = (u: Tensor, tables: { readonly [name: string]: Tensor }, corrects: boolean) => {
  // The first timestep begins at 0, so every position is at or above one boundary at least.
  const begun = tf.greaterEqual(tf.expandDims(u, 1), tf.expandDims(tables[boundaries]!, 0))
  const t = tf.cast(tf.sub(tf.sum(tf.cast(begun, "float32"), 1), 1), "int32")
  return corrects ? { t, importance: tf.gather(tables[importance]!, t as tf.Tensor1D) } : { t }
}

/**
 * Boundaries are cumulative in float64 and rounded once. With positions in steps of 2^-24, the probability of a timestep
 * is within 2^-23 of what it should be.
 */
const tablesOf = (name: string, weights: ArrayLike<number>, steps: number, corrects: boolean): HostTensors => {
  const p = normalized(name, weights, steps, corrects)
  const begin = new Float32Array(steps)
  let below = 0
  for (let t = 1; t < steps; t++) {
    below += p[t - 1]!
    begin[t] = below
  }
  return {
    [boundaries]: float32([steps], begin),
    ...(corrects ? { [importance]: float32([steps], p.map((probability) => 1 / (steps * probability))) } : {})
  }
}
