/**
 * Pictures of samples: tensors of images laid out in a grid, as a PNG file.
 */
import type { HostTensor } from "@effusion/core/tensor"
import { float32, showShape, sizeOf } from "@effusion/core/tensor"
import { encode } from "fast-png"

/** Pixels in rows from the top, each of `channels` bytes. */
export interface Raster {
  readonly width: number
  readonly height: number
  /** 1 is grey, 3 is RGB. */
  readonly channels: number
  readonly data: Uint8Array
}

/** How a grid is laid out; all lengths in pixels. */
export interface GridOptions {
  /** Images in a row; as many as make the grid about square when not given. */
  readonly columns?: number
  /** Pixels of the picture to one pixel of an image; enough to make small images visible when not given. */
  readonly scale?: number
  /** The width of the lines between and around the images. Default 2. */
  readonly padding?: number
}

/** The grey of the lines between images: neither the black nor the white that images have at their borders. */
const lineColor = 96

/** Images are enlarged by a whole factor until they have about this many pixels a side. */
const comfortableSide = 56

/**
 * Lays images out in rows from the top left. Values from -1 to 1 become bytes from 0 to 255 and are cut off beyond; not a
 * number becomes 0. Places that are left over in the last row keep the colour of the lines.
 *
 * @param images [count, height, width, channels], with 1 or 3 channels
 * @throws RangeError when `images` has another shape: a mistake of the program, not of its input.
 * @example
 * const { width, height } = grid(zeros([64, 28, 28, 1]), { scale: 1 }) // 8 x 8 images: 242 x 242 pixels
 */
export const grid = (images: HostTensor<"float32">, options: GridOptions = {}): Raster => {
  const [count, imageHeight, imageWidth, channels] = imageShape(images)
  const { columns, padding, scale } = layout(count, Math.max(imageHeight, imageWidth), options)
  const rows = Math.ceil(count / columns)
  const width = columns * (imageWidth * scale + padding) + padding
  const height = rows * (imageHeight * scale + padding) + padding
  const data = new Uint8Array(width * height * channels).fill(lineColor)
  for (let index = 0; index < count; index++) {
    const left = padding + (index % columns) * (imageWidth * scale + padding)
    const top = padding + Math.floor(index / columns) * (imageHeight * scale + padding)
    for (let y = 0; y < imageHeight * scale; y++) {
      for (let x = 0; x < imageWidth * scale; x++) {
        const from = ((index * imageHeight + Math.floor(y / scale)) * imageWidth + Math.floor(x / scale)) * channels
        const to = ((top + y) * width + left + x) * channels
        for (let channel = 0; channel < channels; channel++) data[to + channel] = byteOf(images.data[from + channel]!)
      }
    }
  }
  return { width, height, channels, data }
}

/**
 * The bytes of a PNG file of 8 bits a channel.
 *
 * @example
 * const bytes = encodePng(grid(samples))
 */
export const encodePng = ({ channels, data, height, width }: Raster): Uint8Array =>
  encode({ width, height, data, channels, depth: 8 })

/**
 * Puts several states of the same images next to each other: with `columns: frames.length`, a row of the grid is one
 * image and its columns are the frames.
 *
 * @param frames tensors of one shape, [count, height, width, channels]
 * @throws RangeError when there are no frames, or they have different shapes.
 * @example
 * const picture = grid(interleave(frames), { columns: frames.length })
 */
export const interleave = (frames: ReadonlyArray<HostTensor<"float32">>): HostTensor<"float32"> => {
  const first = frames[0]
  if (first === undefined || frames.some((frame) => showShape(frame.shape) !== showShape(first.shape))) {
    throw new RangeError(`frames need one shape, not ${frames.map((frame) => showShape(frame.shape)).join(", ")}`)
  }
  const [count = 0, ...imageShape] = first.shape
  const size = sizeOf(imageShape)
  const data = new Float32Array(frames.length * first.data.length)
  for (let index = 0; index < count; index++) {
    frames.forEach((frame, column) =>
      data.set(frame.data.subarray(index * size, (index + 1) * size), (index * frames.length + column) * size)
    )
  }
  return float32([count * frames.length, ...imageShape], data)
}

const imageShape = ({ shape }: HostTensor): readonly [number, number, number, number] => {
  const [count, height, width, channels] = shape
  if (shape.length !== 4 || (channels !== 1 && channels !== 3)) {
    throw new RangeError(`a picture needs images [count, height, width, 1 or 3], not ${showShape(shape)}`)
  }
  return [count!, height!, width!, channels]
}

const layout = (count: number, side: number, options: GridOptions): Required<GridOptions> => ({
  columns: options.columns ?? Math.max(1, Math.ceil(Math.sqrt(count))),
  scale: options.scale ?? Math.max(1, Math.round(comfortableSide / side)),
  padding: options.padding ?? 2
})

/** NaN stays 0: a typed array stores it so. */
const byteOf = (value: number): number => Math.min(255, Math.max(0, Math.round((value + 1) * 127.5)))
