/**
 * How a model says that one operation comes after another: ONNX has nothing for it but that it needs what the other makes.
 */
import type { OnnxNode } from "../Model.ts"

/** Adds an operation with one output to a model; gives the output's name. */
export type Append = (op: string, inputs: ReadonlyArray<string>, attributes: OnnxNode["attributes"]) => string

/**
 * A tensor that is there once others are: it takes the shape that it has, joined with the empty shapes of the others. No
 * element is read or moved.
 *
 * @param shape a vector of the tensor's shape
 * @example
 * after(append, "x", "shapeOfX", ["y", "z"]) // => "Reshape_7", as x once y and z have been computed
 */
export const after = (append: Append, tensor: string, shape: string, others: ReadonlyArray<string>): string => {
  const none = others.map((name) =>
    append("Shape", [name], { start: { type: "int", value: 0 }, end: { type: "int", value: 0 } })
  )
  const whole = append("Concat", [shape, ...none], { axis: { type: "int", value: 0 } })
  return append("Reshape", [tensor, whole], {})
}
