/**
 * A reader of protobuf's wire format, written from its specification (https://protobuf.dev/programming-guides/encoding)
 * and from nothing that encoders use.
 */

type Field = bigint | Uint8Array
export type Message = ReadonlyMap<number, ReadonlyArray<Field>>

/** The fields of a message by number: varints as bigints, all else as bytes. */
export const read = (bytes: Uint8Array): Message => {
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

export const messages = (message: Message, field: number): ReadonlyArray<Message> =>
  (message.get(field) ?? []).map((bytes) => read(bytes as Uint8Array))
export const message = (parent: Message, field: number): Message => messages(parent, field)[0] ?? new Map()
export const text = (bytes: Field): string => new TextDecoder("utf-8", { fatal: true }).decode(bytes as Uint8Array)
export const strings = (message: Message, field: number): ReadonlyArray<string> => (message.get(field) ?? []).map(text)
export const string = (message: Message, field: number): string => strings(message, field)[0] ?? ""
export const signed = (value: Field | undefined): number =>
  Number(BigInt.asIntN(64, (value as bigint | undefined) ?? 0n))
export const float = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true)

/** A repeated number: fixed-size ones are bytes, packed or not; varints are bytes only when packed. */
export const repeated = (
  message: Message,
  field: number,
  packed: (bytes: Uint8Array) => ReadonlyArray<number>
): ReadonlyArray<number> =>
  (message.get(field) ?? []).flatMap((value) => typeof value === "bigint" ? [signed(value)] : packed(value))
export const floats = (bytes: Uint8Array): ReadonlyArray<number> =>
  Array.from({ length: bytes.length / 4 }, (_, i) => float(bytes.subarray(4 * i)))
export const doubles = (bytes: Uint8Array): ReadonlyArray<number> =>
  Array.from(
    { length: bytes.length / 8 },
    (_, i) => new DataView(bytes.buffer, bytes.byteOffset).getFloat64(8 * i, true)
  )
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
export const ints = (message: Message, field: number) => repeated(message, field, varints)
