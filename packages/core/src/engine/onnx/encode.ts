/**
 * Encoding: an {@link OnnxModel} as the bytes of an ONNX file (a protobuf `ModelProto`), which ONNX Runtime, Netron and
 * every other ONNX tool read.
 */
import { Writer } from "protobufjs/light.js"
import { sizeOf } from "../../tensor/HostTensor.ts"
import { elementBytes } from "../elementBytes.ts"
import { attributeTypes, bytesPerElement, dataTypes, external, modelProto } from "./internal/schema.ts"
import type { OnnxAttribute, OnnxInitializer, OnnxModel, OnnxNode, OnnxValueInfo } from "./Model.ts"
import { copy, count } from "./Reading.ts"

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
  const bytes = model.initializers.reduce((bytes, initializer) => bytes + bytesOf(initializer), 0)
  return write(model, (initializer) => ({ rawData: elementsOf(initializer) }), bytes)
}

/** A model with the elements of its large initializers beside it. */
export interface EncodedModel {
  /** The bytes of an ONNX file. */
  readonly model: Uint8Array<ArrayBuffer>
  /** The elements: those of the file {@link weightsFile}, as the model calls it. */
  readonly weights: Uint8Array<ArrayBuffer>
}

/** What models call the file with the elements of their large initializers. */
export const weightsFile = "weights"

/**
 * {@link encode}, but the elements of float32 initializers of a kibibyte and more are in bytes of their own. Who has to
 * copy the model, to append to it or to read it, does not copy them, and there is no limit to their size.
 *
 * @throws RangeError when an initializer's number of elements is not its shape's size
 * @example
 * const { model, weights } = encodeApart(lower(graph))
 * await InferenceSession.create(model, { externalData: [{ path: weightsFile, data: weights }] })
 */
export const encodeApart = (model: OnnxModel): EncodedModel => {
  const offsets = new Map<OnnxInitializer, number>()
  let end = 0
  for (const initializer of model.initializers) {
    const bytes = bytesOf(initializer)
    if (initializer.dtype !== "float32" || bytes < smallestApart) continue
    offsets.set(initializer, end)
    end += Math.ceil(bytes / alignment) * alignment
  }
  // Not cleared before it is written.
  const { buffer } = Buffer.allocUnsafeSlow(end)
  const encoded = write(model, (initializer) => {
    const offset = offsets.get(initializer)
    if (offset === undefined) return { rawData: elementsOf(initializer) }
    const length = bytesOf(initializer)
    writeElements(initializer, new Uint8Array(buffer, offset, length))
    return { dataLocation: external, externalData: entries({ location: weightsFile, offset, length }) }
  }, model.initializers.reduce((bytes, one) => bytes + (offsets.has(one) ? 0 : bytesOf(one)), 0))
  return { model: encoded, weights: new Uint8Array(buffer as ArrayBuffer) }
}

/** Bytes of the smallest initializer that is kept apart. Integers never are: they may say shapes, which are read at once. */
const smallestApart = 1024

/** What the elements of an initializer that is kept apart begin at a multiple of. */
const alignment = 64

/** Writes a model, whose initializers have elements as a function says, of so many bytes. */
const write = (
  model: OnnxModel,
  elements: (initializer: OnnxInitializer) => object,
  bytes: number
): Uint8Array<ArrayBuffer> => {
  const writer = Writer.create()
  // A Buffer, for the writer calls its methods on long strings; not from the pool, so that it can be transferred.
  writer.buf = Buffer.allocUnsafeSlow(bytes + roomForRest(model))
  const { buffer, byteOffset, byteLength } = modelProto.encode({
    irVersion,
    producerName: "effusion",
    opsetImport: Object.entries(opsets).map(([domain, version]) => ({ domain, version })),
    graph: {
      name: model.name,
      node: model.nodes.map(nodeProto),
      initializer: model.initializers.map((initializer) => ({
        ...tensorProto(initializer),
        ...elements(initializer)
      })),
      input: model.inputs.map(valueInfoProto),
      output: model.outputs.map(valueInfoProto)
    }
  }, writer).finish(true)
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength)
}

/**
 * Bytes that hold the encoded model without the elements of initializers, generously: a writer that never has to grow
 * encodes 150 MB in 0.09 s in place of 0.25 to 1.3 s, for pages that are never written cost nothing. The writer still grows
 * when names are very long.
 */
const roomForRest = (model: OnnxModel): number =>
  65_536 + 1024 * (model.nodes.length + model.inputs.length + model.outputs.length + model.initializers.length)

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

const tensorProto = (initializer: OnnxInitializer) => {
  const { dtype, name, shape } = initializer
  const elements = elementsIn(initializer)
  if (elements !== sizeOf(shape)) {
    throw new RangeError(`initializer "${name}" has ${elements} elements, and its shape asks for ${sizeOf(shape)}`)
  }
  return { name, dims: shape, dataType: dataTypes[dtype] }
}

/** How many elements an initializer has. */
const elementsIn = ({ data, reading }: OnnxInitializer): number => reading === undefined ? data.length : count(reading)

const bytesOf = (initializer: OnnxInitializer): number => elementsIn(initializer) * bytesPerElement[initializer.dtype]

const elementsOf = (initializer: OnnxInitializer): Uint8Array => {
  if (initializer.reading === undefined) return elementBytes(initializer.data, initializer.dtype)
  const bytes = new Uint8Array(bytesOf(initializer))
  writeElements(initializer, bytes)
  return bytes
}

/** Writes an initializer's elements, in their order, where they begin at a multiple of their size. */
const writeElements = ({ data, dtype, reading }: OnnxInitializer, target: Uint8Array): void => {
  const bytes = elementBytes(data, dtype)
  if (reading === undefined) target.set(bytes)
  else copy(bytes, bytesPerElement[dtype], reading, target)
}

/** Numbers and strings by key, as the format has them. */
const entries = (record: { readonly [key: string]: number | string }) =>
  Object.entries(record).map(([key, value]) => ({ key, value: String(value) }))
