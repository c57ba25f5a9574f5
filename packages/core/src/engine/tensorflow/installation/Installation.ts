/**
 * An installed package of TensorFlow: where its parts are.
 */
import { Option, Schema } from "effect"
import { join } from "node:path"
import { entriesOf, textOf } from "./files.ts"

/** The two packages have the same addon; they differ in the libtensorflow that they download by themselves. */
export const packageNames = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"] as const

/** The name of a package with the addon. */
export type PackageName = (typeof packageNames)[number]

/** What `effusion engine install tensorflow` notes beside what it installs, in `installation.json`. */
export const Manifest = Schema.Struct({
  package: Schema.Literals(packageNames),
  /** The version of the npm package. */
  version: Schema.String,
  /** The version of libtensorflow. */
  libtensorflow: Schema.String,
  /** Whether libtensorflow is built for CUDA. */
  gpu: Schema.Boolean,
  /** The libraries that it brings along, as paths relative to the folder of the note. */
  libraries: Schema.Array(Schema.String),
  /** Where libtensorflow comes from: a file, a folder, an address. */
  source: Schema.String,
  /** When it was installed, in ISO 8601. */
  date: Schema.String
})

/** What `effusion engine install tensorflow` notes. */
export type Manifest = typeof Manifest.Type

/** An installed package with a built addon. */
export interface Installation {
  /** Who named the folder: the option `package`, a variable, or what resolved it. */
  readonly namedBy: string
  readonly folder: string
  readonly package: PackageName
  /** The version of the npm package. */
  readonly version: string
  /** The path of the native addon. */
  readonly addon: string
  /** What libtensorflow is built for, as far as it can be told without loading it. */
  readonly builtFor: "cpu" | "gpu" | "unknown"
  /** The paths of the libraries that the package brings along. */
  readonly libraries: ReadonlyArray<string>
  /** Where it was installed by `effusion engine install`. */
  readonly manifest: Manifest | undefined
}

/** The file that `effusion engine install tensorflow` writes into a folder of its own, beside `node_modules`. */
export const manifestName = "installation.json"

/**
 * Reads the folder of a package; gives the installation, or says what is wrong there.
 *
 * @param nodeApi the version of Node-API that this Node has (`process.versions.napi`)
 */
export const readPackage = (
  folder: string,
  { namedBy, nodeApi }: { readonly namedBy: string; readonly nodeApi: number }
): Installation | { readonly detail: string; readonly package?: PackageName } => {
  const described = Option.flatMap(Option.fromUndefinedOr(textOf(join(folder, "package.json"))), decodePackage)
  if (Option.isNone(described)) {
    return {
      detail: entriesOf(folder) === undefined ? "does not exist" : "is not the folder of a package that has the addon"
    }
  }
  const { name, version } = described.value
  const addon = builtAddon(folder, nodeApi)
  if (typeof addon !== "string") return { ...addon, package: name }
  // `<folder of the engine>/node_modules/@tensorflow/tfjs-node`
  const engine = join(folder, "..", "..", "..")
  const manifest = Option.flatMap(
    Option.fromUndefinedOr(textOf(join(engine, manifestName))),
    decodeManifest
  ).pipe(Option.getOrUndefined)
  const libraryFolder = join(folder, "deps", "lib")
  return {
    namedBy,
    folder,
    package: name,
    version,
    addon,
    builtFor: manifest === undefined ? "unknown" : manifest.gpu ? "gpu" : "cpu",
    libraries: manifest?.libraries.map((library) => join(engine, library)) ??
      (entriesOf(libraryFolder) ?? [])
        .filter((entry) => /^libtensorflow.*\.(so|dylib)\b/.test(entry))
        .sort()
        .map((entry) => join(libraryFolder, entry)),
    manifest
  }
}

const decodePackage = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ name: Schema.Literals(packageNames), version: Schema.String }))
)

const decodeManifest = Schema.decodeUnknownOption(Schema.fromJsonString(Manifest))

const addonName = "tfjs_binding.node"

/** The addon with the highest version of Node-API that this Node has, or why there is none. */
const builtAddon = (folder: string, nodeApi: number): string | { readonly detail: string } => {
  const versions = (entriesOf(join(folder, "lib")) ?? [])
    .flatMap((entry) => /^napi-v(\d+)$/.exec(entry)?.[1] ?? [])
    .map(Number)
    .filter((version) => (entriesOf(join(folder, "lib", `napi-v${version}`)) ?? []).includes(addonName))
  if (versions.length === 0) return { detail: "is not built" }
  const usable = versions.filter((version) => version <= nodeApi)
  if (usable.length === 0) {
    return { detail: `is built for Node-API ${Math.min(...versions)}, and this Node has Node-API ${nodeApi}` }
  }
  return join(folder, "lib", `napi-v${Math.max(...usable)}`, addonName)
}
