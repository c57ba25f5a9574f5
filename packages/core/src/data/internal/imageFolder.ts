/**
 * Which pictures a folder holds, of which classes, and which of them are held out: by the names of files alone, and in an order
 * that no file system has a say in.
 */
import { Effect } from "effect"
import { FileSystem } from "effect/FileSystem"
import { Path } from "effect/Path"
import {
  type DataFileUnreadable,
  type DataFolderMissing,
  ImageFormatUnsupported,
  ImagesClassMismatch,
  ImagesMissing,
  ImagesMixed,
  ImagesPartMissing,
  ImagesTooFew
} from "../DataError.ts"
import { isNotFound, readFolder, requireFolder, unreadable } from "./dataFile.ts"

/** How the names of pictures end that can be decoded. */
export const imageExtensions = [".avif", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"] as const

/** How the names of pictures end that cannot, and whoever has some would not want them to be passed over. */
const otherExtensions = [".bmp", ".heic", ".heif", ".jp2", ".jxl", ".pgm", ".ppm"]

/** Of so many pictures one is held out, where no folder says which. */
const heldOutOf = 10

/** The paths of pictures, class by class; one list where there are no classes. */
type Lists = ReadonlyArray<ReadonlyArray<string>>

/** What a folder holds. */
export interface ImageFolder {
  readonly train: Lists
  readonly test: Lists
  /** The names of the classes, in the order of the lists; none where there are no classes. */
  readonly classes: ReadonlyArray<string>
}

/** What listing can fail with. */
export type ListingError =
  | DataFolderMissing
  | DataFileUnreadable
  | ImagesMissing
  | ImagesMixed
  | ImageFormatUnsupported
  | ImagesPartMissing
  | ImagesClassMismatch
  | ImagesTooFew

/** Lists the pictures of a folder, as `loadImages` says. */
export const listImages = Effect.fnUntraced(
  function*(folder: string): Effect.fn.Return<ImageFolder, ListingError, FileSystem | Path> {
    const path = yield* Path
    yield* requireFolder(folder)
    const names = yield* Effect.filter(
      (yield* namesIn(folder)).filter((name) => name === "train" || testNames.includes(name)),
      (name) => isFolder(path.join(folder, name))
    )
    const train = names.find((name) => name === "train")
    const test = testNames.find((name) => names.includes(name))
    if (train === undefined && test === undefined) return yield* holdOut(folder, yield* listPart(folder))
    if (train === undefined) return yield* new ImagesPartMissing({ folder, present: test!, missing: "train" })
    if (test === undefined) return yield* new ImagesPartMissing({ folder, present: train, missing: testNames[0]! })
    return yield* joinParts(path.join(folder, train), path.join(folder, test))
  }
)

/** The names of the folder of the second part; the first that there is, is taken. */
const testNames: ReadonlyArray<string> = ["test", "val"]

/** The pictures of one folder. */
interface Part {
  readonly lists: Lists
  readonly classes: ReadonlyArray<string>
}

const listPart = Effect.fnUntraced(function*(folder: string) {
  const path = yield* Path
  const names = yield* namesIn(folder)
  const here = names.filter(isImage)
  const below = yield* Effect.forEach(
    names.filter((name) => !isImage(name)),
    (name) => Effect.map(imagesBelow(path.join(folder, name), [folder]), (paths) => ({ name, paths }))
  )
  const classes = below.filter(({ paths }) => paths.length > 0)
  if (here.length > 0 && classes.length > 0) {
    return yield* new ImagesMixed({ folder, picture: here[0]!, subfolder: classes[0]!.name })
  }
  if (here.length === 0 && classes.length === 0) {
    return yield* new ImagesMissing({ folder, extensions: imageExtensions })
  }
  return {
    lists: here.length > 0 ? [here.map((name) => path.join(folder, name))] : classes.map(({ paths }) => paths),
    classes: classes.map(({ name }) => name)
  }
})

/**
 * The pictures of a folder and of the folders in it, each folder in the order of its names; none of what is no folder. Links are
 * followed, but for those that lead back to a folder that they are in.
 */
const imagesBelow = Effect.fnUntraced(
  function*(folder: string, above: ReadonlyArray<string>): Effect.fn.Return<
    ReadonlyArray<string>,
    DataFileUnreadable | ImageFormatUnsupported,
    FileSystem | Path
  > {
    if (!(yield* isFolder(folder))) return []
    const fileSystem = yield* FileSystem
    const path = yield* Path
    const real = yield* fileSystem.realPath(folder).pipe(Effect.mapError(unreadable(folder)))
    if (above.includes(real)) return []
    const found = yield* Effect.forEach(yield* namesIn(folder), (name) => {
      const inside = path.join(folder, name)
      return isImage(name) ? Effect.succeed([inside]) : imagesBelow(inside, [...above, real])
    })
    return found.flat()
  }
)

/** The names in a folder that are not hidden, sorted; of a name that file systems spell in two ways, both come to one place. */
const namesIn = Effect.fnUntraced(function*(folder: string) {
  const names = (yield* readFolder(folder)).filter((name) => !name.startsWith("."))
  const other = names.find((name) => otherExtensions.includes(extensionOf(name)))
  if (other !== undefined) {
    const path = (yield* Path).join(folder, other)
    return yield* new ImageFormatUnsupported({ path, extensions: imageExtensions })
  }
  return names.map((name) => ({ name, key: name.normalize() }))
    .sort((a, b) => a.key < b.key ? -1 : a.key > b.key ? 1 : 0)
    .map(({ name }) => name)
})

const isFolder = Effect.fnUntraced(function*(path: string) {
  const { stat } = yield* FileSystem
  return yield* stat(path).pipe(
    Effect.map(({ type }) => type === "Directory"),
    // A link to nothing.
    Effect.catchIf(isNotFound, () => Effect.succeed(false)),
    Effect.mapError(unreadable(path))
  )
})

const extensionOf = (name: string): string => name.slice(Math.max(0, name.lastIndexOf("."))).toLowerCase()

const isImage = (name: string): boolean => (imageExtensions as ReadonlyArray<string>).includes(extensionOf(name))

/** Two folders as the two parts, if they have the same classes. */
const joinParts = Effect.fnUntraced(function*(train: string, test: string) {
  const parts = [yield* listPart(train), yield* listPart(test)] as const
  const [onlyInTrain, onlyInTest] = [without(parts[0], parts[1]), without(parts[1], parts[0])]
  if (onlyInTrain.length > 0 || onlyInTest.length > 0) {
    return yield* new ImagesClassMismatch({ train, test, onlyInTrain, onlyInTest })
  }
  return { train: parts[0].lists, test: parts[1].lists, classes: parts[0].classes }
})

const without = (part: Part, other: Part): ReadonlyArray<string> =>
  part.classes.filter((name) => !other.classes.includes(name))

/** Every tenth picture, counted on from class to class: that is a tenth of each class, to within one picture. */
const holdOut = (folder: string, { classes, lists }: Part): Effect.Effect<ImageFolder, ImagesTooFew> => {
  const starts = lists.map((_, label) => lists.slice(0, label).reduce((sum, { length }) => sum + length, 0))
  const part = (held: boolean) =>
    lists.map((list, label) => list.filter((_, i) => ((starts[label]! + i + 1) % heldOutOf === 0) === held))
  const count = lists.flat().length
  return count < heldOutOf
    ? new ImagesTooFew({ folder, count, least: heldOutOf })
    : Effect.succeed({ train: part(false), test: part(true), classes })
}
