/**
 * Lowers operations that move elements without computing on them.
 */
import type { Node, Value } from "../../graph/Graph.ts"
import type { Operation } from "../../graph/Operation.ts"
import { after, type Append } from "./after.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"
import { arrange, orderAfterTranspose, plainOrder } from "./order.ts"

type Of<Kind extends Operation["kind"]> = Extract<Operation, { readonly kind: Kind }>

export const lowerReshape = (model: ModelBuilder, node: Node): void =>
  model.place(node.outputs[0]!, model.reshape(model.plain(node.inputs[0]!), node.outputs[0]!.shape))

/** The tensor itself, once another is there. */
export const lowerAfter = (model: ModelBuilder, node: Node): void => {
  const [x, event] = node.inputs as [Value, Value]
  const { name, order } = model.placement(x)
  // Many tensors wait for one, and in many shapes.
  const append: Append = (op, inputs, attributes) =>
    model.once(`${op} ${inputs.join()} after`, () => model.node(op, inputs, attributes))
  const shape = model.integers(arrange(x.shape, order))
  model.place(node.outputs[0]!, after(append, name, shape, [model.placement(event).name]), order)
}

/** A transpose moves nothing: the same elements are kept in another order of the result's axes. */
export const lowerTranspose = (model: ModelBuilder, node: Node, { permutation }: Of<"transpose">): void => {
  const { name, order } = model.placement(node.inputs[0]!)
  model.place(node.outputs[0]!, name, orderAfterTranspose(order, permutation))
}

export const lowerBroadcast = (model: ModelBuilder, node: Node): void => {
  const [x] = node.inputs as [Value]
  const output = node.outputs[0]!
  const { name, order } = model.placement(x)
  if (x.shape.length === output.shape.length) {
    model.place(output, model.node("Expand", [name, model.integers(arrange(output.shape, order))]), order)
  } else {
    model.place(output, model.node("Expand", [model.plain(x), model.integers(output.shape)]))
  }
}

export const lowerTile = (model: ModelBuilder, node: Node, { repetitions }: Of<"tile">): void => {
  const { name, order } = model.placement(node.inputs[0]!)
  model.place(node.outputs[0]!, model.node("Tile", [name, model.integers(arrange(repetitions, order))]), order)
}

export const lowerConcat = (model: ModelBuilder, node: Node, { axis }: Of<"concat">): void => {
  const output = node.outputs[0]!
  const orders = node.inputs.map((input) => model.orderOf(input))
  const order = orders.find((order) => order !== undefined && order.some((axis, i) => axis !== i)) ??
    plainOrder(output.shape.length)
  const inputs = node.inputs.map((input) => model.inOrder(input, order))
  model.place(output, model.node("Concat", inputs, { axis: order.indexOf(axis) }), order)
}

/** Pieces of so many elements that lie together, of each tensor one in turn. */
export const interleave = (model: ModelBuilder, tensors: ReadonlyArray<string>, piece: number): string =>
  tensors.length === 1
    ? tensors[0]!
    : model.node("Concat", tensors.map((tensor) => model.reshape(tensor, [-1, piece])), { axis: 1 })

export const lowerSplit = (model: ModelBuilder, node: Node, { axis, sizes }: Of<"split">): void => {
  const { name, order } = model.placement(node.inputs[0]!)
  const parts = model.nodeMany("Split", [name, model.integers(sizes)], sizes.length, { axis: order.indexOf(axis) })
  node.outputs.forEach((output, i) => model.place(output, parts[i]!, order))
}

export const lowerSlice = (model: ModelBuilder, node: Node, { begin, end, strides }: Of<"slice">): void => {
  const [x] = node.inputs as [Value]
  const { name, order } = model.placement(x)
  const axes = plainOrder(x.shape.length).filter(
    (axis) => begin[axis] !== 0 || end[axis] !== x.shape[axis] || strides[axis] !== 1
  )
  const sliced = slice(
    model,
    name,
    axes.map((axis) => ({
      axis: order.indexOf(axis),
      begin: begin[axis]!,
      // A negative end would count from the back; with a negative stride it means "past the first element".
      end: strides[axis]! < 0 && end[axis]! < 0 ? beforeFirst : end[axis]!,
      stride: strides[axis]!
    }))
  )
  model.place(node.outputs[0]!, sliced, order)
}

export const lowerReverse = (model: ModelBuilder, node: Node, { axes }: Of<"reverse">): void => {
  const { name, order } = model.placement(node.inputs[0]!)
  model.place(node.outputs[0]!, reverse(model, name, axes.map((axis) => order.indexOf(axis))), order)
}

export const lowerPad = (model: ModelBuilder, node: Node, { after, before, value }: Of<"pad">): void => {
  const [x] = node.inputs as [Value]
  const { name, order } = model.placement(x)
  const pads = model.integers([...arrange(before, order), ...arrange(after, order)])
  model.place(node.outputs[0]!, model.node("Pad", [name, pads, model.scalar(value, x.dtype)]), order)
}

export const lowerGather = (model: ModelBuilder, node: Node, { axis }: Of<"gather">): void => {
  const [table, indices] = node.inputs as [Value, Value]
  model.place(node.outputs[0]!, model.node("Gather", [model.plain(table), model.plain(indices)], { axis }))
}

/** A product with a matrix of ones and zeros: the runtime's scatter is not deterministic. */
export const lowerSegmentSum = (model: ModelBuilder, node: Node, { segments }: Of<"segmentSum">): void => {
  const [rows, ids] = node.inputs as [Value, Value]
  const output = node.outputs[0]!
  const count = ids.shape.reduce((product, size) => product * size, 1)
  const width = output.shape.slice(1).reduce((product, size) => product * size, 1)
  const column = model.reshape(model.plain(ids), [1, count])
  const member = model.node("Equal", [
    model.constant(Int32Array.from({ length: segments }, (_, i) => i), [segments, 1], "int32"),
    column
  ])
  const weights = model.node("Where", [member, model.scalar(1), model.scalar(0)])
  const sum = model.node("MatMul", [weights, model.reshape(model.plain(rows), [count, width])])
  model.place(output, model.reshape(sum, output.shape))
}

export const lowerOneHot = (model: ModelBuilder, node: Node, { depth, off, on }: Of<"oneHot">): void => {
  const [indices] = node.inputs as [Value]
  const output = node.outputs[0]!
  const classes = model.constant(Int32Array.from({ length: depth }, (_, i) => i), [depth], "int32")
  const hit = model.node("Equal", [model.reshape(model.plain(indices), [...indices.shape, 1]), classes])
  model.place(output, model.node("Where", [hit, model.scalar(on, output.dtype), model.scalar(off, output.dtype)]))
}

/** One axis of a slice. */
export interface AxisSlice {
  readonly axis: number
  readonly begin: number
  readonly end: number
  readonly stride: number
}

const beforeFirst = -(2 ** 31)

export const slice = (model: ModelBuilder, name: string, axes: ReadonlyArray<AxisSlice>): string =>
  axes.length === 0
    ? name
    : model.node("Slice", [
      name,
      model.integers(axes.map(({ begin }) => begin)),
      model.integers(axes.map(({ end }) => end)),
      model.integers(axes.map(({ axis }) => axis)),
      model.integers(axes.map(({ stride }) => stride))
    ])

export const reverse = (model: ModelBuilder, name: string, axes: ReadonlyArray<number>): string =>
  slice(model, name, axes.map((axis) => ({ axis, begin: -1, end: beforeFirst, stride: -1 })))
