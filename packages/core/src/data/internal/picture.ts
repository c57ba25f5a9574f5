/**
 * A picture's bytes as those of an image of a given shape, by sharp, which is loaded when the first picture is.
 */
import { Effect } from "effect"
import type { Sharp } from "sharp"
import { ImageLibraryMissing } from "../DataError.ts"

/** The shape of the images, and whether they are grey. */
export interface ImageShape {
  readonly height: number
  readonly width: number
  readonly channels: 1 | 3
}

/** Decodes a file and fits it to a shape; rejects with sharp's own error where it cannot. */
export type ReadPicture = (file: Uint8Array, shape: ImageShape) => Promise<Uint8Array>

/** Loads the library: native code of some 20 MB, which nobody is to wait for who reads no pictures. */
export const loadPictureReader: Effect.Effect<ReadPicture, ImageLibraryMissing> = Effect.tryPromise({
  try: () => import("sharp"),
  catch: (error) => new ImageLibraryMissing({ reason: reasonOf(error) })
}).pipe(Effect.map(({ default: sharp }) => {
  // Colours are taken as they are stored, whatever profile they come with. Damage is an error, what viewers do not mind is none.
  const open = (file: Uint8Array) => sharp(file, { autoOrient: true, ignoreIcc: true, failOn: "error" })
  return async (file, shape) => {
    const fitted = await colours(fit(open(file), shape))
    if (!fitted.info.premultiplied) return inChannels(fitted.data, shape)
    // Colours with alpha are weighed by it as they are scaled, and what nobody would see gets lost. Here alpha has no meaning.
    const { data, info } = await colours(open(file))
    const raw = { width: info.width, height: info.height, channels: info.channels }
    return inChannels((await colours(fit(sharp(data, { raw }), shape))).data, shape)
  }
}))

/** A triangle as wide as the reduction is the bilinear interpolation, with antialiasing, of Pillow and torchvision. */
const fit = (picture: Sharp, { height, width }: ImageShape): Sharp =>
  picture.resize(width, height, { fit: "cover", position: "centre", kernel: "linear", fastShrinkOnLoad: false })

const colours = (picture: Sharp) =>
  picture.removeAlpha().toColourspace("srgb").raw().toBuffer({ resolveWithObject: true })

const inChannels = (rgb: Uint8Array, { channels }: ImageShape): Uint8Array => channels === 1 ? luma(rgb) : rgb

/** The luma of ITU-R BT.601 in 16 bits, as Pillow has it: a grey stays what it is. */
const luma = (rgb: Uint8Array): Uint8Array =>
  Uint8Array.from(
    { length: rgb.length / 3 },
    (_, i) => (19595 * rgb[3 * i]! + 38470 * rgb[3 * i + 1]! + 7471 * rgb[3 * i + 2]! + 0x8000) >> 16
  )

/** The first line of what a library has to say. */
export const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).trim().split("\n", 1)[0]!
