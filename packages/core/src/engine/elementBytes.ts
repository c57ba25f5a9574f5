/** The element types of what is stored in a runtime's graph. */
type StoredType = "float32" | "float64" | "int32" | "int64" | "bool"

/**
 * The elements of a stored tensor as bytes, as ONNX and TensorFlow have them; typed arrays of the right type are viewed, not
 * copied. Node runs on little-endian machines only.
 *
 * @param data numbers; those of `int64` are safe integers, and of `bool` all but 0 is true
 * @example
 * elementBytes(Float32Array.of(1), "float32") // => Uint8Array [0, 0, 128, 63]
 */
export const elementBytes = (data: ArrayLike<number>, dtype: StoredType): Uint8Array => {
  switch (dtype) {
    case "float32":
      return bytesOf(data instanceof Float32Array ? data : Float32Array.from(data))
    case "float64":
      return bytesOf(data instanceof Float64Array ? data : Float64Array.from(data))
    case "int32":
      return bytesOf(data instanceof Int32Array ? data : Int32Array.from(data))
    case "int64":
      return bytesOf(BigInt64Array.from(data, BigInt))
    case "bool":
      return Uint8Array.from(data, (element) => (element === 0 ? 0 : 1))
  }
}

const bytesOf = (array: Float32Array | Float64Array | Int32Array | BigInt64Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
