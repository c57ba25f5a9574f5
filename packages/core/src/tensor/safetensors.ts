/**
 * The safetensors file format (https://github.com/huggingface/safetensors): named tensors and a little metadata, in a
 * form that PyTorch, JAX and others read without running code.
 *
 *     8 bytes    the header's length n, unsigned 64-bit little-endian
 *     n bytes    the header, a JSON object padded with spaces:
 *                { "__metadata__": { name: text }, name: { "dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24] } }
 *     the rest   the elements, row-major and little-endian; offsets count from here, without gaps or overlaps
 *
 * Both directions are pure functions of bytes, so decoding gives a `Result`: whoever reads the file lifts it into Effect
 * (`Effect.fromResult`) and knows the file's name. Elements are copied as they lie in memory: like every platform that
 * the engines run on, this module takes memory to be little-endian.
 */
import { Data, Result, Schema } from "effect"
import { type HostTensor, showShape, sizeOf } from "./HostTensor.ts"
import { elementTypes, safetensorsType } from "./internal/elementTypes.ts"

/** Bytes are not a safetensors file that can be read here. */
export class InvalidSafetensors extends Data.TaggedError("InvalidSafetensors")<{
  /** What is wrong, and where. */
  readonly reason: string
}> {
  override get message() {
    return `not a safetensors file that can be read: ${this.reason}`
  }
}

/** What a safetensors file holds. */
export interface Safetensors {
  readonly tensors: { readonly [name: string]: HostTensor }
  readonly metadata: { readonly [name: string]: string }
}

/**
 * Writes named tensors and metadata in the safetensors format. The same content gives the same bytes, whatever the order
 * of its names: float32 tensors come first, then int32 ones, each by name, as the reference implementation has them.
 * Elements are copied once.
 *
 * @throws RangeError when a tensor is named `__metadata__`, or its elements are not as many as its shape says: mistakes
 *   of the program, not of its input.
 * @example
 * const bytes = Safetensors.encode({ "conv_in.bias": float32([2], [0.5, -0.5]) }, { format: "pt" })
 */
export const encode = (
  tensors: { readonly [name: string]: HostTensor },
  metadata: { readonly [name: string]: string } = {}
): Uint8Array<ArrayBuffer> => {
  const entries = Object.entries(tensors).sort(([nameA, a], [nameB, b]) =>
    compare(a.dtype, b.dtype) || compare(nameA, nameB)
  )
  let size = 0
  const fields: Array<[string, unknown]> = entries.map(([name, tensor]) => {
    requireEncodable(name, tensor)
    const begin = size
    size += tensor.data.byteLength
    return [name, { dtype: safetensorsType[tensor.dtype], shape: tensor.shape, data_offsets: [begin, size] }]
  })
  const texts = Object.entries(metadata).sort(([a], [b]) => compare(a, b))
  if (texts.length > 0) fields.unshift([metadataName, Object.fromEntries(texts)])

  // Written field by field, because an object would move names such as "10" to its front.
  const json = `{${fields.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join()}}`
  const header = new TextEncoder().encode(json)
  const headerSize = Math.ceil(header.length / alignment) * alignment
  const bytes = new Uint8Array(lengthSize + headerSize + size)
  new DataView(bytes.buffer).setUint32(0, headerSize, true)
  bytes.fill(space, lengthSize, lengthSize + headerSize)
  bytes.set(header, lengthSize)
  let offset = lengthSize + headerSize
  for (const [, { data }] of entries) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset)
    offset += data.byteLength
  }
  return bytes
}

/**
 * Reads a safetensors file. F32 and I32 are read as they are; F64, F16 and BF16 become float32 and I64 becomes int32, so
 * that files of other frameworks can be read. Every tensor has memory of its own, so that the file's bytes can be let go.
 *
 * Fails with `InvalidSafetensors` when the bytes are cut off, the header is no JSON of the right form, offsets leave gaps,
 * overlap, or disagree with the shape, a dtype is another one, or an element is too large for the dtype it becomes.
 *
 * @example
 * const { metadata, tensors } = Result.getOrThrow(Safetensors.decode(bytes))
 * tensors["conv_in.bias"]?.shape // => [2]
 */
export const decode = (bytes: Uint8Array): Result.Result<Safetensors, InvalidSafetensors> =>
  Result.gen(function*() {
    const { dataStart, text } = yield* headerOf(bytes)
    const { [metadataName]: metadata = {}, ...header } = yield* parseHeader(text)
    const texts = yield* parse(Metadata, metadata, `"${metadataName}"`)
    const entries = yield* entriesOf(header)
    yield* checkLayout(entries, bytes.length - dataStart)
    const tensors: Array<[string, HostTensor]> = []
    for (const { data_offsets: [begin, end], dtype, name, shape } of entries) {
      const start = bytes.byteOffset + dataStart
      const elements = bytes.buffer.slice(start + begin, start + end)
      const tensor = elementTypes.get(dtype)!.read(elements, shape)
      if (typeof tensor === "string") return yield* fail(`tensor "${name}" ${tensor}`)
      tensors.push([name, tensor])
    }
    // Built from entries, so that a tensor named "__proto__" is a tensor like any other.
    return { tensors: Object.fromEntries(tensors), metadata: texts }
  })

