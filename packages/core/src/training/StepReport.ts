/**
 * What a run says of each optimiser step.
 */
import type { Effect } from "effect"
import type { RunError } from "../engine/index.ts"
import type { NonFiniteData, NonFiniteLoss } from "./TrainingError.ts"
import type { TrainingState } from "./TrainingState.ts"

/** One optimiser step. */
export interface StepReport {
  /** Optimiser steps taken, this one included: the last report of a run has `steps`. */
  readonly step: number
  /** The mean loss of the step's examples, by their importance where they have one, before the update. */
  readonly loss: number
  /** The learning rate of the update; absent where the optimiser has none. */
  readonly learningRate: number | undefined
  /** The norm of the gradient over all parameters, before clipping. */
  readonly gradientNorm: number
  /** The loss of each example, before any weight of its importance. */
  readonly perExample: Float32Array
  /** The timestep of each example, where the pipeline has any. */
  readonly timesteps: Int32Array | undefined
  /** Examples of the step. */
  readonly examples: number
  /** Seconds from the pull to the report, waiting for data and writing a checkpoint included. */
  readonly seconds: number
  /** The checkpoint that was written after this step, if one was. */
  readonly checkpoint: string | undefined
  /**
   * Copies the run's state to the host: that after this step, until the next report is pulled, and then that after the
   * latest one. It is always the state of a whole step, and names it.
   */
  readonly snapshot: Effect.Effect<TrainingState, RunError | NonFiniteLoss | NonFiniteData>
}
