import { NodeServices } from "@effect/platform-node"
import { assert, describe, layer } from "@effect/vitest"
import type { Dataset, ImagesError, ImagesOptions } from "@effusion/core/data"
import {
  DataFileUnreadable,
  DataFolderMissing,
  ImageFormatUnsupported,
  ImagesClassMismatch,
  ImagesDamaged,
  ImageShapeUnsupported,
  ImagesMissing,
  ImagesMixed,
  ImagesPartMissing,
  ImagesTooFew,
  ImagesTooMany,
  loadImages
} from "@effusion/core/data"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { FileSystem } from "effect/FileSystem"
import { Path } from "effect/Path"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import sharp from "sharp"
import { decodePng, encodePng, type Picture } from "../../cli/support/png.ts"
import { forAll } from "../../support/properties.ts"

/** The contents of a folder, by path. */
type Files = { readonly [path: string]: Uint8Array }

/** A temporary folder with the given files, gone when its scope closes. */
const folderWith = Effect.fnUntraced(function*(files: Files) {
  const { makeDirectory, makeTempDirectoryScoped, writeFile } = yield* FileSystem
  const path = yield* Path
  const folder = yield* makeTempDirectoryScoped()
  for (const [name, bytes] of Object.entries(files)) {
    yield* makeDirectory(path.join(folder, path.dirname(name)), { recursive: true })
    yield* writeFile(path.join(folder, name), bytes)
  }
  return folder
})

const load = (files: Files, options: ImagesOptions) =>
  Effect.scoped(Effect.flatMap(folderWith(files), (folder) => loadImages(folder, options)))

/** Loads one file, and returns the bytes of its image. */
const loadOne = (name: string, file: Uint8Array, shape: ReadonlyArray<number>) =>
  Effect.map(load({ [`train/${name}`]: file, [`test/${name}`]: file }, { shape }), ({ train }) => bytesOf(train))

/** The bytes of all images, one after the other. */
const bytesOf = (dataset: Dataset): ReadonlyArray<number> =>
  Array.from(
    dataset.read(Array.from({ length: dataset.size }, (_, i) => i)).x0.data,
    (value) => Math.round((value + 1) * 127.5)
  )

/** A picture of a single pixel that says which picture it is. */
const numbered = (number: number) =>
  encodePng({ width: 1, height: 1, channels: 3, data: Uint8Array.of(number, number >> 8, 77) })
const pixel = [1, 1, 3]
const numbersIn = (dataset: Dataset): ReadonlyArray<number> =>
  bytesOf(dataset).flatMap((byte, i, all) => i % 3 === 0 ? [byte + 256 * all[i + 1]!] : [])
const labelsIn = (dataset: Dataset): ReadonlyArray<number> =>
  Array.from(dataset.read(Array.from({ length: dataset.size }, (_, i) => i)).label.data)

/** Numbered pictures of the given names. */
const picturesOf = (names: ReadonlyArray<string>): Files =>
  Object.fromEntries(names.map((name, i) => [name, numbered(i)]))
const several = (folder: string, count = 10) =>
  picturesOf(Array.from({ length: count }, (_, i) => `${folder}${String(i).padStart(3, "0")}.png`))

/** What a pixel of a picture should be, as three bytes. */
const colours = ({ channels, data }: Omit<Picture, "data"> & { data: Uint8Array | Uint16Array }, pixel: number) =>
  [0, 1, 2].map((c) => {
    const value = data[pixel * channels + (channels > 2 ? c : 0)]!
    return data instanceof Uint16Array ? value >> 8 : value
  })

const luma = ([r, g, b]: ReadonlyArray<number>) => 0.299 * r! + 0.587 * g! + 0.114 * b!

const raw = (width: number, height: number, data: Uint8Array, channels: 3 | 4 = 3) =>
  sharp(data, { raw: { width, height, channels } })

