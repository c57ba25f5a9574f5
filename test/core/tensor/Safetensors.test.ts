import { assert, describe, it } from "@effect/vitest"
import { float32, type HostTensor, int32, InvalidSafetensors, Safetensors, sizeOf } from "@effusion/core/tensor"
import { Result } from "effect"
import * as fc from "fast-check"
import { Buffer } from "node:buffer"
import fixture from "../../fixtures/safetensors.json" with { type: "json" }

const { decode, encode } = Safetensors

// Elements are compared by their bits: every NaN and -0 must survive.
const bitsOf = ({ data, dtype, shape }: HostTensor) => ({
  dtype,
  shape,
  bits: Array.from(new Int32Array(data.buffer, data.byteOffset, data.length))
})
const contentOf = (tensors: { readonly [name: string]: HostTensor }) =>
  new Map(Object.entries(tensors).map(([name, tensor]) => [name, bitsOf(tensor)]))

const tensor: fc.Arbitrary<HostTensor> = fc.array(fc.nat(4), { maxLength: 4 }).chain((shape) => {
  const elements = fc.int32Array({ minLength: sizeOf(shape), maxLength: sizeOf(shape) })
  return fc.oneof(
    elements.map((words): HostTensor => int32(shape, words)),
    elements.map((words): HostTensor => float32(shape, new Float32Array(words.buffer)))
  )
})
const name = fc.oneof(fc.string({ unit: "grapheme" }), fc.constantFrom("10", "9", "__proto__", "constructor", ""))
  .filter((name) => name !== "__metadata__")
const tensors = fc.dictionary(name, tensor, { maxKeys: 6, noNullPrototype: true })
const metadata = fc.dictionary(name, fc.string({ unit: "grapheme" }), { maxKeys: 3, noNullPrototype: true })

/** A file with this header and so many bytes of elements. */
const file = (header: unknown, elements = 0): Uint8Array => {
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header))
  const bytes = new Uint8Array(8 + text.length + elements)
  new DataView(bytes.buffer).setUint32(0, text.length, true)
  bytes.set(text, 8)
  return bytes
}

describe("files of the reference implementation", () => {
  it.each(fixture.cases)("$name: are read", ({ base64, metadata, tensors }) => {
    const decoded = Result.getOrThrow(decode(Buffer.from(base64, "base64")))
    assert.deepStrictEqual(decoded.metadata, metadata)
    const expected = tensors.map(([name, shape, dtype, elements]) => [name, { dtype, shape, elements }] as const)
    const actual = Object.entries(decoded.tensors).map(([name, { data, dtype, shape }]) =>
      // JSON has no infinities: the fixture spells them.
      [name, { dtype, shape, elements: Array.from(data, (x) => Number.isFinite(x) ? x : String(x)) }] as const
    )
    assert.deepStrictEqual(new Map<unknown, unknown>(actual), new Map<unknown, unknown>(expected))
  })

  it.each(fixture.cases.slice(0, 3))("$name: are written, byte by byte", ({ base64 }) => {
    const bytes = Buffer.from(base64, "base64")
    const { metadata, tensors } = Result.getOrThrow(decode(bytes))
    assert.deepStrictEqual(Buffer.from(encode(tensors, metadata)).toString("base64"), base64)
  })
})

describe("encode and decode", () => {
  it("are inverse to one another, to the bit", () => {
    fc.assert(fc.property(tensors, metadata, (tensors, metadata) => {
      const decoded = Result.getOrThrow(decode(encode(tensors, metadata)))
      assert.deepStrictEqual(contentOf(decoded.tensors), contentOf(tensors))
      assert.deepStrictEqual(new Map(Object.entries(decoded.metadata)), new Map(Object.entries(metadata)))
    }))
  })

  it("write the same bytes whatever the order of names", () => {
    fc.assert(fc.property(tensors, metadata, (tensors, metadata) => {
      const reversed = <A>(record: Record<string, A>) => Object.fromEntries(Object.entries(record).toReversed())
      assert.deepStrictEqual(encode(reversed(tensors), reversed(metadata)), encode(tensors, metadata))
    }))
  })

  it("align the elements to 8 bytes, after a header padded with spaces", () => {
    fc.assert(fc.property(tensors, (tensors) => {
      const bytes = encode(tensors)
      const size = new DataView(bytes.buffer).getUint32(0, true)
      assert.strictEqual(size % 8, 0)
      assert.match(Buffer.from(bytes.subarray(8, 8 + size)).toString(), /^\{.*\} *$/su)
    }))
  })

  it("take views of larger buffers as they are", () => {
    const whole = float32([6], [9, 1, 2, 3, 4, 9])
    const bytes = encode({ part: float32([2, 2], whole.data.subarray(1, 5)) })
    const shifted = new Uint8Array(bytes.length + 3)
    shifted.set(bytes, 3)
    const { tensors } = Result.getOrThrow(decode(shifted.subarray(3)))
    assert.deepStrictEqual(Array.from(tensors["part"]!.data), [1, 2, 3, 4])
  })

  it("share no memory", () => {
    const bytes = encode({ a: float32([1], [1]), b: float32([1], [2]) })
    const { tensors } = Result.getOrThrow(decode(bytes))
    bytes.fill(0)
    tensors["a"]!.data[0] = 5
    assert.strictEqual(tensors["b"]!.data[0], 2)
    assert.strictEqual(tensors["b"]!.data.buffer.byteLength, 4)
  })

  it("refuse to write what is no tensor of a file", () => {
    assert.throws(() => encode({ __metadata__: float32([1], [1]) }), RangeError, "__metadata__")
    assert.throws(() => encode({ a: { dtype: "float32", shape: [3], data: new Float32Array(2) } }), RangeError, "\"a\"")
  })
})

