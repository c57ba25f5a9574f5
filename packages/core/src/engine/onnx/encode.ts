/**
 * Encoding: an {@link OnnxModel} as the bytes of an ONNX file (a protobuf `ModelProto`), which ONNX Runtime, Netron and
 * every other ONNX tool read.
 */
import { Writer } from "protobufjs/light.js"
import { sizeOf } from "../../tensor/HostTensor.ts"
import { elementBytes } from "../elementBytes.ts"
import { attributeTypes, bytesPerElement, dataTypes, modelProto } from "./internal/schema.ts"
import type { OnnxAttribute, OnnxInitializer, OnnxModel, OnnxNode, OnnxValueInfo } from "./Model.ts"

/** The version of ONNX's intermediate representation that models are written in; opset 21 came with it. */
export const irVersion = 10

/** The operator sets that nodes may use, by domain. */
export const opsets = { "": 21, "com.microsoft": 1, "com.microsoft.nchwc": 1 } as const

/**
 * A model as the bytes of an ONNX file.
 *
 * Initializers are written as little-endian raw data, copied whole when they come as the typed array of their type
 * (`Float32Array` for float32, `Int32Array` for int32).
 *
 * @throws RangeError when an initializer's number of elements is not its shape's size: a mistake of the lowering.
 * @example
 * const doubled: OnnxModel = {
 *   name: "double",
 *   inputs: [{ name: "input.x", dtype: "float32", shape: [2] }],
 *   outputs: [{ name: "output.y", dtype: "float32", shape: [2] }],
 *   initializers: [{ name: "two", dtype: "float32", shape: [], data: [2] }],
 *   nodes: [{ name: "mul", domain: "", op: "Mul", inputs: ["input.x", "two"], outputs: ["output.y"], attributes: {} }]
 * }
 * encode(doubled).byteLength // => 172
 */
export const encode = (model: OnnxModel): Uint8Array<ArrayBuffer> => {
  const writer = Writer.create()
  // A Buffer, for the writer calls its methods on long strings; not from the pool, so that it can be transferred.
  writer.buf = Buffer.allocUnsafeSlow(roomFor(model))
  const { buffer, byteOffset, byteLength } = modelProto.encode({
    irVersion,
    producerName: "effusion",
    opsetImport: Object.entries(opsets).map(([domain, version]) => ({ domain, version })),
    graph: {
      name: model.name,
      node: model.nodes.map(nodeProto),
      initializer: model.initializers.map(tensorProto),
      input: model.inputs.map(valueInfoProto),
      output: model.outputs.map(valueInfoProto)
    }
  }, writer).finish(true)
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength)
}

/**
 * Bytes that hold the encoded model, generously: a writer that never has to grow encodes 150 MB in 0.09 s in place of
 * 0.25 to 1.3 s, for pages that are never written cost nothing. The writer still grows when names are very long.
 */
const roomFor = (model: OnnxModel): number =>
  65_536 +
  1024 * (model.nodes.length + model.inputs.length + model.outputs.length + model.initializers.length) +
  model.initializers.reduce((bytes, { data, dtype }) => bytes + data.length * bytesPerElement[dtype], 0)

const nodeProto = (node: OnnxNode) => ({
  name: node.name,
  domain: node.domain,
  opType: node.op,
  input: node.inputs,
  output: node.outputs,
  attribute: Object.entries(node.attributes).map(([name, attribute]) => attributeProto(name, attribute))
})

const attributeProto = (name: string, attribute: OnnxAttribute) => {
  const type = attributeTypes[attribute.type]
  switch (attribute.type) {
    case "float":
      return { name, type, f: attribute.value }
    case "int":
      return { name, type, i: attribute.value }
    case "string":
      return { name, type, s: new TextEncoder().encode(attribute.value) }
    case "floats":
      return { name, type, floats: attribute.value }
    case "ints":
      return { name, type, ints: attribute.value }
  }
}

const valueInfoProto = (value: OnnxValueInfo) => ({
  name: value.name,
  type: {
    tensorType: {
      elemType: dataTypes[value.dtype],
      shape: { dim: value.shape.map((dimValue) => ({ dimValue })) }
    }
  }
})

const tensorProto = ({ data, dtype, name, shape }: OnnxInitializer) => {
  if (data.length !== sizeOf(shape)) {
    throw new RangeError(`initializer "${name}" has ${data.length} elements, and its shape asks for ${sizeOf(shape)}`)
  }
  return { name, dims: shape, dataType: dataTypes[dtype], rawData: elementBytes(data, dtype) }
}
