/**
 * Lowers reductions and scans. They work in whatever order their operand is kept in.
 */
import { sizeOf } from "../../../tensor/HostTensor.ts"
import type { Node, Value } from "../../graph/Graph.ts"
import type { Operation } from "../../graph/Operation.ts"
import { needsFloat64, sumInFloat64, type SumOperations } from "../../graph/sums.ts"
import { cast } from "./elementwise.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"
import { arrange, withoutAxes } from "./order.ts"

type Of<Kind extends Operation["kind"]> = Extract<Operation, { readonly kind: Kind }>

export const lowerReduce = (model: ModelBuilder, node: Node, operation: Of<"reduce">): void => {
  const [x] = node.inputs as [Value]
  const { name, order } = model.placement(x)
  const { axes, function: of, keepDims } = operation
  const shape = arrange(x.shape, order)
  const positions = axes.map((axis) => order.indexOf(axis)).toSorted((a, b) => a - b)
  const place = (result: string): void =>
    model.place(node.outputs[0]!, result, keepDims ? order : withoutAxes(order, axes))

  const count = sizeOf(positions.map((position) => shape[position]!))
  if ((of === "sum" || of === "mean") && x.dtype === "float32" && needsFloat64(count, sizeOf(shape) / count)) {
    const result = shape.flatMap((size, position) => positions.includes(position) ? (keepDims ? [1] : []) : [size])
    return place(sumInFloat64(sumOperations(model), name, { of, shape, axes: positions, result }))
  }

  const logical = of === "all" || of === "any"
  const operand = logical ? cast(model, name, "int32") : name
  const reduced = axes.length === 0
    ? operand
    : model.node(operators[of], [operand, model.integers(positions)], { keepdims: keepDims ? 1 : 0 })
  place(logical ? cast(model, reduced, "bool") : reduced)
}

const sumOperations = (model: ModelBuilder): SumOperations<string> => ({
  reshape: (name, shape) => model.reshape(name, shape),
  sum: (name, axes) => model.node("ReduceSum", [name, model.integers(axes)], { keepdims: 0 }),
  padSecond: (name, zeros) => model.node("Pad", [name, model.integers([0, 0, 0, 0, zeros, 0])]),
  widen: (name) => cast(model, name, "float64"),
  narrow: (name) => cast(model, name, "float32"),
  divide: (name, divisor) => model.node("Div", [name, model.scalar(divisor, "float64")])
})

const operators = {
  all: "ReduceMin",
  any: "ReduceMax",
  max: "ReduceMax",
  mean: "ReduceMean",
  min: "ReduceMin",
  prod: "ReduceProd",
  sum: "ReduceSum"
} as const

export const lowerArgument = (model: ModelBuilder, node: Node, operation: Of<"argMax" | "argMin">): void => {
  const { axis, kind } = operation
  const { name, order } = model.placement(node.inputs[0]!)
  const operator = kind === "argMax" ? "ArgMax" : "ArgMin"
  const indices = model.node(operator, [name], { axis: order.indexOf(axis), keepdims: 0 })
  model.place(node.outputs[0]!, cast(model, indices, "int32"), withoutAxes(order, [axis]))
}

/** Along the last axis, which is brought last in memory. */
export const lowerLargest = (model: ModelBuilder, node: Node, { count }: Of<"largest">): void => {
  const [values, places] = node.outputs as [Value, Value]
  const [largest, indices] = model.nodeMany("TopK", [model.plain(node.inputs[0]!), model.integers([count])], 2, {
    axis: -1,
    largest: 1,
    sorted: 1
  })
  model.place(values, largest!)
  model.place(places, cast(model, indices!, "int32"))
}

export const lowerCumulativeSum = (model: ModelBuilder, node: Node, operation: Of<"cumulativeSum">): void => {
  const { name, order } = model.placement(node.inputs[0]!)
  const axis = model.constant([order.indexOf(operation.axis)], [], "int64")
  const sums = model.node("CumSum", [name, axis], {
    exclusive: operation.exclusive ? 1 : 0,
    reverse: operation.reverse ? 1 : 0
  })
  model.place(node.outputs[0]!, sums, order)
}

/** Along the last axis, which is brought last in memory. */
export const lowerSoftmax = (model: ModelBuilder, node: Node, kind: "softmax" | "logSoftmax"): void => {
  const operator = kind === "softmax" ? "Softmax" : "LogSoftmax"
  model.place(node.outputs[0]!, model.node(operator, [model.plain(node.inputs[0]!)], { axis: -1 }))
}
