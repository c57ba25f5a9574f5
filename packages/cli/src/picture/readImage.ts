/**
 * Pictures as the data of a network: PNG files of the size of its images.
 */
import type { HostTensor, Shape } from "@effusion/core/tensor"
import { float32 } from "@effusion/core/tensor"
import { Data, Effect, FileSystem } from "effect"
import { decode } from "fast-png"
import type { FileProblem } from "../files.ts"
import { fileProblem } from "../files.ts"

/** A file is no picture that the network could have made. */
export class UnusableImage extends Data.TaggedError("UnusableImage")<{
  readonly path: string
  readonly reason: string
}> {
  override get message() {
    return `cannot use the image "${this.path}": ${this.reason}`
  }
}

/**
 * A PNG file as an image, [1, height, width, channels] from -1 to 1. Colours become grey where the network's images are,
 * and an alpha channel is left out.
 *
 * @param exampleShape the shape of the network's images
 * @example
 * const image = yield* readImage("seven.png", [28, 28, 1])
 */
export const readImage = Effect.fnUntraced(function*(
  path: string,
  exampleShape: Shape
): Effect.fn.Return<HostTensor<"float32">, UnusableImage | FileProblem, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const bytes = yield* fs.readFile(path).pipe(Effect.mapError(fileProblem("read", path)))
  const [height, width, channels] = exampleShape
  if (exampleShape.length !== 3) {
    return yield* new UnusableImage({ path, reason: "the network of this run makes no images" })
  }
  const png = yield* Effect.try({
    try: () => decode(bytes),
    catch: () => new UnusableImage({ path, reason: "it is no PNG file, or a damaged one; give a PNG file" })
  })
  if (png.width !== width || png.height !== height) {
    return yield* new UnusableImage({
      path,
      reason: `it has ${png.width} x ${png.height} pixels, and the network's images ${width} x ${height}; scale it`
    })
  }
  if (png.depth < 8) {
    return yield* new UnusableImage({ path, reason: `it has ${png.depth} bits a pixel; save it with 8 bits a channel` })
  }
  const largest = 2 ** png.depth - 1
  const palette = png.palette
  const pixel = (i: number): ReadonlyArray<number> => {
    if (palette !== undefined) return palette[png.data[i]!]!.slice(0, 3).map((value) => value / 255)
    const colours = png.channels > 2 ? 3 : 1
    return Array.from({ length: colours }, (_, c) => png.data[i * png.channels + c]! / largest)
  }
  const data = Array.from({ length: png.width * png.height }, (_, i) => {
    const colours = pixel(i)
    const grey = colours.length === 1 ? colours[0]! : 0.299 * colours[0]! + 0.587 * colours[1]! + 0.114 * colours[2]!
    return channels === 1 ? [grey] : Array.from({ length: channels! }, (_, c) => colours[colours.length === 1 ? 0 : c]!)
  }).flat()
  return float32([1, ...exampleShape], data.map((value) => 2 * value - 1))
})