describe("decode", () => {
  const failure = (bytes: Uint8Array): InvalidSafetensors => Result.getOrThrow(Result.flip(decode(bytes)))
  const F32 = (begin: number, end: number, shape = [(end - begin) / 4]) => ({
    dtype: "F32",
    shape,
    data_offsets: [begin, end]
  })

  it("fails with InvalidSafetensors for any file that was cut off", () => {
    fc.assert(fc.property(tensors, fc.nat(), (tensors, cut) => {
      const bytes = encode(tensors)
      const error = failure(bytes.subarray(0, cut % bytes.length))
      assert.instanceOf(error, InvalidSafetensors)
    }))
  })

  it("gives a result for any bytes, and for any damage to a file", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const result = decode(bytes)
      assert.isTrue(Result.isSuccess(result) || result.failure instanceof InvalidSafetensors)
    }))
    fc.assert(
      fc.property(tensors, fc.nat(), fc.integer({ min: 1, max: 255 }), (tensors, position, damage) => {
        const bytes = encode(tensors)
        bytes[position % bytes.length]! ^= damage
        const result = decode(bytes)
        assert.isTrue(Result.isSuccess(result) || result.failure instanceof InvalidSafetensors)
      }),
      { numRuns: 1000 }
    )
  })

  it("reads every binary16 number", () => {
    const words = Uint16Array.from({ length: 65536 }, (_, bits) => bits)
    const bytes = file({ half: { dtype: "F16", shape: [65536], data_offsets: [0, 131072] } }, 131072)
    bytes.set(new Uint8Array(words.buffer), bytes.length - 131072)
    const { data } = Result.getOrThrow(decode(bytes)).tensors["half"]!
    // Positive finite ones rise with their bits, by what the exponent says; negative ones mirror them.
    assert.strictEqual(data[0x7BFF], 65504)
    assert.strictEqual(data[0x7C00], Infinity)
    for (let bits = 0; bits < 0x7C00; bits++) {
      const exponent = Math.max(bits >>> 10, 1)
      if (bits < 0x7BFF) assert.strictEqual(data[bits + 1]! - data[bits]!, 2 ** (exponent - 25))
      assert.strictEqual(data[bits | 0x8000], -data[bits]!)
    }
    for (let bits = 0x7C01; bits < 0x8000; bits++) assert.isNaN(data[bits])
  })

  it.each<[string, Uint8Array, string]>([
    ["an empty file", new Uint8Array(0), "it has 0 bytes"],
    ["a header cut off", file({ a: F32(0, 4) }, 4).subarray(0, 20), "it is cut off"],
    ["a file of another kind", Uint8Array.from(Buffer.from("\x89PNG\r\n\x1A\n and more")), "more than any file's"],
    ["a header that is no object", file("[1, 2]"), "does not begin with {"],
    ["a header that is no JSON", file("{\"a\": "), "not JSON"],
    ["a header that is no UTF-8", Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0xFF, 0x7D), "not UTF-8"],
    ["a tensor that is no object", file({ a: 3 }), "tensor \"a\""],
    ["a tensor without a dtype", file({ a: { shape: [1], data_offsets: [0, 4] } }, 4), "dtype"],
    ["a dtype that cannot be read", file({ a: { ...F32(0, 4), dtype: "U8" } }, 4), "dtype U8"],
    ["a dtype named as a method", file({ a: { ...F32(0, 4), dtype: "toString" } }, 4), "dtype toString"],
    ["a negative size", file({ a: F32(0, 4, [-1]) }, 4), "tensor \"a\" has the wrong form"],
    ["a fractional size", file({ a: F32(0, 4, [0.5]) }, 4), "tensor \"a\" has the wrong form"],
    ["three offsets", file({ a: { dtype: "F32", shape: [1], data_offsets: [0, 4, 8] } }, 4), "tensor \"a\""],
    ["a negative offset", file({ a: F32(-4, 0) }, 4), "tensor \"a\" has the wrong form"],
    ["offsets that disagree with the shape", file({ a: F32(0, 4, [2]) }, 4), "takes 8 bytes"],
    ["offsets that run backwards", file({ a: F32(4, 0, [1]) }, 4), "takes 4 bytes"],
    ["offsets beyond the end", file({ a: F32(0, 8) }, 4), "take 8 bytes, of which there are 4"],
    ["a shape beyond all memory", file({ a: F32(0, 2 ** 50) }, 4), "of which there are 4"],
    ["offsets that overlap", file({ a: F32(0, 8), b: F32(4, 12) }, 12), "tensor \"b\" begins at 4 and overlaps"],
    ["a gap", file({ a: F32(0, 4), b: F32(8, 12) }, 12), "tensor \"b\" begins at 8 and leaves a gap"],
    ["bytes that belong to no tensor", file({ a: F32(0, 4) }, 6), "but 6 follow"],
    ["metadata that is no text", file({ __metadata__: { a: 1 } }), "\"__metadata__\" has the wrong form"]
  ])("%s: fails and says so", (_, bytes, named) => {
    assert.include(failure(bytes).message, named)
  })

  it("fails where an element does not fit the dtype that it becomes", () => {
    const double = file({ a: { dtype: "F64", shape: [1], data_offsets: [0, 8] } }, 8)
    new DataView(double.buffer).setFloat64(double.length - 8, 1e300, true)
    assert.include(failure(double).message, "tensor \"a\" holds 1e+300, which is beyond float32")
    const long = file({ a: { dtype: "I64", shape: [1], data_offsets: [0, 8] } }, 8)
    new DataView(long.buffer).setUint32(long.length - 8, 2 ** 31, true)
    assert.include(failure(long).message, "tensor \"a\" holds 2147483648, which is beyond int32")
  })
})
