import { NodeServices } from "@effect/platform-node"
import { assert, describe, layer } from "@effect/vitest"
import type { Dataset, IdxError } from "@effusion/core/data"
import {
  CorruptGzip,
  DataFileMissing,
  DataFileUnreadable,
  DataFolderMissing,
  IdxBadMagic,
  IdxCountMismatch,
  IdxEmpty,
  IdxImageSizeMismatch,
  IdxTrailingBytes,
  IdxTruncated,
  loadIdx
} from "@effusion/core/data"
import { Effect } from "effect"
import { FileSystem } from "effect/FileSystem"
import { Path } from "effect/Path"
import * as fc from "fast-check"
import { gzipSync } from "node:zlib"

/** Images or labels before they are written. */
interface Table {
  readonly dimensions: ReadonlyArray<number>
  readonly elements: Uint8Array
}

/** The contents of a folder, by file name. */
type Files = { readonly [name: string]: Uint8Array }

/** The bytes of an IDX file, as the format's description has them. */
const encode = ({ dimensions, elements }: Table): Uint8Array => {
  const header = Buffer.alloc(4 + 4 * dimensions.length)
  header.writeUInt8(0x08, 2)
  header.writeUInt8(dimensions.length, 3)
  dimensions.forEach((size, axis) => header.writeUInt32BE(size, 4 + 4 * axis))
  return Buffer.concat([header, elements])
}

const table = (dimensions: ReadonlyArray<number>, fill: (i: number) => number): Table => ({
  dimensions,
  elements: Uint8Array.from({ length: dimensions.reduce((a, b) => a * b, 1) }, (_, i) => fill(i))
})

/** Five training and two test images of 3 x 4 pixels. */
const whole: Files = {
  "train-images-idx3-ubyte": encode(table([5, 3, 4], (i) => 4 * i)),
  "train-labels-idx1-ubyte": encode(table([5], (i) => i % 3)),
  "t10k-images-idx3-ubyte": encode(table([2, 3, 4], (i) => 255 - i)),
  "t10k-labels-idx1-ubyte": encode(table([2], (i) => 3 * i))
}
const names = Object.keys(whole)

const without = (files: Files, name: string): Files =>
  Object.fromEntries(Object.entries(files).filter(([other]) => other !== name))

/** The folder's contents with one file gzipped, its bytes then put through a function. */
const gzipped = (name: string, damage: (bytes: Uint8Array) => Uint8Array): Files => ({
  ...without(whole, name),
  [`${name}.gz`]: damage(gzipSync(whole[name]!))
})

/** A temporary folder with the given files, gone when its scope closes. */
const folderWith = Effect.fnUntraced(function*(files: Files) {
  const fileSystem = yield* FileSystem
  const path = yield* Path
  const folder = yield* fileSystem.makeTempDirectoryScoped()
  yield* Effect.forEach(Object.entries(files), ([name, bytes]) => fileSystem.writeFile(path.join(folder, name), bytes))
  return folder
})

const load = (files: Files) => Effect.scoped(Effect.flatMap(folderWith(files), loadIdx))

/** The error of loading such a folder: of the given class, with a message of a line or two that names these things. */
const expectError = Effect.fnUntraced(function*<E extends IdxError>(
  files: Files,
  error: new(fields: Omit<E, keyof Error>) => E,
  ...mentions: ReadonlyArray<string>
) {
  const actual = yield* Effect.flip(load(files))
  assert.instanceOf(actual, error)
  for (const mention of mentions) assert.include(actual.message, mention)
  assert.isAtMost(actual.message.split("\n").length, 2)
})

/** Checks a property whose predicate is an effect. */
const check = <A, E>(arbitrary: fc.Arbitrary<A>, predicate: (a: A) => Effect.Effect<void, E, FileSystem | Path>) =>
  Effect.flatMap(Effect.context<FileSystem | Path>(), (context) =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(arbitrary, (a) => Effect.runPromiseWith(context)(predicate(a))),
        { numRuns: 60 }
      )
    ))

const all = (dataset: Dataset) => dataset.read(Array.from({ length: dataset.size }, (_, i) => i))

const contentsOf = ({ train, test }: { readonly train: Dataset; readonly test: Dataset }) =>
  [train, test].map((dataset) => ({ ...all(dataset), classes: dataset.classes, size: dataset.size }))

/** What loading such tables must give. */
const expectPart = (dataset: Dataset, images: Table, labels: Table) => {
  const { x0, label } = all(dataset)
  assert.deepStrictEqual(dataset.exampleShape, [...images.dimensions.slice(1), 1])
  assert.deepStrictEqual(x0.shape, [...images.dimensions, 1])
  assert.deepStrictEqual(x0.data, Float32Array.from(images.elements, (byte) => byte / 127.5 - 1))
  assert.deepStrictEqual(label.data, Int32Array.from(labels.elements))
}

