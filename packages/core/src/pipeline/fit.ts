/**
 * Whether data fits a denoiser or a pipeline: looked at once, by shapes and numbers of classes, before anything is
 * compiled.
 */
import { Effect } from "effect"
import type { Tensors } from "../engine/Program.ts"
import { sameShape, type Shape } from "../tensor/HostTensor.ts"
import { type DataMismatch, WrongClasses, WrongCondition, WrongExampleShape } from "./DataMismatch.ts"
import type { DenoiserShape } from "./Denoiser.ts"
import type { Conditioned, FieldsOf, Stage } from "./Stage.ts"

/** What of a denoiser decides which data fits it. */
type Taker = Pick<DenoiserShape, "name" | "exampleShape" | "classes">

/** What of a dataset decides whom it fits. */
interface Examples {
  readonly name: string
  readonly exampleShape: Shape
  readonly classes: number
}

/** What a stage refuses that has the denoiser predict. */
export const refusedBy =
  (stage: string, denoiser: Taker) =>
  (input: FieldsOf<Pick<Conditioned, "x0"> & Partial<Conditioned>>): DataMismatch | undefined =>
    wrongShape(denoiser, input.x0.shape.slice(1)) ?? wrongCondition(stage, denoiser, input.condition)

const wrongShape = ({ exampleShape: expected, name }: Taker, actual: Shape): WrongExampleShape | undefined =>
  sameShape(actual, expected)
    ? undefined
    : new WrongExampleShape({ data: undefined, denoiser: name, actual, expected })

const wrongCondition = (
  stage: string,
  { classes: expected = 0, name }: Taker,
  condition: FieldsOf<Conditioned>["condition"] | undefined
): WrongCondition | undefined => {
  const actual = condition === undefined ? 0 : condition.classes
  const fits = actual === undefined ? expected > 0 : actual === expected
  return fits ? undefined : new WrongCondition({ stage, denoiser: name, actual, expected })
}

/** What is wrong with labels that tell so many classes apart, for whoever is told them; nothing where that is not known. */
export const wrongClasses = (
  told: string,
  actual: number | undefined,
  expected: number
): WrongClasses | undefined =>
  actual === undefined || actual === expected
    ? undefined
    : new WrongClasses({ data: undefined, told, actual, expected })

/**
 * Fails unless the examples of a dataset are what a denoiser takes: of its shape, and where it is told classes, of as many.
 *
 * @example
 * yield* requireExamples(denoiser, train)
 */
export const requireExamples = (
  denoiser: Taker,
  data: Examples
): Effect.Effect<void, WrongExampleShape | WrongClasses> => {
  const error = wrongShape(denoiser, data.exampleShape) ??
    (denoiser.classes === undefined
      ? undefined
      : wrongClasses(`the denoiser "${denoiser.name}"`, data.classes, denoiser.classes))
  return error === undefined ? Effect.void : Effect.fail(naming(error, data.name))
}

/**
 * Fails where a stage, or one of a fused pipeline, refuses data of such fields. Training, evaluation and
 * `Pipeline.through` ask for it before they compile.
 *
 * @param data the name of the dataset, for the message
 * @example
 * yield* requireFit(Pipeline.fuse(pipeline), { x0: { shape: [32, 28, 28, 1], dtype: "float32" } })
 */
export const requireFit = <In extends Tensors, Out extends Tensors>(
  stage: Stage<In, Out>,
  input: FieldsOf<In>,
  data?: string
): Effect.Effect<void, DataMismatch> =>
  Effect.suspend(() => {
    const error = stage.refuses?.(input)
    return error === undefined ? Effect.void : Effect.fail(naming(error, data))
  })

function naming<Error extends DataMismatch>(error: Error, data: string | undefined): Error
function naming(error: DataMismatch, data: string | undefined): DataMismatch {
  if (error._tag === "WrongExampleShape") return new WrongExampleShape({ ...error, data })
  return error._tag === "WrongClasses" ? new WrongClasses({ ...error, data }) : error
}
