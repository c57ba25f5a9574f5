/**
 * What can be wrong between data and a pipeline, one class a cause: what runs without a word and learns something else, or
 * fails deep in a network. Each message names who takes the data, what there is, what was expected, and the remedy.
 */
import { Data } from "effect"
import { type Shape, showShape } from "../tensor/HostTensor.ts"

/** The examples of a dataset are not of the shape that the denoiser takes. */
export class WrongExampleShape extends Data.TaggedError("WrongExampleShape")<{
  /** The name of the dataset, where the data is one. */
  readonly data: string | undefined
  readonly denoiser: string
  /** The shape of one example. */
  readonly actual: Shape
  readonly expected: Shape
}> {
  override get message() {
    return `${subject(this.data)} has examples of shape ${
      showShape(this.actual)
    }, but the denoiser "${this.denoiser}" ` +
      `takes ${showShape(this.expected)}; give data of that shape, or a denoiser for ${showShape(this.actual)}`
  }
}

/** The labels of a dataset tell another number of classes apart than whoever is told them. */
export class WrongClasses extends Data.TaggedError("WrongClasses")<{
  /** The name of the dataset, where the data is one. */
  readonly data: string | undefined
  /** Who is told the labels: `the stage "classConditioning"`. */
  readonly told: string
  readonly actual: number
  readonly expected: number
}> {
  override get message() {
    const remedy = this.actual === 0
      ? "give data with labels, or tell no classes"
      : `tell ${this.actual} apart: classConditioning({ classes: ${this.actual} }) and ${networkOf(this.actual)}` +
        (this.actual < this.expected ? `; or make the data with classes: ${this.expected}` : "")
    return `${subject(this.data)} has ${
      showClasses(this.actual)
    }, but ${this.told} tells ${this.expected} apart; ${remedy}`
  }
}

/** The pipeline tells the denoiser another number of classes than it knows, or none, or classes where it knows none. */
export class WrongCondition extends Data.TaggedError("WrongCondition")<{
  readonly stage: string
  readonly denoiser: string
  /** The classes that the pipeline tells apart, "none" not counted; `undefined` where their number is not known. */
  readonly actual: number | undefined
  /** ... and those that the denoiser does. Each is 0 where there is no condition. */
  readonly expected: number
}> {
  override get message() {
    const { actual, expected } = this
    const told = `the stage "${this.stage}" tells the denoiser "${this.denoiser}" `
    if (actual === 0) {
      return `${told}no class, but it is told one of ${expected}; begin the pipeline with ` +
        `classConditioning({ classes: ${expected}, dropout: 0.1 }), or give a denoiser without classes`
    }
    const network = actual === undefined ? "a denoiser with classes" : networkOf(actual)
    const remedy = expected === 0
      ? `give ${network}, or leave the stage out that tells the class`
      : `make the pipeline with classConditioning({ classes: ${expected} }), or give ${network}`
    return `${told}one of ${actual ?? "some"} classes, but it knows ${expected === 0 ? "none" : expected}; ${remedy}`
  }
}

/** Why data and a pipeline do not fit. */
export type DataMismatch = WrongExampleShape | WrongClasses | WrongCondition

const subject = (data: string | undefined): string => data === undefined ? "the data" : `the data "${data}"`

const showClasses = (count: number): string =>
  count === 0 ? "no classes" : `${count} ${count === 1 ? "class" : "classes"}`

/** Of the models of `@effusion/models`, which have a row for "none" besides. */
const networkOf = (classes: number): string =>
  `a denoiser of ${showClasses(classes)} (num_class_embeds ${classes + 1}, a row for each and one for none)`
