/**
 * A PNG decoder for 8-bit grey and RGB pictures without interlacing, and an encoder, independent of those under test.
 */
import { Buffer } from "node:buffer"
import { crc32, deflateSync, inflateSync } from "node:zlib"

export interface Picture {
  readonly width: number
  readonly height: number
  readonly channels: number
  readonly data: Uint8Array
}

const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

export const decodePng = (bytes: Uint8Array): Picture => {
  if (signature.some((byte, i) => bytes[i] !== byte)) throw new Error("this is no PNG file")
  const file = Buffer.from(bytes)
  const data: Array<Buffer> = []
  let header: Buffer | undefined
  for (let at = 8; at < file.length;) {
    const length = file.readUInt32BE(at)
    const type = file.toString("latin1", at + 4, at + 8)
    const body = file.subarray(at + 8, at + 8 + length)
    if (crc32(file.subarray(at + 4, at + 8 + length)) !== file.readUInt32BE(at + 8 + length)) {
      throw new Error(`wrong checksum of ${type}`)
    }
    if (type === "IHDR") header = body
    if (type === "IDAT") data.push(body)
    at += 12 + length
  }
  if (header === undefined) throw new Error("no header")
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)]
  const [depth, colorType, , , interlace] = header.subarray(8)
  const channels = colorType === 0 ? 1 : colorType === 2 ? 3 : undefined
  if (depth !== 8 || channels === undefined || interlace !== 0) throw new Error("not a plain 8-bit picture")
  return {
    width,
    height,
    channels,
    data: unfilter(inflateSync(Buffer.concat(data)), width * channels, height, channels)
  }
}

/** Undoes the filters of the PNG specification, section 9. */
const unfilter = (filtered: Uint8Array, stride: number, height: number, channels: number): Uint8Array => {
  const data = new Uint8Array(stride * height)
  for (let y = 0; y < height; y++) {
    const filter = filtered[y * (stride + 1)]
    for (let i = 0; i < stride; i++) {
      const left = i >= channels ? data[y * stride + i - channels]! : 0
      const up = y > 0 ? data[(y - 1) * stride + i]! : 0
      const upLeft = y > 0 && i >= channels ? data[(y - 1) * stride + i - channels]! : 0
      const predicted = [0, left, up, Math.floor((left + up) / 2), paeth(left, up, upLeft)][filter!]!
      data[y * stride + i] = filtered[y * (stride + 1) + 1 + i]! + predicted
    }
  }
  return data
}

const paeth = (left: number, up: number, upLeft: number): number => {
  const estimate = left + up - upLeft
  const distances = [left, up, upLeft].map((value) => Math.abs(estimate - value))
  return [left, up, upLeft][distances.indexOf(Math.min(...distances))]!
}

/** The bytes of a PNG file without filters or interlacing; 16-bit channels in a `Uint16Array`. */
export const encodePng = (
  { channels, data, height, width }: Omit<Picture, "data"> & { readonly data: Uint8Array | Uint16Array }
): Buffer => {
  const depth = 8 * data.BYTES_PER_ELEMENT
  const row = width * channels
  const rows = Array.from({ length: height }, (_, y) => {
    const line = Buffer.alloc(1 + row * data.BYTES_PER_ELEMENT)
    for (let i = 0; i < row; i++) {
      if (depth === 8) line[1 + i] = data[y * row + i]!
      else line.writeUInt16BE(data[y * row + i]!, 1 + 2 * i)
    }
    return line
  })
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([depth, [0, 4, 2, 6][channels - 1]!, 0, 0, 0], 8)
  return Buffer.concat([
    Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(Buffer.concat(rows))),
    chunk("IEND", Buffer.alloc(0))
  ])
}

const chunk = (type: string, content: Buffer): Buffer => {
  const named = Buffer.concat([Buffer.from(type, "latin1"), content])
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(content.length)
  check.writeUInt32BE(crc32(named))
  return Buffer.concat([length, named, check])
}
