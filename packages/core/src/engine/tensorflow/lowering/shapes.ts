/**
 * Lowers operations that move elements without computing on them.
 */
import type { Shape } from "../../../tensor/HostTensor.ts"
import { sizeOf } from "../../../tensor/HostTensor.ts"
import type { Node, Value } from "../../graph/Graph.ts"
import type { Operation } from "../../graph/Operation.ts"
import type { TensorflowType } from "../Model.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"
import { controlOf } from "./nodes.ts"

type Of<Kind extends Operation["kind"]> = Extract<Operation, { readonly kind: Kind }>

export const lowerReshape = (model: ModelBuilder, node: Node): void => {
  const [x] = node.inputs as [Value]
  const output = node.outputs[0]!
  model.place(output, model.reshape(model.tensor(x), output.shape, x.dtype))
}

/** TensorFlow says by a control input that one node runs after another. */
export const lowerAfter = (model: ModelBuilder, node: Node): void => {
  const [x, event] = node.inputs as [Value, Value]
  const inputs = [model.tensor(x), controlOf(model.tensor(event))]
  model.place(node.outputs[0]!, model.node("Identity", inputs, { T: x.dtype }))
}

export const lowerTranspose = (model: ModelBuilder, node: Node, { permutation }: Of<"transpose">): void => {
  const [x] = node.inputs as [Value]
  const inputs = [model.tensor(x), model.integers(permutation)]
  model.place(node.outputs[0]!, model.node("Transpose", inputs, { T: x.dtype }))
}

export const lowerBroadcast = (model: ModelBuilder, node: Node): void => {
  const [x] = node.inputs as [Value]
  const output = node.outputs[0]!
  const inputs = [model.tensor(x), model.integers(output.shape)]
  model.place(output, model.node("BroadcastTo", inputs, { T: x.dtype }))
}

export const lowerTile = (model: ModelBuilder, node: Node, { repetitions }: Of<"tile">): void => {
  const [x] = node.inputs as [Value]
  model.place(node.outputs[0]!, model.node("Tile", [model.tensor(x), model.integers(repetitions)], { T: x.dtype }))
}

export const lowerConcat = (model: ModelBuilder, node: Node, { axis }: Of<"concat">): void => {
  const output = node.outputs[0]!
  model.place(output, concat(model, node.inputs.map((input) => model.tensor(input)), axis, output.dtype))
}

export const concat = (
  model: ModelBuilder,
  names: ReadonlyArray<string>,
  axis: number,
  dtype: TensorflowType = "float32"
): string =>
  names.length === 1
    ? names[0]!
    : model.node("ConcatV2", [...names, model.scalar(axis, "int32")], { N: names.length, T: dtype })

export const lowerSplit = (model: ModelBuilder, node: Node, { axis, sizes }: Of<"split">): void => {
  const [x] = node.inputs as [Value]
  const inputs = [model.tensor(x), model.integers(sizes), model.scalar(axis, "int32")]
  const attributes = { T: x.dtype, Tlen: "int32", num_split: sizes.length } as const
  const parts = model.nodeMany("SplitV", inputs, sizes.length, attributes)
  node.outputs.forEach((output, i) => model.place(output, parts[i]!))
}

export const lowerSlice = (model: ModelBuilder, node: Node, { begin, end, strides }: Of<"slice">): void => {
  const [x] = node.inputs as [Value]
  const output = node.outputs[0]!
  model.place(
    output,
    strides.every((stride) => stride === 1)
      ? slice(model, model.tensor(x), begin, output.shape, x.dtype)
      : stridedSlice(model, model.tensor(x), { begin, end, strides }, x.dtype)
  )
}

export const slice = (
  model: ModelBuilder,
  name: string,
  begin: ReadonlyArray<number>,
  size: Shape,
  dtype: TensorflowType = "float32"
): string => model.node("Slice", [name, model.integers(begin), model.integers(size)], { T: dtype, Index: "int32" })

