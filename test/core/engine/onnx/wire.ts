/**
 * A reader of ONNX models, written from the field numbers of onnx.proto3 and from nothing that the encoder uses.
 */
import type { OnnxAttribute, OnnxModel, OnnxType } from "@effusion/core/engine/onnx"
import {
  float,
  floats,
  ints,
  type Message,
  message,
  messages,
  read,
  repeated,
  signed,
  string,
  strings,
  text
} from "../protobuf.ts"

const dtypes: { readonly [code: number]: OnnxType } = {
  1: "float32",
  6: "int32",
  7: "int64",
  9: "bool",
  11: "float64"
}

const elements = (dtype: OnnxType, raw: Uint8Array): ReadonlyArray<number> => {
  const bytes = raw.slice().buffer
  switch (dtype) {
    case "float32":
      return Array.from(new Float32Array(bytes))
    case "float64":
      return Array.from(new Float64Array(bytes))
    case "int32":
      return Array.from(new Int32Array(bytes))
    case "int64":
      return Array.from(new BigInt64Array(bytes), Number)
    case "bool":
      return Array.from(new Uint8Array(bytes))
  }
}

const valueInfo = (info: Message) => {
  const tensor = message(message(info, 2), 1)
  return {
    name: string(info, 1),
    dtype: dtypes[signed(tensor.get(1)![0])]!,
    shape: messages(message(tensor, 2), 1).map((dimension) => signed(dimension.get(1)![0]))
  }
}

/** The bytes of an initializer: its own, or those of the file that it names. */
const bytesOf = (tensor: Message, weights: Uint8Array): Uint8Array => {
  if (!tensor.has(14)) return (tensor.get(9)?.[0] ?? new Uint8Array()) as Uint8Array
  const place = Object.fromEntries(messages(tensor, 13).map((entry) => [string(entry, 1), string(entry, 2)]))
  if (place["location"] !== "weights" || tensor.has(9)) throw new Error("an initializer is elsewhere")
  const offset = Number(place["offset"])
  return weights.subarray(offset, offset + Number(place["length"]))
}

const initializer = (weights: Uint8Array) => (tensor: Message) => {
  const dtype = dtypes[signed(tensor.get(2)![0])]!
  const raw = bytesOf(tensor, weights)
  return { name: string(tensor, 8), dtype, shape: ints(tensor, 1), data: elements(dtype, raw) }
}

const attribute = (attribute: Message): OnnxAttribute => {
  switch (signed(attribute.get(20)![0])) {
    case 1:
      return { type: "float", value: float(attribute.get(2)![0] as Uint8Array) }
    case 2:
      return { type: "int", value: signed(attribute.get(3)![0]) }
    case 3:
      return { type: "string", value: text(attribute.get(4)![0]!) }
    case 6:
      return { type: "floats", value: repeated(attribute, 7, floats) }
    case 7:
      return { type: "ints", value: ints(attribute, 8) }
    default:
      throw new Error("an attribute of an unknown type")
  }
}

const node = (node: Message) => ({
  name: string(node, 3),
  domain: string(node, 7),
  op: string(node, 4),
  inputs: strings(node, 1),
  outputs: strings(node, 2),
  attributes: Object.fromEntries(messages(node, 5).map((field) => [string(field, 1), attribute(field)]))
})

/** What a `ModelProto` holds, with the file of its weights where they are apart. */
export const readModel = (bytes: Uint8Array, weights = new Uint8Array()) => {
  const model = read(bytes)
  const graph = message(model, 7)
  const contents: OnnxModel = {
    name: string(graph, 2),
    nodes: messages(graph, 1).map(node),
    initializers: messages(graph, 5).map(initializer(weights)),
    inputs: messages(graph, 11).map(valueInfo),
    outputs: messages(graph, 12).map(valueInfo)
  }
  return {
    irVersion: signed(model.get(1)![0]),
    opsets: Object.fromEntries(messages(model, 8).map((set) => [string(set, 1), signed(set.get(2)![0])])),
    model: contents
  }
}
