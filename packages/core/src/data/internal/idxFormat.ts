/**
 * The IDX file format: a magic number, the size of each dimension, then the elements row-major; integers are big-endian
 * of 32 bits. The magic number's third byte gives the element type (0x08: unsigned byte) and its fourth the number of
 * dimensions.
 *
 * Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", section "The IDX file format".
 */
import { Effect } from "effect"
import type { Shape } from "../../tensor/HostTensor.ts"
import { sizeOf } from "../../tensor/HostTensor.ts"
import { IdxBadMagic, IdxEmpty, IdxTrailingBytes, IdxTruncated } from "../DataError.ts"

/** The contents of an IDX file of unsigned bytes. */
export interface IdxFile {
  readonly dimensions: Shape
  readonly elements: Uint8Array
}

/** Parses an IDX file of unsigned bytes with the given number of dimensions; `path` is for messages. */
export const parseIdx = Effect.fnUntraced(function*(
  path: string,
  bytes: Uint8Array,
  rank: number
): Effect.fn.Return<IdxFile, IdxBadMagic | IdxEmpty | IdxTruncated | IdxTrailingBytes> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const headerBytes = 4 + 4 * rank
  const expectedMagic = 0x0800 + rank
  if (bytes.length >= 4 && view.getUint32(0) !== expectedMagic) {
    return yield* new IdxBadMagic({ path, actual: view.getUint32(0), expected: expectedMagic })
  }
  if (bytes.length < headerBytes) {
    return yield* new IdxTruncated({ path, actualBytes: bytes.length, expectedBytes: headerBytes })
  }
  const dimensions = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis))
  const expectedBytes = headerBytes + sizeOf(dimensions)
  if (bytes.length < expectedBytes) {
    return yield* new IdxTruncated({ path, actualBytes: bytes.length, expectedBytes })
  }
  if (bytes.length > expectedBytes) {
    return yield* new IdxTrailingBytes({ path, actualBytes: bytes.length, expectedBytes })
  }
  if (sizeOf(dimensions) === 0) return yield* new IdxEmpty({ path, dimensions })
  return { dimensions, elements: bytes.subarray(headerBytes) }
})