export const stridedSlice = (
  model: ModelBuilder,
  name: string,
  { begin, end, strides }: Omit<Of<"slice">, "kind">,
  dtype: TensorflowType = "float32"
): string =>
  model.node("StridedSlice", [name, model.integers(begin), model.integers(end), model.integers(strides)], {
    T: dtype,
    Index: "int32",
    // A negative end would count from the back; with a negative stride it means "past the first element".
    end_mask: end.reduce((mask, stop, axis) => (strides[axis]! < 0 && stop < 0 ? mask | (1 << axis) : mask), 0)
  })

export const lowerReverse = (model: ModelBuilder, node: Node, { axes }: Of<"reverse">): void => {
  const [x] = node.inputs as [Value]
  const name = model.tensor(x)
  model.place(
    node.outputs[0]!,
    axes.length === 0 ? name : model.node("ReverseV2", [name, model.integers(axes)], { T: x.dtype })
  )
}

export const lowerPad = (model: ModelBuilder, node: Node, { after, before, value }: Of<"pad">): void => {
  const [x] = node.inputs as [Value]
  const pairs = before.map((start, axis) => [start, after[axis]!] as const)
  model.place(node.outputs[0]!, pad(model, model.tensor(x), pairs, value, x.dtype))
}

export const pad = (
  model: ModelBuilder,
  name: string,
  pairs: ReadonlyArray<readonly [before: number, after: number]>,
  value = 0,
  dtype: TensorflowType = "float32"
): string => {
  if (pairs.every(([before, after]) => before === 0 && after === 0)) return name
  const paddings = model.constant(pairs.flat(), [pairs.length, 2], "int32")
  return value === 0
    ? model.node("Pad", [name, paddings], { T: dtype })
    : model.node("PadV2", [name, paddings, model.scalar(value, dtype)], { T: dtype })
}

/** An index beyond the table ends the step with an error on a processor; a GPU and XLA take the nearest row, or zeros. */
export const lowerGather = (model: ModelBuilder, node: Node, { axis }: Of<"gather">): void => {
  const [table, indices] = node.inputs as [Value, Value]
  const inputs = [model.tensor(table), model.tensor(indices), model.scalar(axis, "int32")]
  const attributes = { Tparams: table.dtype, Tindices: indices.dtype, Taxis: "int32" } as const
  model.place(node.outputs[0]!, model.node("GatherV2", inputs, attributes))
}

/** A product with a matrix of ones and zeros: on a GPU, TensorFlow's own sums a segment in no certain order. */
export const lowerSegmentSum = (model: ModelBuilder, node: Node, { segments }: Of<"segmentSum">): void => {
  const [rows, ids] = node.inputs as [Value, Value]
  const output = node.outputs[0]!
  const count = sizeOf(ids.shape)
  const width = sizeOf(output.shape.slice(1))
  const column = model.reshape(model.tensor(ids), [count], ids.dtype)
  const members = oneHot(model, column, { depth: segments, on: 1, off: 0, dtype: output.dtype })
  const flat = model.reshape(model.tensor(rows), [count, width], rows.dtype)
  const sums = model.node("MatMul", [members, flat], { T: output.dtype, transpose_a: true, transpose_b: false })
  model.place(output, model.reshape(sums, output.shape, output.dtype))
}

export const lowerOneHot = (model: ModelBuilder, node: Node, { depth, off, on }: Of<"oneHot">): void => {
  const [indices] = node.inputs as [Value]
  const output = node.outputs[0]!
  model.place(output, oneHot(model, model.tensor(indices), { depth, on, off, dtype: output.dtype }))
}

const oneHot = (
  model: ModelBuilder,
  indices: string,
  { depth, dtype, off, on }: {
    readonly depth: number
    readonly on: number
    readonly off: number
    readonly dtype: TensorflowType
  }
): string =>
  model.node(
    "OneHot",
    [indices, model.scalar(depth, "int32"), model.scalar(on, dtype), model.scalar(off, dtype)],
    { T: dtype, TI: "int32", axis: -1 }
  )
