/**
 * The examples of the public functions as files that can be type-checked: each with what it takes from the packages, in the
 * way that a user takes it, and with the names that it leaves to the reader (`exampleNames.ts`).
 */
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { parseSync } from "oxc-parser"

const root = resolve(import.meta.dirname, "../..")

/** An example, and where it stands. */
export interface Example {
  /** The file, from the root of the repository, and the line. */
  readonly file: string
  readonly line: number
  /** The package's entry point whose name it explains: `@effusion/core/data`. */
  readonly entry: string
  readonly code: string
}

/** A name of an entry point: where it is declared, under which name, and in which namespace a user finds it. */
interface Exported {
  readonly entry: string
  readonly name: string
  readonly namespace: string | undefined
  readonly file: string
  readonly isType: boolean
}

interface Manifest {
  readonly name: string
  readonly exports: { readonly [path: string]: string }
}

const packages = ["core", "models"]

const entries = packages.flatMap((folder) => {
  const manifest = JSON.parse(readFileSync(join(root, "packages", folder, "package.json"), "utf8")) as Manifest
  return Object.entries(manifest.exports).map(([path, file]) => ({
    entry: join(manifest.name, path),
    file: join(root, "packages", folder, file)
  }))
})

/** What a file exports, what it passes on of others included. */
const exportsOf = (file: string): ReadonlyArray<Omit<Exported, "entry">> => {
  const { module } = parseSync(file, readFileSync(file, "utf8"))
  return module.staticExports.flatMap(({ entries }) => entries).flatMap((found) => {
    const from = found.moduleRequest === null ? file : resolve(dirname(file), found.moduleRequest.value)
    if (found.importName.kind === "AllButDefault") return exportsOf(from)
    const name = found.exportName.name
    if (name === null) return []
    if (found.importName.kind === "All") {
      const inside = exportsOf(from).map((one) => ({ ...one, namespace: one.namespace ?? name }))
      return [{ name, namespace: undefined, file: from, isType: false }, ...inside]
    }
    // A name is explained where it is declared, not where it is passed on.
    const declared = from === file ? undefined : exportsOf(from).find((one) => one.name === found.importName.name)
    return [{ name, namespace: undefined, file: declared?.file ?? from, isType: found.isType }]
  })
}

const exported: ReadonlyArray<Exported> = entries.flatMap(({ entry, file }) =>
  exportsOf(file).map((one) => ({ entry, ...one }))
)

const filesUnder = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts")).map((name) =>
    join(folder, name)
  )

/** The examples of a file, each with the name that is declared after it; none where it stands at the top of the file. */
const examplesIn = (file: string) => {
  const source = readFileSync(file, "utf8")
  return [...source.matchAll(/@example\n((?: *\*(?! @|\/).*\n)*)/g)].map((match) => {
    const after = source.slice(match.index + match[0].length)
    const [, declared] =
      /^(?: *\*(?!\/).*\n)* *\*\/\s*export (?:declare )?(?:abstract )?(?:const|function|class|interface|type) (\w+)/
        .exec(after) ?? []
    return {
      declared,
      isTop: source.slice(0, match.index).lastIndexOf("/**") === 0,
      line: source.slice(0, match.index).split("\n").length + 1,
      code: match[1]!.replaceAll(/^ *\* ?/gm, "")
    }
  })
}

/** All examples of what users can import. */
export const examples: ReadonlyArray<Example> = packages.flatMap((folder) =>
  filesUnder(join(root, "packages", folder, "src")).flatMap((file) => {
    const own = exported.filter((one) => one.file === file)
    const top = entries.find((one) => one.file === file)?.entry
    return examplesIn(file).flatMap(({ code, declared, isTop, line }) => {
      const entry = isTop ? top ?? own[0]?.entry : own.find(({ name }) => name === declared)?.entry
      return entry === undefined ? [] : [{ file: relative(root, file), line, entry, code }]
    })
  })
)

/** What examples take from other packages. */
const modules: { readonly [name: string]: string } = {
  tf: `import * as tf from "@tensorflow/tfjs"`,
  fc: `import * as fc from "fast-check"`,
  it: `import { it } from "@effect/vitest"`,
  NodeServices: `import { NodeServices } from "@effect/platform-node"`,
  ...Object.fromEntries(
    ["Console", "Effect", "FileSystem", "Layer", "PlatformError", "Result", "Stream"].map((name) => [
      name,
      `import { ${name} } from "effect"`
    ])
  )
}

/** The names that code uses, but for those of properties. */
const namesIn = (code: string): ReadonlySet<string> => {
  const bare = code.replaceAll(/\/\/.*$/gm, "").replaceAll(/"(?:[^"\\]|\\.)*"/g, "")
  return new Set([...bare.matchAll(/(?<![\w$]|(?<!\.\.)\.)[A-Za-z_$][\w$]*(?!\s*:(?!:))/g)].map(([name]) => name))
}

/**
 * An example as a file of its own, inside a generator so that it may `yield*`.
 *
 * @param context the names that are left to the reader
 */
export const programOf = ({ code, entry }: Example, context: ReadonlyArray<string>): string => {
  const lines = code.split("\n")
  const imports = lines.filter((line) => line.startsWith("import "))
  const body = lines.filter((line) => !line.startsWith("import ")).join("\n").replaceAll(/^export /gm, "")
  const imported = new Set(imports.flatMap((line) => [...namesIn(line)]))
  const names = [...namesIn(body)].filter((name) => !imported.has(name))
  const declared = new Set(
    [...body.matchAll(/\b(?:const|let) (?:(\w+)|[{[]([^=]*)[}\]] =)/g)].flatMap(([, one, many]) =>
      one === undefined ? many!.split(",").map((part) => part.split(":").at(-1)!.trim()) : [one]
    )
  )
  const taken = names.flatMap((name) => {
    if (declared.has(name)) return []
    if (modules[name] !== undefined) return [modules[name]]
    const public_ = exported.filter((one) => one.name === name && one.namespace === undefined)
    const here = public_.find((one) => one.entry === entry)
    if (here === undefined && context.includes(name)) {
      return [`import { ${name} } from "../exampleNames.ts"`]
    }
    const found = here ?? public_[0]
    return found === undefined
      ? []
      : [`import { ${found.isType ? "type " : ""}${name} } from "${found.entry}"`]
  })
  return [
    ...imports,
    ...taken,
    ...(names.includes("Effect") || imported.has("Effect") ? [] : ["import { Effect } from \"effect\""]),
    `export const example = () => Effect.gen(function*() {`,
    body,
    `})`,
    ""
  ].join("\n")
}
