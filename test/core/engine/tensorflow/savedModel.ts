/**
 * A reader of SavedModels, written from the field numbers of TensorFlow's .proto files and from nothing that the encoder
 * uses.
 */
import type {
  TensorflowAttribute,
  TensorflowNode,
  TensorflowType
} from "../../../../packages/core/src/engine/tensorflow/Model.ts"
import {
  doubles,
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

const dtypes: { readonly [code: number]: TensorflowType } = {
  1: "float32",
  2: "float64",
  3: "int32",
  9: "int64",
  10: "bool"
}

const shape = (proto: Message): ReadonlyArray<number> =>
  messages(proto, 2).map((dimension) => signed(dimension.get(1)![0]))

const elements = (tensor: Message, dtype: TensorflowType): ReadonlyArray<number> => {
  const bytes = (tensor.get(4)?.[0] as Uint8Array | undefined)?.slice().buffer
  switch (dtype) {
    case "float32":
      return bytes === undefined ? repeated(tensor, 5, floats) : Array.from(new Float32Array(bytes))
    case "float64":
      return bytes === undefined ? repeated(tensor, 6, doubles) : Array.from(new Float64Array(bytes))
    case "int32":
      return bytes === undefined ? ints(tensor, 7) : Array.from(new Int32Array(bytes))
    case "int64":
      return bytes === undefined ? ints(tensor, 10) : Array.from(new BigInt64Array(bytes), Number)
    case "bool":
      return bytes === undefined ? ints(tensor, 11) : Array.from(new Uint8Array(bytes))
  }
}

const attribute = (value: Message): TensorflowAttribute => {
  const [field, ...others] = value.keys()
  if (field === undefined || others.length > 0) throw new Error("an attribute has one value")
  const first = value.get(field)![0]!
  switch (field) {
    case 1: {
      const list = message(value, 1)
      return list.has(6)
        ? { type: "types", value: ints(list, 6).map((code) => dtypes[code]!) }
        : { type: "ints", value: ints(list, 3) }
    }
    case 2:
      return { type: "string", value: text(first) }
    case 3:
      return { type: "int", value: signed(first) }
    case 4:
      return { type: "float", value: float(first as Uint8Array) }
    case 5:
      return { type: "bool", value: first !== 0n }
    case 6:
      return { type: "type", value: dtypes[signed(first)]! }
    case 7:
      return { type: "shape", value: shape(message(value, 7)) }
    case 8: {
      const tensor = message(value, 8)
      const dtype = dtypes[signed(tensor.get(1)![0])]!
      return { type: "tensor", dtype, shape: shape(message(tensor, 2)), data: elements(tensor, dtype) }
    }
    case 10:
      return { type: "function", value: string(message(value, 10), 1) }
    default:
      throw new Error(`an attribute has the unknown field ${field}`)
  }
}

const attributes = (entries: ReadonlyArray<Message>) =>
  Object.fromEntries(entries.map((entry) => [string(entry, 1), attribute(message(entry, 2))]))

const node = (node: Message): TensorflowNode => ({
  name: string(node, 1),
  op: string(node, 2),
  inputs: strings(node, 3),
  attributes: attributes(messages(node, 5))
})

const argument = (argument: Message) => ({ name: string(argument, 1), dtype: dtypes[signed(argument.get(3)![0])]! })

const definition = (definition: Message) => {
  const signature = message(definition, 1)
  return {
    name: string(signature, 1),
    inputs: messages(signature, 2).map(argument),
    outputs: messages(signature, 3).map(argument),
    nodes: messages(definition, 3).map(node),
    results: Object.fromEntries(messages(definition, 4).map((entry) => [string(entry, 1), string(entry, 2)])),
    attributes: attributes(messages(definition, 5))
  }
}

/** What a `saved_model.pb` holds. */
export const readSavedModel = (bytes: Uint8Array) => {
  const model = read(bytes)
  const [metaGraph, ...others] = messages(model, 2)
  if (metaGraph === undefined || others.length > 0) throw new Error("a file of ours holds one graph")
  const graph = message(metaGraph, 2)
  return {
    schemaVersion: signed(model.get(1)![0]),
    tags: strings(message(metaGraph, 1), 4),
    producer: signed(message(graph, 4).get(1)?.[0]),
    minConsumer: signed(message(graph, 4).get(2)?.[0]),
    nodes: messages(graph, 1).map(node),
    functions: messages(message(graph, 2), 1).map(definition)
  }
}
