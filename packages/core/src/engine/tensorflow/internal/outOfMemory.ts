/**
 * TensorFlow's words for a device that is full.
 */
import { OutOfMemory } from "../../EngineError.ts"
import { engine } from "../TensorflowError.ts"

/** Bytes of an element, by TensorFlow's C names for the types. */
const bytesOf: { readonly [type: string]: number } = {
  float: 4,
  int32: 4,
  int64: 8,
  double: 8,
  half: 2,
  bfloat16: 2,
  bool: 1,
  int8: 1,
  uint8: 1
}

/** As its allocators say it: `OOM when allocating tensor with shape[16,512] and type float on /job:.../device:GPU:0 by`. */
const tensor = /OOM when allocating tensor with shape\s?\[([\d,]*)\] and type (\w+) on \S*\/device:([A-Z]+:\d+)/

/** As XLA says it: `Out of memory while trying to allocate 1234 bytes`, or `allocating 1234 bytes`. */
const buffer = /Out of memory (?:while trying to allocate|allocating|trying to allocate) ([\d,]+) ?(?:bytes|B\b)/i

/** What remains: `RESOURCE_EXHAUSTED`, `CUDA_ERROR_OUT_OF_MEMORY`, an allocator's `ran out of memory`. */
const other = /\bOOM\b|out of memory|CUDA_ERROR_OUT_OF_MEMORY|RESOURCE_EXHAUSTED/i

/**
 * The error of a full device, if that is what a reason of TensorFlow's says.
 *
 * @param device the device that the engine computes on, for where TensorFlow does not say which
 * @example
 * outOfMemory("OOM when allocating tensor with shape[16,512] and type float on /device:GPU:0 by ...", "unet", "a GPU")
 * // => OutOfMemory: ... ran out of memory on GPU:0 when 32 KiB more were needed ...
 */
export const outOfMemory = (reason: string, program: string, device: string): OutOfMemory | undefined => {
  const of = (device: string, requestedBytes: number | undefined) =>
    new OutOfMemory({ program, engine, device, requestedBytes })
  const [, shape, type, name] = tensor.exec(reason) ?? []
  if (shape !== undefined) {
    const elements = shape === "" ? 1 : shape.split(",").reduce((product, length) => product * Number(length), 1)
    const size = bytesOf[type!]
    return of(`${device} (${name})`, size === undefined ? undefined : elements * size)
  }
  const [, bytes] = buffer.exec(reason) ?? []
  if (bytes !== undefined) return of(device, Number(bytes.replaceAll(",", "")))
  return other.test(reason) ? of(device, undefined) : undefined
}
