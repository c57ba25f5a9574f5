/**
 * Telling the denoiser the class of each example, and now and then not.
 */
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import { Distribution } from "../../random/index.ts"
import { wrongClasses } from "../fit.ts"
import type { Conditioned, Labelled, Stage } from "../Stage.ts"

/** Options of {@link classConditioning}. */
export interface ClassConditioningOptions {
  /** The number of classes, K: labels are from 0 to K - 1, and K is "none of them". */
  readonly classes: number
  /** The probability, from 0 to 1, that an example is trained without its class; 0.1 is usual. */
  readonly dropout: number
}

/**
 * Makes the condition of each example: its label or, with probability `dropout`, K, which stands for none. So one network
 * learns both the data of each class and all of it, which classifier-free guidance needs (Ho & Salimans, "Classifier-Free
 * Diffusion Guidance", 2022, algorithm 1). Evaluations drop nothing.
 *
 * Labels are not checked one by one, for a compiled program cannot: datasets are checked when they are made, and refused
 * (`WrongClasses`) where they have another number of classes. So is a denoiser that is told another (`WrongCondition`).
 *
 * @throws RangeError when `classes` is no positive integer, or `dropout` not from 0 to 1: a mistake of the program.
 * @example
 * const pipeline = Pipeline.make(
 *   classConditioning({ classes: 10, dropout: 0.1 }),
 *   scheduleSampling,
 *   forwardNoising,
 *   noisePrediction,
 *   meanSquaredError
 * )
 */
export const classConditioning = (
  { classes, dropout }: ClassConditioningOptions
): Effect.Effect<Stage<Labelled, Labelled & Conditioned>> => {
  if (!(Number.isSafeInteger(classes) && classes >= 1)) {
    throw new RangeError(`the number of classes is a positive integer, not ${classes}`)
  }
  if (!(dropout >= 0 && dropout <= 1)) throw new RangeError(`label dropout is a probability, not ${dropout}`)
  return Effect.succeed({
    name: "classConditioning",
    parameters: {},
    draws: ({ label }, mode) =>
      mode === "training" && dropout > 0
        ? { [dropped]: { distribution: Distribution.bernoulli(dropout), shape: label.shape } }
        : {},
    specs: (input) => ({ ...input, condition: { ...input.label, classes } }),
    refuses: ({ label }) => wrongClasses(`the stage "classConditioning"`, label.classes, classes),
    apply: (input, { draws }) => {
      const drop = draws[dropped]
      const { label } = input
      if (drop === undefined) return { ...input, condition: label }
      return { ...input, condition: tf.where(tf.greater(drop, 0.5), tf.fill(label.shape, classes, "int32"), label) }
    }
  })
}

const dropped = "droppedLabels"
