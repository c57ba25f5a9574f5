/** Copies of the installation, to break for real. */
import { Effect } from "effect"
import { copyFileSync, cpSync, linkSync, mkdirSync, realpathSync, renameSync } from "node:fs"
import { basename, dirname, join, relative } from "node:path"
import {
  find,
  type Installation,
  manifestName
} from "../../../packages/core/src/engine/tensorflow/installation/index.ts"
import { installation } from "./installation.ts"

/** The libraries that the addon itself asks for; others are there to link against. */
export const libraries = installation.libraries.filter((path) => /\.so\.\d+$/.test(path))

const names = libraries.map((path) => basename(path))

/** The names of TensorFlow's two libraries. */
export const framework = names.find((name) => name.includes("framework"))!
export const main = names.find((name) => !name.includes("framework"))!

/** The folder that libraries and package lie in, where the addon looks for the ones from the other. */
const whole = installation.manifest === undefined ? installation.folder : join(installation.folder, "..", "..", "..")

/** Copies the installation into a folder. A library of 800 megabytes is linked, and copied only where it is to be changed. */
export const copyTo = (folder: string): Promise<Installation> => {
  const place = (path: string): string => join(folder, relative(whole, path))
  const copied = place(installation.folder)
  cpSync(join(installation.folder, "lib"), join(copied, "lib"), { recursive: true })
  copyFileSync(join(installation.folder, "package.json"), join(copied, "package.json"))
  if (installation.manifest !== undefined) copyFileSync(join(whole, manifestName), join(folder, manifestName))
  for (const path of libraries) {
    mkdirSync(dirname(place(path)), { recursive: true })
    linkOrCopy(realpathSync(path), place(path))
  }
  return Effect.runPromise(find({ package: copied }))
}

/** Links do not go from one file system to another. */
const linkOrCopy = (from: string, to: string): void => {
  try {
    linkSync(from, to)
  } catch {
    copyFileSync(from, to)
  }
}

/** Where a copy has a library. */
export const library = ({ libraries }: Installation, name: string): string => join(dirname(libraries[0]!), name)

/** Replaces a file by a copy of its own, which can be changed without changing the installation. */
export const unshare = (path: string): string => {
  copyFileSync(path, `${path}.own`)
  renameSync(`${path}.own`, path)
  return path
}
