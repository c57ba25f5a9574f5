/**
 * Looking at files that may not be there. Finding an engine asks a dozen paths, at once.
 */
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs"

/** The text of a file, or `undefined` where it cannot be read. */
export const textOf = (path: string): string | undefined => orUndefined(() => readFileSync(path, "utf8"))

/** The names in a folder, or `undefined` where it cannot be read. */
export const entriesOf = (path: string): ReadonlyArray<string> | undefined => orUndefined(() => readdirSync(path))

/** The first bytes of a file and its size, or `undefined` where it cannot be read. */
export const beginningOf = (
  path: string,
  length: number
): { readonly bytes: Uint8Array; readonly size: number } | undefined =>
  orUndefined(() => {
    const bytes = new Uint8Array(length)
    const file = openSync(path, "r")
    try {
      const read = readSync(file, bytes, 0, length, 0)
      return { bytes: bytes.subarray(0, read), size: statSync(path).size }
    } finally {
      closeSync(file)
    }
  })

const orUndefined = <A>(read: () => A): A | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}
