/**
 * Wheels and archives as TensorFlow and NVIDIA publish them, with little in them.
 */
import { createHash } from "node:crypto"
import { createWriteStream, mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { pipeline } from "node:stream/promises"
import { create } from "tar"
import { ZipFile } from "yazl"

/** Files by their paths. */
export type Files = { readonly [path: string]: string | Uint8Array }

/** What a wheel is, where it is not the usual one. */
export interface WheelOptions {
  readonly name?: string
  readonly version?: string
  readonly platforms?: ReadonlyArray<string>
  readonly files?: Files
  /** What its list of files says, where that is not the truth. */
  readonly sums?: { readonly [path: string]: string }
  /** Files of its description that it lacks. */
  readonly without?: ReadonlyArray<string>
}

/** What the engine needs of TensorFlow's wheel. */
export const tensorflowFiles: Files = {
  "tensorflow/libtensorflow_cc.so.2": "the library",
  "tensorflow/libtensorflow_framework.so.2": "its other half",
  "tensorflow/include/tensorflow/c/c_api.h": "// C",
  "tensorflow/include/tensorflow/c/eager/c_api.h": "// eager C",
  "tensorflow/include/tsl/platform/ctstring_internal.h": "// strings"
}

/** What the engine leaves there. */
export const otherFiles: Files = {
  "tensorflow/python/ops.py": "import os",
  "tensorflow/include/Eigen/Core": "// Eigen",
  "tensorflow/include/tensorflow/core/framework/tensor.h": "// C++"
}

/** This machine's tag, and tags of others. */
export const platformTag = process.platform === "darwin"
  ? `macosx_11_0_${process.arch === "x64" ? "x86_64" : "arm64"}`
  : `manylinux_2_17_${process.arch === "x64" ? "x86_64" : "aarch64"}`

const base64url = (content: string | Uint8Array): string => createHash("sha256").update(content).digest("base64url")

/** Writes a wheel; gives its path. */
export const writeWheel = async (path: string, options: WheelOptions = {}): Promise<string> => {
  const { files = { ...tensorflowFiles, ...otherFiles }, name = "tensorflow_cpu", version = "2.21.0" } = options
  const description = `${name}-${version}.dist-info`
  const record = Object.entries(files)
    .map(([file, content]) => `${file},sha256=${options.sums?.[file] ?? base64url(content)},${content.length}`)
  const described: Files = {
    WHEEL: `Wheel-Version: 1.0\n${
      (options.platforms ?? [platformTag]).map((tag) => `Tag: cp311-cp311-${tag}\n`).join("")
    }`,
    METADATA: `Metadata-Version: 2.4\nName: ${name}\nVersion: ${version}\n\nTensorFlow.\n`,
    RECORD: `${record.join("\n")}\n${description}/RECORD,,\n`
  }
  const zip = new ZipFile()
  for (const [file, content] of Object.entries(files)) {
    zip.addBuffer(Buffer.from(content), file, { mode: file.includes("/bin/") ? 0o100755 : 0o100644 })
  }
  for (const [file, content] of Object.entries(described)) {
    if (options.without?.includes(file) !== true) zip.addBuffer(Buffer.from(content), `${description}/${file}`)
  }
  zip.end()
  await pipeline(zip.outputStream, createWriteStream(path))
  return path
}

/** Writes files into a folder. */
export const writeFiles = (folder: string, files: Files): string => {
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), content)
  }
  return folder
}

const extension = process.platform === "darwin" ? "2.dylib" : "so.2"

/** What an archive of libtensorflow has in it. */
export const archiveFiles: Files = {
  [`lib/libtensorflow.${extension}`]: "the library",
  [`lib/libtensorflow_framework.${extension}`]: "its other half",
  "include/tensorflow/c/c_api.h": "// C",
  "include/tsl/platform/ctstring.h": "// strings",
  LICENSE: "Apache"
}

/** Writes a `.tar.gz` of a folder; gives its path. */
export const writeArchive = async (path: string, folder: string): Promise<string> => {
  await create({ file: path, cwd: folder, gzip: true }, ["."])
  return path
}
