/**
 * What sampling begins with and keeps, as flags say it: pictures from files.
 */
import { Sampling, slerp } from "@effusion/core/sampling"
import type { HostTensor, Shape } from "@effusion/core/tensor"
import { float32 } from "@effusion/core/tensor"
import { Data, Effect, Option } from "effect"
import type { RunConfig } from "../configuration/config.ts"
import { readImage } from "../picture/readImage.ts"

/** Flags that do not go together. */
export class MisusedFlag extends Data.TaggedError("MisusedFlag")<{
  readonly flag: string
  readonly reason: string
}> {
  override get message() {
    return `cannot draw with ${this.flag}: ${this.reason}`
  }
}

/** The flags that name pictures, and what goes with them. */
export interface Pictures {
  readonly image: Option.Option<string>
  readonly strength: Option.Option<number>
  readonly to: Option.Option<string>
  readonly inpaint: Option.Option<string>
  readonly mask: Option.Option<string>
  readonly resamplings: Option.Option<number>
}

/** Fails with {@link MisusedFlag} where flags are given that do nothing together. */
export const requirePictures = Effect.fnUntraced(function*(
  { image, inpaint, mask, resamplings, strength, to }: Pictures,
  guided: boolean
) {
  const needs: ReadonlyArray<readonly [string, Option.Option<unknown>, string, Option.Option<unknown>]> = [
    ["--strength", strength, "--image", image],
    ["--to", to, "--image", image],
    ["--mask", mask, "--inpaint", inpaint],
    ["--inpaint", inpaint, "--mask", mask],
    ["--resamplings", resamplings, "--inpaint", inpaint]
  ]
  for (const [flag, given, other, needed] of needs) {
    if (Option.isSome(given) && Option.isNone(needed)) {
      return yield* new MisusedFlag({ flag, reason: `it goes with ${other}, which is not given` })
    }
  }
  if (Option.isNone(to)) return
  if (Option.isSome(strength)) {
    return yield* new MisusedFlag({ flag: "--strength", reason: "with --to, pictures are encoded whole" })
  }
  if (Option.isSome(inpaint)) {
    return yield* new MisusedFlag({ flag: "--inpaint", reason: "with --to, all of a picture changes" })
  }
  if (guided) {
    return yield* new MisusedFlag({ flag: "--to", reason: "pictures are encoded without guidance; give --guidance 1" })
  }
})

/** Where --image starts, unless --strength says otherwise. */
const usualStrength = 0.5

/** What to start from and what is known, of the pictures that flags name. */
export const startsOf = Effect.fnUntraced(function*(pictures: Pictures, exampleShape: Shape) {
  const read = Effect.fnUntraced(function*(path: Option.Option<string>) {
    return Option.isNone(path) ? undefined : yield* readImage(path.value, exampleShape)
  })
  const [image, inpaint, mask] = [
    yield* read(pictures.image),
    yield* read(pictures.inpaint),
    yield* read(pictures.mask)
  ]
  const strength = Option.getOrElse(pictures.strength, () => usualStrength)
  return {
    from: image === undefined || Option.isSome(pictures.to) ? undefined : { images: image, strength },
    // White, 1, is made anew, and black, -1, is known.
    known: inpaint === undefined || mask === undefined
      ? undefined
      : { images: inpaint, mask: float32(mask.shape, mask.data.map((value) => (1 - value) / 2)) },
    resamplings: Option.getOrUndefined(pictures.resamplings)
  }
})

/**
 * The noise of so many pictures on the way from one to another: both encoded by DDIM's inversion, and an arc between them.
 *
 * @example
 * const latents = yield* latentsBetween(image, other, { sampling, parameters })
 */
export const latentsBetween = Effect.fnUntraced(function*(
  ends: readonly [HostTensor<"float32">, HostTensor<"float32">],
  { parameters, sampling: { count, steps } }: {
    readonly sampling: RunConfig["sampling"]
    readonly parameters: Sampling.SamplingOptions["parameters"]
  }
) {
  const [from, to] = ends
  const images = float32([2, ...from.shape.slice(1)], [...from.data, ...to.data])
  const { data, shape } = yield* Sampling.encode({ images, steps, parameters })
  const size = data.length / 2
  const [first, last] = [data.slice(0, size), data.slice(size)].map((half) => float32(shape.slice(1), half))
  return slerp(first!, last!, Array.from({ length: count }, (_, i) => count === 1 ? 0 : i / (count - 1)))
})