/** A folder's tables, and each file's way to be named and stored. */
const folder = fc.record({
  rows: fc.integer({ min: 1, max: 6 }),
  columns: fc.integer({ min: 1, max: 6 }),
  train: fc.integer({ min: 1, max: 7 }),
  test: fc.integer({ min: 1, max: 7 })
}).chain(({ rows, columns, train, test }) => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
  const images = (count: number) =>
    bytes(count * rows * columns).map((elements) => ({ dimensions: [count, rows, columns], elements }))
  const labels = (count: number) => bytes(count).map((elements) => ({ dimensions: [count], elements }))
  const storage = fc.record({ separator: fc.constantFrom("-", "."), compress: fc.boolean(), suffix: fc.boolean() })
  return fc.record({
    tables: fc.tuple(images(train), labels(train), images(test), labels(test)),
    storage: fc.array(storage, { minLength: 4, maxLength: 4 })
  })
})

layer(NodeServices.layer)("loadIdx", (it) => {
  it.effect("reads back what was written, plain or gzipped, under either spelling of the names", () =>
    check(folder, ({ tables, storage }) =>
      Effect.gen(function*() {
        const files = Object.fromEntries(tables.map((table, i) => {
          const { separator, compress, suffix } = storage[i]!
          const name = names[i]!.replace("-idx", `${separator}idx`)
          // A compressed file is known by its contents too.
          return compress ? [suffix ? `${name}.gz` : name, gzipSync(encode(table))] : [name, encode(table)]
        }))
        const { train, test } = yield* load(files)
        expectPart(train, tables[0], tables[1])
        expectPart(test, tables[2], tables[3])
        const classes = 1 + Math.max(...tables[1].elements, ...tables[3].elements)
        assert.deepStrictEqual([train.classes, test.classes], [classes, classes])
      })))

  it.effect("prefers the plain file to the gzipped one", () =>
    Effect.gen(function*() {
      const other = gzipSync(encode(table([5, 3, 4], () => 7)))
      const loaded = yield* load({ ...whole, "train-images-idx3-ubyte.gz": other })
      assert.deepStrictEqual(contentsOf(loaded), contentsOf(yield* load(whole)))
    }))

  it.effect("names its parts after the folder", () =>
    Effect.gen(function*() {
      const folder = yield* folderWith(whole)
      const { train, test } = yield* loadIdx(folder)
      assert.deepStrictEqual([train.name, test.name], [`idx:${folder}/train`, `idx:${folder}/test`])
    }))

  describe("names what is missing", () => {
    it.effect("the folder", () =>
      Effect.gen(function*() {
        const path = yield* Path
        const folder = yield* folderWith(whole)
        const absent = yield* Effect.flip(loadIdx(path.join(folder, "absent")))
        assert.instanceOf(absent, DataFolderMissing)
        assert.include(absent.message, `"${path.join(folder, "absent")}" does not exist`)
        const file = yield* Effect.flip(loadIdx(path.join(folder, names[0]!)))
        assert.instanceOf(file, DataFolderMissing)
        assert.include(file.message, `"${path.join(folder, names[0]!)}" is not a folder`)
      }))

    it.effect("each file, with all names that were looked for", () =>
      Effect.gen(function*() {
        for (const name of names) {
          const dotted = name.replace("-idx", ".idx")
          yield* expectError(without(whole, name), DataFileMissing, name, dotted, `${name}.gz`, `${dotted}.gz`)
        }
      }))

    it.effect("a file that cannot be read", () =>
      Effect.gen(function*() {
        const fileSystem = yield* FileSystem
        const path = yield* Path
        for (const name of names) {
          const folder = yield* folderWith(without(whole, name))
          yield* fileSystem.makeDirectory(path.join(folder, name))
          const error = yield* Effect.flip(loadIdx(folder))
          assert.instanceOf(error, DataFileUnreadable)
          assert.include(error.message, path.join(folder, name))
        }
      }))
  })

  describe("names what is damaged", () => {
    const anyFile = fc.constantFrom(...names)

    it.effect("a file that is cut anywhere", () =>
      check(
        fc.tuple(anyFile, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
        ([name, share]) => {
          const bytes = whole[name]!
          const cut = bytes.subarray(0, Math.floor(share * bytes.length))
          return expectError({ ...whole, [name]: cut }, IdxTruncated, name, `after ${cut.length} of the`)
        }
      ))

    it.effect("a file with bytes too many", () =>
      check(fc.tuple(anyFile, fc.uint8Array({ minLength: 1 })), ([name, more]) => {
        const bytes = Buffer.concat([whole[name]!, more])
        return expectError({ ...whole, [name]: bytes }, IdxTrailingBytes, name, `has ${bytes.length} bytes`)
      }))

    it.effect("a file with another magic number", () =>
      check(
        fc.tuple(anyFile, fc.nat(3), fc.integer({ min: 1, max: 255 })),
        ([name, position, change]) => {
          const bytes = Uint8Array.from(whole[name]!)
          bytes[position]! ^= change
          // 1f 8b would be taken for gzip, which two changed bytes would need.
          return expectError({ ...whole, [name]: bytes }, IdxBadMagic, name, "0x0000080")
        }
      ))

    it.effect("images and labels in each other's place", () =>
      Effect.gen(function*() {
        const [images, labels] = [names[0]!, names[1]!]
        const files = { ...whole, [images]: whole[labels]!, [labels]: whole[images]! }
        yield* expectError({ ...files, [labels]: whole[labels]! }, IdxBadMagic, images, "0x00000801", "0x00000803")
        yield* expectError({ ...files, [images]: whole[images]! }, IdxBadMagic, labels, "0x00000803", "0x00000801")
      }))

    it.effect("a file that announces more than there can be", () =>
      Effect.gen(function*() {
        const name = names[0]!
        const bytes = Uint8Array.from(whole[name]!)
        bytes.fill(0xff, 4, 16)
        yield* expectError({ ...whole, [name]: bytes }, IdxTruncated, name)
      }))

    it.effect("a file without examples, or with images without pixels", () =>
      Effect.gen(function*() {
        for (const dimensions of [[0, 3, 4], [5, 0, 4], [5, 3, 0]]) {
          const bytes = encode(table(dimensions, () => 0))
          yield* expectError({ ...whole, [names[0]!]: bytes }, IdxEmpty, names[0]!, `[${dimensions.join(", ")}]`)
        }
        yield* expectError({ ...whole, [names[1]!]: encode(table([0], () => 0)) }, IdxEmpty, names[1]!, "[0]")
      }))

    it.effect("a gzip file that is cut anywhere", () =>
      check(
        fc.tuple(anyFile, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
        ([name, share]) => {
          const files = gzipped(name, (bytes) => bytes.subarray(0, Math.floor(share * bytes.length)))
          return expectError(files, CorruptGzip, `${name}.gz`)
        }
      ))

    it.effect("a gzip file with a flipped bit, unless the bit means nothing", () =>
      Effect.gen(function*() {
        const expected = contentsOf(yield* load(whole))
        yield* check(fc.tuple(anyFile, fc.nat(), fc.nat(7)), ([name, position, bit]) =>
          Effect.gen(function*() {
            const files = gzipped(name, (bytes) => {
              const flipped = Uint8Array.from(bytes)
              flipped[position % bytes.length]! ^= 1 << bit
              return flipped
            })
            const result = yield* Effect.result(load(files))
            if (result._tag === "Success") assert.deepStrictEqual(contentsOf(result.success), expected)
            else assert.instanceOf(result.failure, CorruptGzip)
          }))
      }))

    it.effect("a file that is called gzip and is not", () =>
      expectError(gzipped(names[0]!, () => whole[names[0]!]!), CorruptGzip, `${names[0]!}.gz`))

    it.effect("a whole gzip file of a damaged file", () =>
      Effect.gen(function*() {
        const name = names[0]!
        yield* expectError(gzipped(name, () => gzipSync(whole[name]!.subarray(0, 30))), IdxTruncated, `${name}.gz`)
        yield* expectError(gzipped(name, () => gzipSync(Buffer.alloc(40))), IdxBadMagic, `${name}.gz`)
      }))
  })

  describe("names what does not belong together", () => {
    it.effect("images and labels of different counts", () =>
      Effect.gen(function*() {
        for (const [images, labels] of [[names[0]!, names[1]!], [names[2]!, names[3]!]] as const) {
          const files = { ...whole, [labels]: encode(table([9], () => 0)) }
          yield* expectError(files, IdxCountMismatch, images, labels, "9 labels")
        }
      }))

    it.effect("training and test images of different sizes", () =>
      expectError(
        { ...whole, "t10k-images-idx3-ubyte": encode(table([2, 4, 3], () => 0)) },
        IdxImageSizeMismatch,
        "[3, 4]",
        "[4, 3]"
      ))
  })
})
