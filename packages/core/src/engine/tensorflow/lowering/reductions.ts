/**
 * Lowers reductions and scans.
 */
import { sizeOf } from "../../../tensor/HostTensor.ts"
import type { Node, Value } from "../../graph/Graph.ts"
import type { Operation, ReduceFunction } from "../../graph/Operation.ts"
import { needsFloat64, type Sum, sumInFloat64, type SumOperations, type SumType } from "../../graph/sums.ts"
import { cast } from "./elementwise.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"
import { pad } from "./shapes.ts"

type Of<Kind extends Operation["kind"]> = Extract<Operation, { readonly kind: Kind }>

export const lowerReduce = (model: ModelBuilder, node: Node, operation: Of<"reduce">): void => {
  const [x] = node.inputs as [Value]
  const { axes, function: of, keepDims } = operation
  const output = node.outputs[0]!
  const count = sizeOf(axes.map((axis) => x.shape[axis]!))
  if ((of === "sum" || of === "mean") && x.dtype === "float32" && needsFloat64(count, sizeOf(output.shape))) {
    const rising = axes.toSorted((a, b) => a - b)
    const given = { of, shape: x.shape, axes: rising, result: output.shape }
    return model.place(output, sumInFloat64(sumOperations(model), model.tensor(x), given))
  }
  const logical = of === "all" || of === "any"
  const type = logical ? {} : { T: x.dtype }
  const inputs = [model.tensor(x), model.integers(axes)]
  model.place(
    output,
    axes.length === 0 ? inputs[0]! : model.node(operators[of], inputs, { ...type, keep_dims: keepDims })
  )
}

const sumOperations = (model: ModelBuilder): SumOperations<string> => ({
  reshape: (name, shape) => model.reshape(name, shape),
  sum: (name, axes, type) => sum(model, name, axes, false, type),
  padSecond: (name, zeros) => pad(model, name, [[0, 0], [0, zeros], [0, 0]]),
  widen: (name) => cast(model, name, "float32", "float64"),
  narrow: (name) => cast(model, name, "float64", "float32"),
  divide: (name, divisor) => model.node("RealDiv", [name, model.scalar(divisor, "float64")], { T: "float64" })
})

/** The sum over some axes of float32 elements, with float64 where there are many. */
export const preciseSum = (model: ModelBuilder, name: string, given: Sum): string =>
  needsFloat64(sizeOf(given.axes.map((axis) => given.shape[axis]!)), sizeOf(given.result))
    ? sumInFloat64(sumOperations(model), name, given)
    : sum(model, name, given.axes)

/** The sum over some axes. */
export const sum = (
  model: ModelBuilder,
  name: string,
  axes: ReadonlyArray<number>,
  keepDims = false,
  type: SumType = "float32"
): string => model.node("Sum", [name, model.integers(axes)], { T: type, keep_dims: keepDims })

const operators: { readonly [F in ReduceFunction]: string } = {
  all: "All",
  any: "Any",
  max: "Max",
  mean: "Mean",
  min: "Min",
  prod: "Prod",
  sum: "Sum"
}

export const lowerArgument = (model: ModelBuilder, node: Node, { axis, kind }: Of<"argMax" | "argMin">): void => {
  const [x] = node.inputs as [Value]
  const operator = kind === "argMax" ? "ArgMax" : "ArgMin"
  const inputs = [model.tensor(x), model.scalar(axis, "int32")]
  model.place(node.outputs[0]!, model.node(operator, inputs, { T: x.dtype, output_type: "int32" }))
}

export const lowerLargest = (model: ModelBuilder, node: Node, { count }: Of<"largest">): void => {
  const [x] = node.inputs as [Value]
  const inputs = [model.tensor(x), model.scalar(count, "int32")]
  const outputs = model.nodeMany("TopKV2", inputs, 2, { T: x.dtype, sorted: true })
  node.outputs.forEach((output, i) => model.place(output, outputs[i]!))
}

export const lowerCumulativeSum = (model: ModelBuilder, node: Node, operation: Of<"cumulativeSum">): void => {
  const [x] = node.inputs as [Value]
  const { axis, exclusive, reverse } = operation
  const inputs = [model.tensor(x), model.scalar(axis, "int32")]
  model.place(node.outputs[0]!, model.node("Cumsum", inputs, { T: x.dtype, exclusive, reverse }))
}

/** Along the last axis. */
export const lowerSoftmax = (model: ModelBuilder, node: Node, kind: "softmax" | "logSoftmax"): void => {
  const [x] = node.inputs as [Value]
  const operator = kind === "softmax" ? "Softmax" : "LogSoftmax"
  model.place(node.outputs[0]!, model.node(operator, [model.tensor(x)], { T: x.dtype }))
}
