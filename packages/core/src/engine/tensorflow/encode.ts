/**
 * Encoding: a {@link TensorflowModel}'s graph as the bytes of a `saved_model.pb`, which TensorFlow loads from a folder of
 * that file alone: what a folder's `variables` would hold is written into the session.
 */
import { Writer } from "protobufjs/light.js"
import { sizeOf } from "../../tensor/HostTensor.ts"
import { elementBytes } from "../elementBytes.ts"
import { outputOf } from "./internal/outputs.ts"
import { bytesPerElement, dataTypes, elementFields, savedModelProto } from "./internal/schema.ts"
import {
  tag,
  type TensorflowAttribute,
  type TensorflowFunction,
  type TensorflowModel,
  type TensorflowNode
} from "./Model.ts"

/**
 * The version of TensorFlow's graphs that is written. Versions count the days since May 2019 (tensorflow/core/public/
 * version.h): this one is of December 2021, older than any library that the engine is run with (libtensorflow 2.9 is of
 * May 2022), and later than what changed the meaning of any operation that is used here. A library refuses a graph by
 * its least consumer, of which none is named, and takes an operation as its producer knew it.
 */
export const producer = 987

/**
 * A model's graph as the bytes of a `saved_model.pb`.
 *
 * Elements of constants are written as little-endian raw data, copied whole when they come as the typed array of their
 * type. A single element stands for all of a tensor's.
 *
 * @throws RangeError when constants are larger than TensorFlow reads, and when one has neither one element nor as many as
 * its shape asks for, which is a mistake of the lowering
 * @example
 * writeFileSync(join(folder, "saved_model.pb"), encode(lower(graph, { xla: false })))
 */
export const encode = (model: TensorflowModel): Uint8Array<ArrayBuffer> => {
  const constants = constantBytes(model)
  if (constants > largestGraph) {
    throw new RangeError(
      `its constants take ${constants} bytes, and a graph may take ${largestGraph}; give the largest as state`
    )
  }
  const writer = Writer.create()
  // A Buffer, for the writer calls its methods on long strings; not from the pool, so that it can be transferred.
  writer.buf = Buffer.allocUnsafeSlow(constants + roomForRest(model))
  const { buffer, byteLength, byteOffset } = savedModelProto.encode({
    savedModelSchemaVersion: 1,
    metaGraphs: [{
      metaInfoDef: { tags: [tag] },
      graphDef: {
        node: model.nodes.map((node) => nodeDef(node)),
        library: { function: model.functions.map(functionDef) },
        versions: { producer, minConsumer: 0 }
      }
    }]
  }, writer).finish(true)
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength)
}

/**
 * Bytes of constants that a graph may have. Messages of protocol buffers are read up to 2 GiB
 * (https://protobuf.dev/programming-guides/encoding/#size-limit); what is left is for sixty thousand nodes.
 */
const largestGraph = 2 ** 31 - 2 ** 26

const nodesOf = (model: TensorflowModel): ReadonlyArray<TensorflowNode> => [
  ...model.nodes,
  ...model.functions.flatMap(({ nodes }) => nodes)
]

const constantBytes = (model: TensorflowModel): number =>
  nodesOf(model).flatMap(({ attributes }) => Object.values(attributes)).reduce(
    (bytes, attribute) =>
      attribute.type === "tensor" ? bytes + attribute.data.length * bytesPerElement[attribute.dtype] : bytes,
    0
  )

/** Bytes that hold the rest of the encoded model, generously: a writer that need not grow does not copy what it has written. */
const roomForRest = (model: TensorflowModel): number => 65_536 + 1024 * nodesOf(model).length

const nodeDef = ({ attributes, inputs, name, op }: TensorflowNode) => ({
  name,
  op,
  input: inputs,
  attr: attrEntries(attributes, name)
})

const attrEntries = (attributes: TensorflowNode["attributes"], owner: string) =>
  Object.entries(attributes).map(([key, attribute]) => ({ key, value: attrValue(attribute, owner) }))

const functionDef = ({ attributes, inputs, name, nodes, outputs }: TensorflowFunction) => {
  const ops = new Map(nodes.map((node) => [node.name, node.op]))
  const called = (tensor: string): string => {
    const [node, output = "0"] = tensor.split(":") as [string, string?]
    const op = ops.get(node)
    return op === undefined ? node : `${node}:${outputOf(op, Number(output))}`
  }
  const argDef = ({ dtype, name }: TensorflowFunction["inputs"][number]) => ({ name, type: dataTypes[dtype] })
  return {
    signature: { name, inputArg: inputs.map(argDef), outputArg: outputs.map(argDef) },
    nodeDef: nodes.map((node) => nodeDef({ ...node, inputs: node.inputs.map(called) })),
    ret: outputs.map(({ name, tensor }) => ({ key: name, value: called(tensor) })),
    attr: attrEntries(attributes, name)
  }
}

const attrValue = (attribute: TensorflowAttribute, node: string) => {
  switch (attribute.type) {
    case "int":
      return { i: attribute.value }
    case "float":
      return { f: attribute.value }
    case "bool":
      return { b: attribute.value }
    case "string":
      return { s: new TextEncoder().encode(attribute.value) }
    case "type":
      return { type: dataTypes[attribute.value] }
    case "shape":
      return { shape: shapeProto(attribute.value) }
    case "ints":
      return { list: { i: attribute.value } }
    case "types":
      return { list: { type: attribute.value.map((type) => dataTypes[type]) } }
    case "function":
      return { func: { name: attribute.value } }
    case "tensor":
      return { tensor: tensorProto(attribute, node) }
  }
}

const shapeProto = (shape: ReadonlyArray<number>) => ({ dim: shape.map((size) => ({ size })) })

type Constant = Extract<TensorflowAttribute, { readonly type: "tensor" }>

const tensorProto = ({ data, dtype, shape }: Constant, node: string) => {
  if (data.length !== 1 && data.length !== sizeOf(shape)) {
    throw new RangeError(`constant "${node}" has ${data.length} elements, and its shape asks for ${sizeOf(shape)}`)
  }
  const elements = data.length === 1
    ? { [elementFields[dtype]]: [dtype === "bool" ? data[0] !== 0 : data[0]] }
    : { tensorContent: elementBytes(data, dtype) }
  return { dtype: dataTypes[dtype], tensorShape: shapeProto(shape), ...elements }
}
