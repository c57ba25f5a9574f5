/**
 * The source text of a program: what a frame of a stack says to whoever reads it.
 */
import type { Frame } from "@effusion/core/engine/onnx"
import { Effect, FileSystem } from "effect"

/** A place in the source. */
export interface Place {
  /** Relative to the folder that all of the program's files are in. */
  readonly file: string
  readonly line: number
  /** The function, by the name of the file's declaration that it is in: `convolution.apply`. */
  readonly name: string
  /** The line itself; empty where the file cannot be read. */
  readonly text: string
}

/** Tells places. */
export type PlaceOf = (frame: Frame) => Place

/**
 * Reads the files of frames, as far as they can be read.
 *
 * @example
 * const placeOf = yield* readSources(profile.operations.flatMap(({ origin }) => origin?.frames ?? []))
 */
export const readSources = Effect.fnUntraced(function*(frames: ReadonlyArray<Frame>) {
  const fs = yield* FileSystem.FileSystem
  const files = [...new Set(frames.map(({ file }) => file))]
  const texts = yield* Effect.forEach(
    files,
    (file) =>
      Effect.map(
        Effect.orElseSucceed(fs.readFileString(file), () => ""),
        (text) => [file, text.split(/\r?\n/)] as const
      )
  )
  return placesIn(new Map(texts))
})

/**
 * Places in files of which the lines are known.
 *
 * @example
 * placesIn(new Map([["/a/b.ts", ["const twice = (x) =>", "  tf.mul(x, 2)"]]]))({ file: "/a/b.ts", line: 2, function: "twice" })
 * // => { file: "b.ts", line: 2, name: "twice", text: "tf.mul(x, 2)" }
 */
export const placesIn = (files: ReadonlyMap<string, ReadonlyArray<string>>): PlaceOf => {
  const shared = sharedFolder([...files.keys()])
  return ({ file, function: name, line }) => {
    const lines = files.get(file) ?? []
    return {
      file: file.slice(shared.length),
      line,
      name: nameOf(declarationAt(lines, line), name),
      text: lines[line - 1]?.trim() ?? ""
    }
  }
}

/** The folder that all paths are in, with its separator; empty where there is none. */
const sharedFolder = (paths: ReadonlyArray<string>): string => {
  const folders = paths.map((path) => path.slice(0, path.search(/[^\\/]*$/)))
  return folders.reduce((shared, folder) => {
    let length = 0
    for (let i = 0; i < Math.min(shared.length, folder.length) && shared[i] === folder[i]; i++) {
      if (/[\\/]/.test(shared[i]!)) length = i + 1
    }
    return shared.slice(0, length)
  }, folders[0] ?? "")
}

const declaration = /^(?:export\s+)?(?:default\s+)?(?:async\s+)?(?:const|let|var|class|function\s*\*?)\s+([\w$]+)/

/** The last declaration of the file itself that begins at a line or before it. */
const declarationAt = (lines: ReadonlyArray<string>, line: number): string | undefined => {
  for (let i = Math.min(line, lines.length) - 1; i >= 0; i--) {
    const name = declaration.exec(lines[i]!)?.[1]
    if (name !== undefined) return name
  }
  return undefined
}

const nameOf = (declared: string | undefined, called: string): string => {
  if (declared === undefined) return called === "" ? "(anonymous)" : called
  return called === "" || called === declared ? declared : `${declared}.${called}`
}
