/**
 * What can go wrong with training, one class a cause. Each message names the value, what was expected, and the remedy.
 */
import { Data } from "effect"

/** An option of a run that makes no sense. */
export class InvalidTrainingOption extends Data.TaggedError("InvalidTrainingOption")<{
  readonly option: string
  readonly value: number
  readonly expected: string
}> {
  override get message() {
    return `cannot train with ${this.option} ${this.value}; give ${this.expected}`
  }
}

/** A pipeline without parameters: there is nothing to train. */
export class NothingToTrain extends Data.TaggedError("NothingToTrain")<{ readonly pipeline: string }> {
  override get message() {
    return `the pipeline "${this.pipeline}" has no parameters, so there is nothing to train; give it a stage that has some`
  }
}

/** A state, or a set of parameters, that does not belong to this pipeline, optimiser and average. */
export class StateMismatch extends Data.TaggedError("StateMismatch")<{
  /** The folder it was read from, if it was. */
  readonly checkpoint: string | undefined
  readonly differences: ReadonlyArray<string>
}> {
  override get message() {
    const shown = this.differences.slice(0, 5).join("; ")
    const more = this.differences.length > 5 ? `; and ${this.differences.length - 5} more` : ""
    return `the state${
      this.checkpoint === undefined ? "" : ` of "${this.checkpoint}"`
    } does not fit this run: ${shown}${more}. Use the model, optimiser and average that it was made with`
  }
}

/** The data ended before the run did. */
export class DataEnded extends Data.TaggedError("DataEnded")<{
  /** Batches that there were, counted from the beginning of the run. */
  readonly batches: number
  /** Batches that the run needs. */
  readonly needed: number
}> {
  override get message() {
    return `the data ended after ${this.batches} of the ${this.needed} batches that the run needs; ` +
      `give a stream that goes on, or train for fewer steps`
  }
}

/**
 * A number that has to be finite is not: training diverged. The state after this step is lost; what the last checkpoint
 * holds is finite.
 */
export class NonFiniteLoss extends Data.TaggedError("NonFiniteLoss")<{
  /** The optimiser step at which it was seen, counted from 1. */
  readonly step: number
  /** What is not finite. Parameters are looked at when a checkpoint is due. */
  readonly quantity: "loss" | "gradient norm" | "parameters"
  readonly value: number
  /** The losses of the steps before, at most 20, the latest last. */
  readonly history: ReadonlyArray<number>
  /** The timesteps of the batch, where the pipeline has any. */
  readonly timesteps: ReadonlyArray<number>
  /** The folder of the last checkpoint, if there is one. */
  readonly lastCheckpoint: string | undefined
}> {
  override get message() {
    const losses = this.history.slice(-5).map((loss) => loss.toPrecision(4)).join(", ")
    const history = losses === "" ? "" : ` (the losses before it: ${losses})`
    const resume = this.lastCheckpoint === undefined
      ? "no checkpoint was written before it"
      : `the last good checkpoint is "${this.lastCheckpoint}"`
    return `the ${this.quantity} is ${this.value} at step ${this.step}${history}; ${resume}. ` +
      `Lower the learning rate, lengthen its warm-up, or clip the gradient by its global norm`
  }
}

/**
 * A number of the data is not finite, and so neither is the loss: no option of the run can mend that. The state after this
 * step is lost; what the last checkpoint holds is finite.
 */
export class NonFiniteData extends Data.TaggedError("NonFiniteData")<{
  /** The name of the dataset, where the data is one. */
  readonly data: string | undefined
  /** The optimiser step at which it was seen, counted from 1. */
  readonly step: number
  /** The field of the batch that it is in, and its place there: the number of the example comes first. */
  readonly field: string
  readonly index: ReadonlyArray<number>
  readonly value: number
  /** The folder of the last checkpoint, if there is one. */
  readonly lastCheckpoint: string | undefined
}> {
  override get message() {
    const data = this.data === undefined ? "the data" : `the data "${this.data}"`
    const resume = this.lastCheckpoint === undefined
      ? "no checkpoint was written before it"
      : `the last good checkpoint is "${this.lastCheckpoint}"`
    return `${data} is not finite: ${this.field}[${this.index.join(", ")}] of the batch of step ${this.step} is ` +
      `${this.value}, so the loss is not finite either; ${resume}. Leave such examples out, or mend them`
  }
}

/** There is nothing to evaluate on. */
export class NoExamples extends Data.TaggedError("NoExamples")<{}> {
  override get message() {
    return "there are no examples to evaluate on; give a stream or a dataset that has some"
  }
}

/** An option of an evaluation that makes no sense. */
export class InvalidEvaluation extends Data.TaggedError("InvalidEvaluation")<{
  readonly option: string
  readonly value: number | string
  readonly expected: string
}> {
  override get message() {
    return `cannot evaluate with ${this.option} ${this.value}; give ${this.expected}`
  }
}

/** The variational bound asks for the data that a prediction amounts to, and at some timestep it amounts to none. */
export class UndefinedBound extends Data.TaggedError("UndefinedBound")<{
  readonly predictionType: string
  readonly timestep: number
  readonly alphaBar: number
}> {
  override get message() {
    return `there is no bound: x_0 does not follow from a prediction of "${this.predictionType}" at t = ${this.timestep}, ` +
      `where alphaBar is ${this.alphaBar}; predict "v_prediction" or "sample", or take a schedule whose alphaBar stays above 0`
  }
}
