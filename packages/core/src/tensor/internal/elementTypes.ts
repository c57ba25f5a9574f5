/**
 * The element types of safetensors files that can be read, and what they become.
 */
import { type DType, float32, type HostTensor, int32, type Shape } from "../HostTensor.ts"

/** An element type of a file: its size, and how elements are read; a string says what is wrong with one. */
export interface ElementType {
  readonly bytes: number
  readonly read: (elements: ArrayBufferLike, shape: Shape) => HostTensor | string
}

/** The element type that each dtype is written as. */
export const safetensorsType: { readonly [D in DType]: string } = { float32: "F32", int32: "I32" }

const readF64 = (elements: ArrayBufferLike, shape: Shape): HostTensor | string => {
  const doubles = new Float64Array(elements)
  const singles = Float32Array.from(doubles)
  const lost = singles.findIndex((value, i) => !Number.isFinite(value) && Number.isFinite(doubles[i]))
  return lost < 0 ? float32(shape, singles) : `holds ${doubles[lost]}, which is beyond float32`
}

const readF16 = (elements: ArrayBufferLike, shape: Shape): HostTensor =>
  float32(shape, Float32Array.from(new Uint16Array(elements), float16))

// IEEE 754 binary16: a sign bit, 5 bits of exponent and 10 of fraction.
const float16 = (bits: number): number => {
  const sign = bits >>> 15 === 1 ? -1 : 1
  const exponent = bits >>> 10 & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
}

// bfloat16 is the upper half of a float32.
const readBF16 = (elements: ArrayBufferLike, shape: Shape): HostTensor =>
  float32(shape, new Float32Array(Uint32Array.from(new Uint16Array(elements), (bits) => bits << 16).buffer))

// A 64-bit integer is an int32 when its upper word does no more than repeat the sign of the lower.
const readI64 = (elements: ArrayBufferLike, shape: Shape): HostTensor | string => {
  const words = new Int32Array(elements)
  const integers = new Int32Array(words.length / 2)
  for (let i = 0; i < integers.length; i++) {
    const low = words[2 * i]!
    const high = words[2 * i + 1]!
    if (high !== low >> 31) return `holds ${high * 2 ** 32 + (low >>> 0)}, which is beyond int32`
    integers[i] = low
  }
  return int32(shape, integers)
}

/** The element types that can be read, by their safetensors names. */
export const elementTypes: ReadonlyMap<string, ElementType> = new Map(
  [
    ["F32", { bytes: 4, read: (elements, shape) => float32(shape, new Float32Array(elements)) }],
    ["F64", { bytes: 8, read: readF64 }],
    ["F16", { bytes: 2, read: readF16 }],
    ["BF16", { bytes: 2, read: readBF16 }],
    ["I32", { bytes: 4, read: (elements, shape) => int32(shape, new Int32Array(elements)) }],
    ["I64", { bytes: 8, read: readI64 }]
  ] satisfies ReadonlyArray<readonly [string, ElementType]>
)
