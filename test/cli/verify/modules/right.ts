/**
 * A module of a user's, with everything that `effusion verify` knows, and all of it right.
 */
import type { Weighting } from "@effusion/core/diffusion"
import { Laws } from "@effusion/core/laws"
import type { DenoiserShape } from "@effusion/core/pipeline"
import { ddim, ddpm } from "@effusion/core/sampling"
import { fromBetas } from "@effusion/core/schedule"
import * as tf from "@tensorflow/tfjs"
import * as fc from "fast-check"

export const plain = { steps: 2, beta: [0.5, 0.5], alphaBar: [0.5, 0.25] }

export const ofResult = fromBetas([0.1, 0.2])

export const samplers = [ddpm(), ddim()]

export const early: Weighting = { name: "early", config: {}, of: "epsilon", weight: (_, t) => (t < 10 ? 1 : 0.5) }

export const huber: Laws.LossFunction = {
  name: "huber",
  elements: (prediction, target) => prediction.map((value, i) => Math.hypot(value - target[i]!, 1) - 1)
}

export const network: DenoiserShape = {
  name: "linear",
  exampleShape: [2],
  parameters: { weight: { shape: [2, 2], initializer: () => Float32Array.of(1, 0.5, -0.5, 1) } },
  draws: () => ({}),
  apply: ({ weight }, { x }) => tf.matMul(x, weight!)
}

export const mine = Laws.suite("my own suite", [
  Laws.law({
    name: "mine/commutes",
    sentence: "a + b is b + a",
    source: "arithmetic",
    inputs: fc.tuple(fc.integer(), fc.integer()),
    violation: ([a, b]) => a + b === b + a ? undefined : `${a + b}, but ${b + a}`
  })
])

/** Not verified: it is none of those. */
export const halved = (x: number): number => x / 2
