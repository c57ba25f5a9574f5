/**
 * A reader of protobuf's wire format and of ONNX's field numbers in it, written from their specifications
 * (https://protobuf.dev/programming-guides/encoding, onnx.proto3) and from nothing that the encoder uses.
 */
import type { OnnxAttribute, OnnxModel, OnnxType } from "@effusion/core/engine/onnx"

type Field = bigint | Uint8Array
type Message = ReadonlyMap<number, ReadonlyArray<Field>>

/** The fields of a message by number: varints as bigints, all else as bytes. */
const read = (bytes: Uint8Array): Message => {
  const fields = new Map<number, Array<Field>>()
  let position = 0
  const varint = () => {
    let value = 0n
    for (let shift = 0n;; shift += 7n) {
      const byte = bytes[position++]
      if (byte === undefined) throw new Error("a number reaches beyond the end of its message")
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return value
    }
  }
  const take = (length: number) => bytes.subarray(position, position += length)
  while (position < bytes.length) {
    const tag = Number(varint())
    const wireType = tag & 7
    const value = wireType === 0
      ? varint()
      : take(wireType === 2 ? Number(varint()) : wireType === 5 ? 4 : wireType === 1 ? 8 : Number.NaN)
    const values = fields.get(tag >>> 3)
    if (values === undefined) fields.set(tag >>> 3, [value])
    else values.push(value)
  }
  if (position !== bytes.length) throw new Error("a field reaches beyond the end of its message")
  return fields
}

const messages = (message: Message, field: number): ReadonlyArray<Message> =>
  (message.get(field) ?? []).map((bytes) => read(bytes as Uint8Array))
const message = (parent: Message, field: number): Message => messages(parent, field)[0] ?? new Map()
const text = (bytes: Field): string => new TextDecoder("utf-8", { fatal: true }).decode(bytes as Uint8Array)
const strings = (message: Message, field: number): ReadonlyArray<string> => (message.get(field) ?? []).map(text)
const string = (message: Message, field: number): string => strings(message, field)[0] ?? ""
const signed = (value: Field | undefined): number => Number(BigInt.asIntN(64, (value as bigint | undefined) ?? 0n))
const float = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true)

/** A repeated number: fixed-size ones are bytes, packed or not; varints are bytes only when packed. */
const repeated = (
  message: Message,
  field: number,
  packed: (bytes: Uint8Array) => ReadonlyArray<number>
): ReadonlyArray<number> =>
  (message.get(field) ?? []).flatMap((value) => typeof value === "bigint" ? [signed(value)] : packed(value))
const floats = (bytes: Uint8Array): ReadonlyArray<number> =>
  Array.from({ length: bytes.length / 4 }, (_, i) => float(bytes.subarray(4 * i)))
/** Packed varints are the values of a message without tags; reading them under a made-up tag keeps one varint reader. */
const varints = (bytes: Uint8Array): ReadonlyArray<number> => {
  const values: Array<number> = []
  for (let start = 0, end = 0; end < bytes.length; end++) {
    if (bytes[end]! >= 128) continue
    values.push(signed(read(Uint8Array.of(8, ...bytes.subarray(start, end + 1))).get(1)![0]))
    start = end + 1
  }
  return values
}
const ints = (message: Message, field: number) => repeated(message, field, varints)

const dtypes: { readonly [code: number]: OnnxType } = { 1: "float32", 6: "int32", 7: "int64", 9: "bool" }

const elements = (dtype: OnnxType, raw: Uint8Array): ReadonlyArray<number> => {
  const bytes = raw.slice().buffer
  switch (dtype) {
    case "float32":
      return Array.from(new Float32Array(bytes))
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

const initializer = (tensor: Message) => {
  const dtype = dtypes[signed(tensor.get(2)![0])]!
  const raw = (tensor.get(9)?.[0] ?? new Uint8Array()) as Uint8Array
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

/** What a `ModelProto` holds. */
export const readModel = (bytes: Uint8Array) => {
  const model = read(bytes)
  const graph = message(model, 7)
  const contents: OnnxModel = {
    name: string(graph, 2),
    nodes: messages(graph, 1).map(node),
    initializers: messages(graph, 5).map(initializer),
    inputs: messages(graph, 11).map(valueInfo),
    outputs: messages(graph, 12).map(valueInfo)
  }
  return {
    irVersion: signed(model.get(1)![0]),
    opsets: Object.fromEntries(messages(model, 8).map((set) => [string(set, 1), signed(set.get(2)![0])])),
    model: contents
  }
}
