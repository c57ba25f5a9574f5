/**
 * The typed layer: one step on a batch's way from clean data to the loss.
 *
 * A stage is a value: a name, the parameters it owns, the random numbers it needs, and a pure function on tensors. It
 * adds fields to the record that flows through, and the types make a wrong order a compile error:
 *
 *     Labelled { x0, label }  ->  Conditioned { + condition }, where classes are told; then
 *     Clean { x0 }  ->  Timed { + t }  ->  Noised { + noise, xt }  ->  Predicted { + prediction, target }  ->  Loss { + perExample, loss }
 *
 * Parameters and draws are known by name; a name means the same thing wherever it occurs in a pipeline.
 */
import type { HostOf, SpecsOf, Tensor, Tensors } from "../engine/Program.ts"
import type { DrawSpecs } from "../random/Distribution.ts"
import type { TensorSpec } from "../tensor/HostTensor.ts"
import type { DataMismatch } from "./DataMismatch.ts"
import type { ParameterSpecs } from "./Parameter.ts"

/** Clean data: images [batch, height, width, channels] in [-1, 1], or points [batch, dimensions]. float32. */
export type Clean = { readonly x0: Tensor }

/** ... with the class of each example, as the data has it: [batch], int32, from 0. */
export type Labelled = Clean & { readonly label: Tensor }

/** ... with the class that the denoiser is told of each example: [batch], int32, from 0; the number of classes is "none". */
export type Conditioned = Clean & { readonly condition: Tensor }

/**
 * ... with a timestep for each example: [batch], int32, from 0 to T - 1. `importance`, [batch], is how often an example is
 * to count, where timesteps are drawn unevenly and the loss is to be that of even ones; absent where each counts once.
 */
export type Timed = Clean & { readonly t: Tensor; readonly importance?: Tensor; readonly condition?: Tensor }

/** ... with the noise that was added, and the noised data x_t; both shaped as x0. */
export type Noised = Timed & { readonly noise: Tensor; readonly xt: Tensor }

/**
 * ... with the denoiser's prediction and what it should have been; both shaped as x0. So is `variance`, where the denoiser
 * learns one: where its logarithm lies between its bounds, in [-1, 1].
 */
export type Predicted = Noised & { readonly prediction: Tensor; readonly target: Tensor; readonly variance?: Tensor }

/** ... with the loss of each example, [batch], and their mean, a scalar. */
export type Loss = Predicted & { readonly perExample: Tensor; readonly loss: Tensor }

/** What is known of a field before there is a batch. */
export interface FieldSpec extends TensorSpec {
  /** Of numbers of classes: how many classes they tell apart, "none" not counted; absent where that is not known. */
  readonly classes?: number | undefined
}

/** The same names, with what is known of each field beforehand. */
export type FieldsOf<T> = { readonly [K in keyof T]: FieldSpec }

/** Whether a stage runs to train (dropout on) or to evaluate (dropout off). */
export type Mode = "training" | "evaluation"

/** What a stage's function is given besides its input. */
export interface StageContext {
  readonly parameters: Tensors
  /** One tensor for each entry of the stage's `draws`, under the same name. */
  readonly draws: Tensors
  /** One tensor for each of the `tables` of the stage's adaptation, under the same name; none where it has none. */
  readonly tables?: Tensors
}

/** The examples of an optimiser step, those of all its micro-batches in order. */
export interface Observation {
  /** The loss of each example, before any weight of its importance. */
  readonly perExample: Float32Array
  /** The timestep of each example, where the pipeline has any. */
  readonly timesteps: Int32Array | undefined
}

/**
 * What a stage learns from the losses of a run: a state in host memory, which is a part of checkpoints, with two pure
 * functions. It changes after whole optimiser steps only, so that all micro-batches of a step are treated alike.
 */
export interface Adaptation {
  /** The state that a run begins with. */
  readonly initial: HostOf<Tensors>
  /** What the stage's function is to know of a state (`StageContext.tables`); the same shapes for every state. */
  readonly tables: (state: HostOf<Tensors>) => HostOf<Tensors>
  /** The state after a step; the names and shapes of `initial`. */
  readonly observe: (state: HostOf<Tensors>, seen: Observation) => HostOf<Tensors>
}

/**
 * A stage from records with the fields of `In` to records with the fields of `Out`.
 *
 * @example
 * // Halves the contrast of images.
 * const halveContrast: Stage<Clean, Clean> = {
 *   name: "halveContrast",
 *   parameters: {},
 *   draws: () => ({}),
 *   specs: (input) => input,
 *   apply: (input) => ({ ...input, x0: tf.mul(input.x0, 0.5) })
 * }
 */
export interface Stage<In extends Tensors, Out extends Tensors> {
  readonly name: string
  readonly parameters: ParameterSpecs
  /** The random tensors that one batch needs, from the shapes that come in. */
  readonly draws: (input: SpecsOf<In>, mode: Mode) => DrawSpecs
  /** What the stage learns from the losses; nothing unless given. */
  readonly adaptation?: Adaptation
  /** The shapes that go out, from the shapes that come in. */
  readonly specs: (input: FieldsOf<In>) => FieldsOf<Out>
  /**
   * What is wrong with data of such fields, which is looked at once, before a program is made of it: nothing unless given.
   * A field that a stage passes on, as the example does, keeps what is known of it.
   */
  readonly refuses?: (input: FieldsOf<In>) => DataMismatch | undefined
  /** The stage's function. It keeps every field that it does not replace. */
  readonly apply: (input: In, context: StageContext) => Out
}