const metadataName = "__metadata__"
const lengthSize = 8
const alignment = 8
const space = 0x20
const openingBrace = 0x7B
// The limit of the reference implementation; it keeps a file of another kind from being taken for a huge header.
const maximumHeaderSize = 100_000_000

const Count = Schema.Number.check(Schema.isInt(), Schema.isGreaterThanOrEqualTo(0))
const Entry = Schema.Struct({
  dtype: Schema.String,
  shape: Schema.Array(Count),
  data_offsets: Schema.Tuple([Count, Count])
})
const Header = Schema.Record(Schema.String, Schema.Unknown)
const Metadata = Schema.Record(Schema.String, Schema.String)

type NamedEntry = (typeof Entry)["Type"] & { readonly name: string }

const fail = (reason: string) => Result.fail(new InvalidSafetensors({ reason }))

const headerOf = (bytes: Uint8Array) => {
  if (bytes.length < lengthSize) {
    return fail(`it has ${bytes.length} bytes, and the length of the header alone takes ${lengthSize}`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const size = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32
  const dataStart = lengthSize + size
  if (size > maximumHeaderSize) return fail(`its header would have ${size} bytes, more than any file's`)
  if (dataStart > bytes.length) {
    return fail(`its header has ${size} bytes, of which there are ${bytes.length - lengthSize}: it is cut off`)
  }
  if (bytes[lengthSize] !== openingBrace) return fail("its header does not begin with {")
  return Result.try({
    try: () => ({
      dataStart,
      text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(lengthSize, dataStart))
    }),
    catch: () => new InvalidSafetensors({ reason: "its header is not UTF-8" })
  })
}

const parseHeader = (text: string) =>
  Result.try({
    try: (): unknown => JSON.parse(text),
    catch: (error) => new InvalidSafetensors({ reason: `its header is not JSON: ${String(error)}` })
  }).pipe(Result.flatMap((json) => parse(Header, json, "the header")))

const entriesOf = (header: { readonly [name: string]: unknown }) =>
  Result.gen(function*() {
    const entries: Array<NamedEntry> = []
    for (const [name, value] of Object.entries(header)) {
      const entry = yield* parse(Entry, value, `tensor "${name}"`)
      const { data_offsets: [begin, end], dtype, shape } = entry
      const type = elementTypes.get(dtype)
      if (type === undefined) {
        return yield* fail(
          `tensor "${name}" has dtype ${dtype}, which is none of ${Array.from(elementTypes.keys()).join(", ")}; ` +
            `convert it first`
        )
      }
      const size = sizeOf(shape) * type.bytes
      if (end - begin !== size) {
        return yield* fail(
          `tensor "${name}" of shape ${
            showShape(shape)
          } and dtype ${dtype} takes ${size} bytes, but its data_offsets ` +
            `are [${begin}, ${end}]`
        )
      }
      entries.push({ ...entry, name })
    }
    return entries.sort((a, b) => a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1])
  })

// Sorted entries must tile the data: each begins where the one before it ends, and the last ends where the file does.
const checkLayout = (entries: ReadonlyArray<NamedEntry>, available: number) => {
  let position = 0
  for (const { data_offsets: [begin, end], name } of entries) {
    if (begin !== position) {
      const fault = begin < position ? "overlaps the one before it" : "leaves a gap before it"
      return fail(`tensor "${name}" begins at ${begin} and ${fault}, which ends at ${position}`)
    }
    position = end
  }
  if (position > available) {
    return fail(`its tensors take ${position} bytes, of which there are ${available}: it is cut off`)
  }
  if (position < available) {
    return fail(`its tensors take ${position} bytes, but ${available} follow the header`)
  }
  return Result.succeed(undefined)
}

const parse = <S extends Schema.ConstraintDecoder<unknown>>(schema: S, input: unknown, what: string) =>
  Schema.decodeUnknownResult(schema)(input).pipe(
    Result.mapError(({ message }) =>
      new InvalidSafetensors({ reason: `${what} has the wrong form: ${message.replace(/\s+/g, " ")}` })
    )
  )

const compare = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0

const requireEncodable = (name: string, { data, shape }: HostTensor): void => {
  if (name === metadataName) throw new RangeError(`a tensor cannot be named ${metadataName} in a safetensors file`)
  if (sizeOf(shape) !== data.length) {
    throw new RangeError(`tensor "${name}" of shape ${showShape(shape)} has ${data.length} elements`)
  }
}
