import { NodeServices } from "@effect/platform-node"
import { assert, describe, layer } from "@effect/vitest"
import type { Dataset } from "@effusion/core/data"
import {
  DataFileMissing,
  DataFileUnreadable,
  DataFolderMissing,
  DigitsFileMalformed,
  loadDigits
} from "@effusion/core/data"
import { Effect } from "effect"
import { FileSystem } from "effect/FileSystem"
import { Path } from "effect/Path"

const everything = (dataset: Dataset) => dataset.read(Array.from({ length: dataset.size }, (_, i) => i))

const countsOf = (labels: Int32Array): Array<number> => {
  const counts = Array.from({ length: 10 }, () => 0)
  for (const label of labels) counts[label]!++
  return counts
}

/** An example's pixels as the bytes that they were made of; fails when one is not such a byte. */
const bytesOf = (pixels: Float32Array): Uint8Array => {
  const bytes = Uint8Array.from(pixels, (pixel) => Math.round((pixel + 1) * 127.5))
  pixels.forEach((pixel, i) => assert.strictEqual(pixel, Math.fround(bytes[i]! / 127.5 - 1)))
  return bytes
}

layer(NodeServices.layer)("loadDigits", (it) => {
  it.effect("gives 9,000 and 1,000 images, every digit in its proportion in both", () =>
    Effect.gen(function*() {
      const { train, test } = yield* loadDigits()
      assert.strictEqual(train.size, 9000)
      assert.strictEqual(test.size, 1000)
      for (const dataset of [train, test]) {
        assert.deepStrictEqual(dataset.exampleShape, [28, 28, 1])
        assert.strictEqual(dataset.classes, 10)
      }
      const trainCounts = countsOf(everything(train).label.data)
      const testCounts = countsOf(everything(test).label.data)
      // How often each digit is among the first 10,000 training images of MNIST.
      const counts = [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]
      assert.deepStrictEqual(trainCounts.map((count, digit) => count + testCounts[digit]!), counts)
      testCounts.forEach((count, digit) => assert.closeTo(count, counts[digit]! / 10, 1))
    }))

  it.effect("holds all digits in their proportions in every beginning of a part", () =>
    Effect.gen(function*() {
      const { train, test } = yield* loadDigits()
      for (const dataset of [train, test]) {
        const labels = everything(dataset).label.data
        const total = countsOf(labels)
        const counts = Array.from({ length: 10 }, () => 0)
        labels.forEach((label, i) => {
          counts[label]!++
          counts.forEach((count, digit) => assert.isBelow(Math.abs(count - total[digit]! * (i + 1) / dataset.size), 2))
        })
      }
    }))

  it.effect("gives the images of MNIST", () =>
    Effect.gen(function*() {
      const { train, test } = yield* loadDigits()
      // The first row with ink of the first training image of MNIST, a five.
      const { label } = everything(train)
      const five = bytesOf(train.read([label.data.indexOf(5)]).x0.data)
      assert.deepStrictEqual(five.findIndex((byte) => byte > 0), 5 * 28 + 12)
      assert.deepStrictEqual(
        Array.from(five.subarray(5 * 28 + 12, 5 * 28 + 25)),
        [3, 18, 18, 18, 126, 136, 175, 26, 166, 255, 247, 127, 0]
      )
      // Mean and standard deviation of the pixels of all 60,000 training images, as all the field normalises with them.
      for (const [dataset, tolerance] of [[train, 0.002], [test, 0.006]] as const) {
        const pixels = everything(dataset).x0.data
        const intensity = (pixel: number) => (pixel + 1) / 2
        const mean = pixels.reduce((sum, pixel) => sum + intensity(pixel), 0) / pixels.length
        const variance = pixels.reduce((sum, pixel) => sum + (intensity(pixel) - mean) ** 2, 0) / pixels.length
        assert.closeTo(mean, 0.1307, tolerance)
        assert.closeTo(Math.sqrt(variance), 0.3081, tolerance)
      }
    }))

  it.effect("shows no test image to training", () =>
    Effect.gen(function*() {
      const { train, test } = yield* loadDigits()
      const images = (dataset: Dataset) =>
        Array.from({ length: dataset.size }, (_, i) => {
          const { data } = dataset.read([i]).x0
          return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("latin1")
        })
      const all = [...images(train), ...images(test)]
      assert.strictEqual(new Set(all).size, 10_000)
    }))

  it.effect("gives the same examples every time", () =>
    Effect.gen(function*() {
      const [first, second] = yield* Effect.all([loadDigits(), loadDigits()])
      for (const part of ["train", "test"] as const) {
        assert.deepStrictEqual(everything(first[part]).label, everything(second[part]).label)
        const [a, b] = [everything(first[part]).x0.data, everything(second[part]).x0.data]
        assert.isTrue(Buffer.from(a.buffer).equals(Buffer.from(b.buffer)))
      }
    }))

  describe("names what is wrong with the files", () => {
    /** A folder with the given text as `0.json`. */
    const folderWith = (text: string) =>
      Effect.gen(function*() {
        const fileSystem = yield* FileSystem
        const path = yield* Path
        const folder = yield* fileSystem.makeTempDirectoryScoped()
        yield* fileSystem.writeFileString(path.join(folder, "0.json"), text)
        return folder
      })

    const valid = Array.from({ length: 1001 * 784 }, () => 0.5)

    it.effect("no folder, no file, no readable file", () =>
      Effect.gen(function*() {
        const fileSystem = yield* FileSystem
        const path = yield* Path
        const folder = yield* fileSystem.makeTempDirectoryScoped()
        const absent = path.join(folder, "absent")
        const noFolder = yield* Effect.flip(loadDigits({ folder: absent }))
        assert.instanceOf(noFolder, DataFolderMissing)
        assert.include(noFolder.message, absent)
        const noFile = yield* Effect.flip(loadDigits({ folder }))
        assert.instanceOf(noFile, DataFileMissing)
        assert.include(noFile.message, "0.json")
        yield* fileSystem.makeDirectory(path.join(folder, "0.json"))
        const noReadableFile = yield* Effect.flip(loadDigits({ folder }))
        assert.instanceOf(noReadableFile, DataFileUnreadable)
        assert.include(noReadableFile.message, path.join(folder, "0.json"))
      }))

    it.effect("a file that is not as published", () =>
      Effect.gen(function*() {
        const cases: ReadonlyArray<readonly [string, string]> = [
          [`{ "data": [0, 0`, ""],
          ["[]", ""],
          [`{ "data": "none" }`, "array of 784784 numbers"],
          [JSON.stringify({ data: valid.slice(784) }), "784000 numbers"],
          [JSON.stringify({ data: valid.with(17, 1.5) }), "element 17"],
          [JSON.stringify({ data: [...valid.slice(1), "0"] }), "element 784783"]
        ]
        for (const [text, reason] of cases) {
          const error = yield* Effect.flip(loadDigits({ folder: yield* folderWith(text) }))
          assert.instanceOf(error, DigitsFileMalformed)
          assert.include(error.message, "0.json")
          assert.include(error.message, reason)
          assert.isAtMost(error.message.split("\n").length, 2)
        }
        // The file that all these are damages of is good: the next one is then missing.
        const next = yield* Effect.flip(loadDigits({ folder: yield* folderWith(JSON.stringify({ data: valid })) }))
        assert.instanceOf(next, DataFileMissing)
        assert.include(next.message, "1.json")
      }))
  })
})