layer(NodeServices.layer)("loadImages", (it) => {
  describe("reads", () => {
    const picture = fc.record({
      width: fc.integer({ min: 1, max: 6 }),
      height: fc.integer({ min: 1, max: 6 }),
      channels: fc.integer({ min: 1, max: 4 }),
      deep: fc.boolean()
    }).chain(({ channels, deep, height, width }) => {
      const length = width * height * channels
      const data = deep
        ? fc.uint16Array({ minLength: length, maxLength: length })
        : fc.uint8Array({ minLength: length, maxLength: length })
      return data.map((data) => ({ width, height, channels, data }))
    })

    it.effect("a picture of the images' size as it is, whatever its depth and channels", () =>
      forAll(picture, (picture) =>
        Effect.gen(function*() {
          const file = encodePng(picture)
          const { height, width } = picture
          const expected = Array.from({ length: width * height }, (_, i) => colours(picture, i))
          assert.deepStrictEqual(yield* loadOne("a.png", file, [height, width, 3]), expected.flat())
          const grey = yield* loadOne("a.png", file, [height, width, 1])
          expected.forEach((rgb, i) => assert.closeTo(grey[i]!, luma(rgb), 0.502))
          // What is grey stays what it is.
          if (picture.channels < 3) assert.deepStrictEqual(grey, expected.map(([value]) => value))
        }), { numRuns: 40 }))

    it.effect("other formats, whatever the case of their extensions", () =>
      Effect.gen(function*() {
        const [width, height] = [7, 5]
        // Four colours, so that a palette holds them all.
        const data = Uint8Array.from({ length: width * height * 3 }, (_, i) =>
          Math.floor(i / 3) * 7 % 4 * (20 + i % 3 * 20))
        const exact = {
          "a.png": raw(width, height, data).png({ palette: true }),
          "a.PNG": raw(width, height, data).png({ progressive: true }),
          "a.webp": raw(width, height, data).webp({ lossless: true }),
          "a.Tiff": raw(width, height, data).tiff({ compression: "lzw" }),
          "a.tif": raw(width, height, data).tiff({ compression: "none" }),
          "a.gif": raw(width, height, data).gif({ dither: 0 }),
          // A file is known by its contents.
          "a.jpg": raw(width, height, data).png()
        }
        for (const [name, written] of Object.entries(exact)) {
          const bytes = yield* loadOne(
            name,
            yield* Effect.promise(() =>
              written.toBuffer()
            ),
            [height, width, 3]
          )
          assert.deepStrictEqual(bytes, Array.from(data), name)
        }
        const even = Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) => [200, 100, 50][i % 3]!)
        const near = {
          "a.jpeg": raw(16, 16, even).jpeg({ quality: 95 }),
          "a.JPG": raw(16, 16, even).jpeg({ quality: 95, progressive: true }),
          "a.avif": raw(16, 16, even).avif({ quality: 90 })
        }
        for (const [name, written] of Object.entries(near)) {
          const bytes = yield* loadOne(name, yield* Effect.promise(() => written.toBuffer()), [8, 8, 3])
          bytes.forEach((byte, i) => assert.closeTo(byte, even[i]!, 4, name))
        }
      }))

    it.effect("colours as they are stored, whatever their profile", () =>
      Effect.gen(function*() {
        const data = Uint8Array.from({ length: 8 * 8 * 3 }, (_, i) => 29 * i)
        const file = yield* Effect.promise(() => raw(8, 8, data).withIccProfile("p3").png().toBuffer())
        const stored = Array.from(decodePng(file).data)
        assert.notDeepEqual(stored, Array.from(data))
        assert.deepStrictEqual(yield* loadOne("a.png", file, [8, 8, 3]), stored)
      }))

    it.effect("a picture as its EXIF orientation says", () =>
      Effect.gen(function*() {
        const [width, height] = [3, 2]
        const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => 13 * i)
        /** Where the pixel is stored that is shown at a place (EXIF 2.32, section 4.6.4). */
        const stored: ReadonlyArray<(x: number, y: number) => readonly [number, number]> = [
          (x, y) => [x, y],
          (x, y) => [width - 1 - x, y],
          (x, y) => [width - 1 - x, height - 1 - y],
          (x, y) => [x, height - 1 - y],
          (x, y) => [y, x],
          (x, y) => [y, height - 1 - x],
          (x, y) => [width - 1 - y, height - 1 - x],
          (x, y) => [width - 1 - y, x]
        ]
        for (const [index, place] of stored.entries()) {
          const orientation = index + 1
          const file = yield* Effect.promise(() =>
            raw(width, height, data).withMetadata({ orientation }).webp({ lossless: true }).toBuffer()
          )
          const [w, h] = orientation > 4 ? [height, width] : [width, height]
          const expected = Array.from({ length: w * h }, (_, i) => {
            const [x, y] = place(i % w, Math.floor(i / w))
            return Array.from(data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3))
          })
          assert.deepStrictEqual(
            yield* loadOne("a.webp", file, [h, w, 3]),
            expected.flat(),
            `orientation ${orientation}`
          )
        }
      }))

    it.effect("the middle of a picture, scaled until it covers the image", () =>
      forAll(
        fc.record({
          width: fc.integer({ min: 4, max: 12 }),
          height: fc.integer({ min: 4, max: 12 }),
          factor: fc.double({ min: 1, max: 4, noNaN: true }),
          more: fc.integer({ min: 0, max: 20 }),
          wide: fc.boolean(),
          channels: fc.constantFrom(1, 3)
        }),
        ({ channels, factor, height, more, wide, width }) =>
          Effect.gen(function*() {
            // A plane stays one wherever it is scaled; it is 0 in the middle of the picture, which is that of the image.
            const [w, h] = [
              Math.round(width * factor) + (wide ? more : 0),
              Math.round(height * factor) + (wide ? 0 : more)
            ]
            const plane = (x: number, y: number) => 128 + 100 * x / w + 60 * y / h
            const data = Uint8Array.from(
              { length: w * h * 3 },
              (_, i) => {
                const [x, y] = [Math.floor(i / 3) % w, Math.floor(i / 3 / w)]
                return Math.round(plane(x + 0.5 - w / 2, y + 0.5 - h / 2))
              }
            )
            const bytes = yield* loadOne("a.png", encodePng({ width: w, height: h, channels: 3, data }), [
              height,
              width,
              channels
            ])
            const scale = Math.min(w / width, h / height)
            assert.strictEqual(bytes.length, width * height * channels)
            for (let y = 1; y < height - 1; y++) {
              for (let x = 1; x < width - 1; x++) {
                const expected = plane((x + 0.5 - width / 2) * scale, (y + 0.5 - height / 2) * scale)
                // Sides are whole numbers of pixels, and so is what is cut off: half a pixel of the image, and rounding.
                const slack = 2 + scale * (100 / w + 60 / h)
                assert.closeTo(bytes[(y * width + x) * channels]!, expected, slack)
              }
            }
          }),
        { numRuns: 40 }
      ))

    it.effect("the middle alone where nothing is to be scaled, and colours alone where there is alpha", () =>
      Effect.gen(function*() {
        const wide = Uint8Array.from({ length: 9 * 3 * 3 }, (_, i) => 3 * i)
        const middle = yield* loadOne("a.png", encodePng({ width: 9, height: 3, channels: 3, data: wide }), [3, 3, 3])
        assert.deepStrictEqual(middle, Array.from(wide).filter((_, i) => i % 27 >= 9 && i % 27 < 18))
        // What is finer than the image's pixels is averaged.
        const stripes = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => Math.floor(i / 3) % 2 * 255)
        const grey = yield* loadOne("a.png", encodePng({ width: 64, height: 64, channels: 3, data: stripes }), [
          8,
          8,
          3
        ])
        for (const byte of grey) assert.closeTo(byte, 127.5, 12)
        // Half of it cannot be seen at all.
        const data = Uint8Array.from(
          { length: 16 * 16 * 4 },
          (_, i) => [200, 100, 50, i % 8 === 3 ? 0 : i % 256][i % 4]!
        )
        const file = encodePng({ width: 16, height: 16, channels: 4, data })
        for (const side of [16, 8, 5]) {
          const bytes = yield* loadOne("a.png", file, [side, side, 3])
          assert.deepStrictEqual(bytes, Array.from({ length: side * side }, () => [200, 100, 50]).flat())
        }
      }))
  })

  describe("finds", () => {
    const segment = fc.string({ unit: fc.constantFrom("a", "b", "9", "-", "_", " "), minLength: 1, maxLength: 3 })
    const names = fc.record({
      classes: fc.option(fc.uniqueArray(segment, { minLength: 1, maxLength: 4 }), { nil: undefined }),
      files: fc.uniqueArray(fc.tuple(fc.option(segment, { nil: undefined }), segment), {
        minLength: 10,
        maxLength: 40,
        selector: (file) => file.join("/")
      }),
      deal: fc.infiniteStream(fc.nat())
    }).map(({ classes, deal, files }) =>
      files.map(([subfolder, file]) => ({
        label: classes === undefined ? undefined : classes[deal.next().value! % classes.length]!,
        // In a folder of its own a picture would be of a class.
        path: subfolder === undefined || classes === undefined ? [`${file}.png`] : [subfolder, `${file}.png`]
      }))
    ).map((all) => all.filter(({ path }, i) => all.findIndex((other) => other.path.join("/") === path.join("/")) === i))
      .filter(({ length }) => length >= 10)

    const compare = (a: string, b: string) => a < b ? -1 : a > b ? 1 : 0

    /** The order that the documentation promises: by class, and then folder by folder. */
    const inOrder = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): number => {
      for (const [i, name] of a.entries()) {
        const order = compare(name, b[i]!)
        if (order !== 0) return order
      }
      return 0
    }

    /** A file system that lists folders the other way round. */
    const reversed = Effect.map(FileSystem, (fileSystem) => ({
      ...fileSystem,
      readDirectory: (...args: Parameters<typeof fileSystem.readDirectory>) =>
        Effect.map(fileSystem.readDirectory(...args), (names) => names.toReversed())
    }))

    it.effect("every picture once, a tenth of each class held out, whatever order the file system has", () =>
      forAll(names, (pictures) =>
        Effect.gen(function*() {
          const pathOf = (i: number) => {
            const { label, path } = pictures[i]!
            return label === undefined ? path : [label, ...path]
          }
          const folder = yield* folderWith(picturesOf(pictures.map((_, i) => pathOf(i).join("/"))))
          const { test, train } = yield* loadImages(folder, { shape: pixel })

          const sorted = pictures.map((_, i) => i).toSorted((a, b) => inOrder(pathOf(a), pathOf(b)))
          const held = sorted.filter((_, i) => i % 10 === 9)
          assert.sameMembers(numbersIn(test).slice(), held)
          assert.sameMembers(numbersIn(train).slice(), sorted.filter((i) => !held.includes(i)))

          const classes = [...new Set(pictures.flatMap(({ label }) => label ?? []))].sort(compare)
          for (const dataset of [train, test]) {
            assert.strictEqual(dataset.classes, classes.length)
            numbersIn(dataset).forEach((number, i) => {
              const { label } = pictures[number]!
              assert.strictEqual(labelsIn(dataset)[i], label === undefined ? 0 : classes.indexOf(label))
            })
            // In the order of names among those of a class.
            for (const label of classes.length === 0 ? [undefined] : classes) {
              const numbers = numbersIn(dataset).filter((number) => pictures[number]!.label === label)
              assert.deepStrictEqual(numbers, sorted.filter((number) => numbers.includes(number)))
            }
          }
          for (const label of classes) {
            const of = (numbers: ReadonlyArray<number>) => numbers.filter((i) => pictures[i]!.label === label).length
            assert.isBelow(Math.abs(of(held) - of(sorted) / 10), 1)
          }

          const other = yield* loadImages(folder, { shape: pixel }).pipe(
            Effect.provideServiceEffect(FileSystem, reversed)
          )
          assert.deepStrictEqual([other.train, other.test].map(numbersIn), [train, test].map(numbersIn))
        }), { numRuns: 30 }))

    it.effect("the parts where folders say which they are, and classes in them", () =>
      Effect.gen(function*() {
        const parts = (files: Files) =>
          Effect.map(load(files, { shape: pixel }), ({ test, train }) => [train, test].map(numbersIn))
        assert.deepStrictEqual(yield* parts(picturesOf(["train/b.png", "test/a.png", "train/a.png"])), [[2, 0], [1]])
        assert.deepStrictEqual(yield* parts(picturesOf(["train/a.png", "val/a.png"])), [[0], [1]])
        // Nothing else is read: neither the other of the two, nor what is beside them.
        const more = ["train/a.png", "val/a.png", "test/a.png", "extra/a.png", "a.png"]
        assert.deepStrictEqual(yield* parts(picturesOf(more)), [[0], [2]])

        const classes = picturesOf(["train/dog/x/a.png", "test/cat/a.png", "train/cat/z.png", "test/dog/a.png"])
        const { test, train } = yield* load(classes, { shape: pixel })
        assert.deepStrictEqual([train, test].map(numbersIn), [[2, 0], [1, 3]])
        assert.deepStrictEqual([train, test].map(labelsIn), [[0, 1], [0, 1]])
        assert.deepStrictEqual([train.classes, test.classes], [2, 2])
      }))

    it.effect("classes dealt evenly over every beginning", () =>
      Effect.gen(function*() {
        const files = {
          ...several("train/a/", 40),
          ...several("train/b/", 10),
          ...several("test/a/"),
          ...several("test/b/")
        }
        const labels = labelsIn((yield* load(files, { shape: pixel })).train)
        labels.forEach((_, i) => {
          const ofB = labels.slice(0, i + 1).filter((label) => label === 1).length
          assert.isBelow(Math.abs(ofB - (i + 1) / 5), 1)
        })
      }))

    it.effect("no hidden files, none of other kinds, and nothing twice through links", () =>
      Effect.gen(function*() {
        const { symlink } = yield* FileSystem
        const path = yield* Path
        const nothing = Uint8Array.of(1, 2, 3)
        const folder = yield* folderWith({
          ...several("cats/"),
          "cats/.hidden.png": nothing,
          ".cache/a.png": nothing,
          "cats/labels.txt": nothing,
          "cats/png": nothing,
          "README": nothing,
          "empty/notes.md": nothing
        })
        const elsewhere = yield* folderWith(several("", 5))
        yield* symlink(folder, path.join(folder, "cats", "loop"))
        yield* symlink(path.join(folder, "gone"), path.join(folder, "dangling"))
        yield* symlink(elsewhere, path.join(folder, "dogs"))
        const { test, train } = yield* loadImages(folder, { shape: pixel })
        assert.deepStrictEqual([train.size, test.size, train.classes], [14, 1, 2])
        assert.deepStrictEqual(labelsIn(train).toSorted(), [...Array(9).fill(0), ...Array(5).fill(1)])
        assert.deepStrictEqual([train.name, test.name], [`images:${folder}/train`, `images:${folder}/test`])
      }))
  })

  describe("as it reads", () => {
    it.effect("says how far it is, and before that lets its caller look at what there will be", () =>
      Effect.gen(function*() {
        const told: Array<unknown> = []
        yield* load({ ...several("a/"), ...several("b/") }, {
          shape: pixel,
          check: ({ classes, size }) => Effect.sync(() => told.push({ classes, size })),
          onProgress: (done, of) => Effect.sync(() => told.push([done, of]))
        })
        assert.deepStrictEqual(told, [{ classes: 2, size: 18 }, ...Array.from({ length: 20 }, (_, i) => [i + 1, 20])])
        told.length = 0
        const refused = yield* Effect.flip(
          Effect.scoped(Effect.flatMap(folderWith(several("")), (folder) =>
            loadImages(folder, {
              shape: pixel,
              check: () => Effect.fail("refused" as const),
              onProgress: () => Effect.sync(() => told.push("read"))
            })))
        )
        assert.deepStrictEqual([refused, told], ["refused", []])
      }))

    it.effect("has a few pictures in hand at a time, and stops when it is interrupted", () =>
      Effect.gen(function*() {
        const folder = yield* folderWith(several("", 60))
        const begun = yield* Deferred.make<void>()
        let read = 0
        const fiber = yield* Effect.forkChild(loadImages(folder, {
          shape: pixel,
          onProgress: () => {
            read++
            return Effect.andThen(Deferred.succeed(begun, undefined), Effect.never)
          }
        }))
        yield* Deferred.await(begun)
        // Long enough for all of them, were they all begun.
        yield* TestClock.withLive(Effect.sleep("200 millis"))
        yield* Fiber.interrupt(fiber)
        const exit = yield* Fiber.await(fiber)
        assert.isTrue(Exit.isFailure(exit) && Exit.hasInterrupts(exit))
        assert.isAtMost(read, 16)
      }))
  })

  describe("says what is wrong:", () => {
    /** The error of loading such a folder: of the given class, with a message of a line or two that names these things. */
    const expectError = Effect.fnUntraced(function*<E extends ImagesError>(
      files: Files,
      error: new(fields: Omit<E, keyof Error>) => E,
      mentions: ReadonlyArray<string>,
      shape: ReadonlyArray<number> = pixel
    ) {
      const actual = yield* Effect.flip(load(files, { shape }))
      assert.instanceOf(actual, error)
      for (const mention of mentions) assert.include(actual.message, mention)
      assert.isAtMost(actual.message.split("\n").length, 2)
    })

    it.effect("no folder, no pictures, too few", () =>
      Effect.gen(function*() {
        const path = yield* Path
        const folder = yield* folderWith(several(""))
        const absent = yield* Effect.flip(loadImages(path.join(folder, "absent"), { shape: pixel }))
        assert.instanceOf(absent, DataFolderMissing)
        const file = yield* Effect.flip(loadImages(path.join(folder, "000.png"), { shape: pixel }))
        assert.instanceOf(file, DataFolderMissing)
        yield* expectError({ "notes.txt": Uint8Array.of(1) }, ImagesMissing, [
          "holds no pictures",
          ".png, ",
          "or .webp"
        ])
        yield* expectError({ ...several("train/"), "test/a.txt": Uint8Array.of(1) }, ImagesMissing, ["test"])
        yield* expectError(several("", 9), ImagesTooFew, ["9 pictures", "at least 10", "train and test"])
        yield* expectError(several("a/", 1), ImagesTooFew, ["1 picture, "])
      }))

    it.effect("a layout that is none", () =>
      Effect.gen(function*() {
        yield* expectError({ ...several(""), ...several("cats/in/") }, ImagesMixed, [`"000.png"`, `"cats"`])
        yield* expectError(several("train/"), ImagesPartMissing, [`a folder "train", but no "test"`])
        yield* expectError(several("val/"), ImagesPartMissing, [`a folder "val", but no "train"`])
        yield* expectError(
          { ...several("train/cat/"), ...several("train/dog/"), ...several("test/dog/"), ...several("test/fox/") },
          ImagesClassMismatch,
          [`train" holds pictures of "cat", and only`, `test" holds pictures of "fox"`]
        )
        yield* expectError(
          { ...several("train/cat/"), ...several("test/") },
          ImagesClassMismatch,
          [`train" holds pictures of "cat";`]
        )
      }))

    it.effect("pictures that cannot be read: of another kind, a folder, or not even a picture", () =>
      Effect.gen(function*() {
        for (const name of ["photo.HEIC", "below/a.bmp"]) {
          const folder = name.includes("/") ? "below/" : ""
          const files = { ...several(folder), [name]: Uint8Array.of(1) }
          yield* expectError(files, ImageFormatUnsupported, [name.slice(-5), ".jpeg"])
        }
        yield* expectError({ ...several(""), "b.png/a.png": numbered(0) }, DataFileUnreadable, ["b.png"])
        const text = Buffer.from("no picture")
        yield* expectError({ ...several(""), "b.png": text }, ImagesDamaged, ["b.png\" (", "is no picture"])
        yield* expectError({ ...several(""), "b.png": Uint8Array.of() }, ImagesDamaged, ["b.png"])
        const many = Object.fromEntries(Array.from({ length: 7 }, (_, i) => [`z${i}.png`, text]))
        yield* expectError({ ...several(""), ...many }, ImagesDamaged, ["7 files", "z4.png", "and 2 more"])
      }))

    const photo = Uint8Array.from({ length: 24 * 24 * 3 }, (_, i) => (i * i) % 251)
    it.effect("a picture that is cut anywhere", () =>
      Effect.gen(function*() {
        const files = yield* Effect.promise(async () => ({
          "b.png": await raw(24, 24, photo).png().toBuffer(),
          "b.jpg": await raw(24, 24, photo).jpeg().toBuffer(),
          "b.webp": await raw(24, 24, photo).webp().toBuffer()
        }))
        yield* forAll(
          fc.tuple(
            fc.constantFrom(...(Object.keys(files) as ReadonlyArray<keyof typeof files>)),
            fc.double({ min: 0, max: 0.95, noNaN: true })
          ),
          ([name, share]) => {
            const whole = files[name]
            const cut = whole.subarray(0, Math.floor(share * whole.length))
            return expectError({ "train/a.png": numbered(0), [`test/${name}`]: cut }, ImagesDamaged, [name])
          },
          { numRuns: 40 }
        )
      }))

    it.effect("shapes that no picture has, and more than there is memory for", () =>
      Effect.gen(function*() {
        for (const shape of [[2], [4, 4], [4, 4, 2], [4, 4, 4], [0, 4, 3], [4, 1.5, 3]]) {
          yield* expectError(several(""), ImageShapeUnsupported, [`[${shape.join(", ")}]`], shape)
        }
        const huge = [1_000_000, 1_000_000, 3]
        yield* expectError(several(""), ImagesTooMany, ["10 pictures", "[1000000, 1000000, 3]"], huge)
      }))
  })
})
