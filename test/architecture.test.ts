/**
 * Imports run downwards only: cli -> models -> core, and inside core as `docs/architecture.md` says.
 */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { dirname, join, relative, resolve, sep } from "node:path"
import { parseSync } from "oxc-parser"

const root = resolve(import.meta.dirname, "..")
const packages = ["core", "models", "cli"] as const

/** What each folder of core may import, besides itself. */
const allowed: Readonly<Record<string, ReadonlyArray<string>>> = {
  tensor: [],
  random: ["tensor"],
  schedule: ["tensor", "random"],
  diffusion: ["tensor", "random", "schedule"],
  engine: ["tensor"],
  pipeline: ["tensor", "random", "schedule", "diffusion", "engine"],
  optimizer: ["tensor", "engine"],
  data: ["tensor", "random"],
  sampling: ["tensor", "random", "schedule", "diffusion", "engine", "pipeline"],
  training: ["tensor", "random", "schedule", "diffusion", "engine", "pipeline", "optimizer", "data"],
  laws: [
    "tensor",
    "random",
    "schedule",
    "diffusion",
    "engine",
    "pipeline",
    "optimizer",
    "data",
    "sampling",
    "training"
  ]
}

/** Inside the engine: the interface knows no implementation, and recording knows no runtime. */
const allowedInEngine: Readonly<Record<string, ReadonlyArray<string>>> = {
  "": ["operations"],
  operations: [],
  graph: [],
  trace: ["", "graph", "operations"],
  worker: [""],
  onnx: ["", "graph", "trace", "worker"],
  tensorflow: ["", "graph", "trace", "worker"],
  auto: ["", "onnx", "tensorflow"]
}

/** The only package names that may be imported besides the workspace's own, and node's modules. */
const packageFolders: Readonly<Record<(typeof packages)[number], ReadonlyArray<string>>> = {
  core: [],
  models: ["core"],
  cli: ["core", "models"]
}

interface Import {
  readonly file: string
  readonly specifier: string
}

const filesUnder = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) return filesUnder(path)
    return /\.m?ts$/.test(name) && !name.endsWith(".d.ts") ? [path] : []
  })

const importsOf = (file: string): ReadonlyArray<Import> => {
  const { module } = parseSync(file, readFileSync(file, "utf8"))
  return [
    ...module.staticImports.map((found) => found.moduleRequest.value),
    ...module.staticExports.flatMap((found) =>
      found.entries.flatMap((entry) => entry.moduleRequest === null ? [] : [entry.moduleRequest.value])
    )
  ].map((specifier) => ({ file, specifier }))
}

const importsOfPackage = (name: string) => filesUnder(join(root, "packages", name, "src")).flatMap(importsOf)

const show = ({ file, specifier }: Import) => `${relative(root, file)} imports ${specifier}`

/** The folders of core, and inside the engine, that a relative import joins; undefined where it stays in its own. */
const crossing = (base: string, { file, specifier }: Import) => {
  if (!specifier.startsWith(".")) return undefined
  const folderOf = (path: string) => relative(base, path).split(sep).slice(0, -1)[0] ?? ""
  const from = folderOf(file)
  const to = folderOf(resolve(dirname(file), specifier))
  return from === to ? undefined : { from, to }
}

describe("imports", () => {
  it("are found at all", () => {
    assert.isAbove(importsOfPackage("core").length, 100)
    assert.isAbove(importsOfPackage("cli").length, 10)
  })

  it("run downwards between packages, through public faces", () => {
    const wrong = packages.flatMap((name) =>
      importsOfPackage(name).filter(({ specifier }) => {
        const other = /^@effusion\/([a-z]+)/.exec(specifier)?.[1]
        return other !== undefined && !packageFolders[name].includes(other)
      })
    )
    assert.deepStrictEqual(wrong.map(show), [])
  })

  it("do not leave their package by a relative path", () => {
    const wrong = packages.flatMap((name) =>
      importsOfPackage(name).filter(({ file, specifier }) =>
        specifier.startsWith(".") &&
        relative(join(root, "packages", name, "src"), resolve(dirname(file), specifier)).startsWith("..")
      )
    )
    assert.deepStrictEqual(wrong.map(show), [])
  })

  it("run downwards between the folders of core", () => {
    const base = join(root, "packages/core/src")
    const wrong = importsOfPackage("core").filter((found) => {
      const step = crossing(base, found)
      return step !== undefined && !(allowed[step.from] ?? []).includes(step.to)
    })
    assert.deepStrictEqual(wrong.map(show), [])
  })

  it("run downwards inside the engine", () => {
    const base = join(root, "packages/core/src/engine")
    const wrong = filesUnder(base).flatMap(importsOf).filter((found) => {
      const step = crossing(base, found)
      return step !== undefined && !step.to.startsWith("..") && !(allowedInEngine[step.from] ?? []).includes(step.to)
    })
    assert.deepStrictEqual(wrong.map(show), [])
  })

  it("do not reach into another folder's internals", () => {
    const wrong = packages.flatMap(importsOfPackage).filter(({ file, specifier }) => {
      const target = resolve(dirname(file), specifier).split(sep)
      const internal = target.lastIndexOf("internal")
      return specifier.startsWith(".") && internal !== -1 && !file.startsWith(target.slice(0, internal).join(sep) + sep)
    })
    assert.deepStrictEqual(wrong.map(show), [])
  })
})
