/**
 * Finding the package of TensorFlow, in folders made for it.
 */
import { Effect, Result } from "effect"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, assert, describe, it } from "vitest"
import {
  enginesFolder,
  find,
  type FindOptions,
  type Installation,
  isInstallation,
  look,
  type Manifest
} from "../../../../packages/core/src/engine/tensorflow/installation/index.ts"

const root = mkdtempSync(join(tmpdir(), "effusion-find-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

let folders = 0
const fresh = (): string => {
  const folder = join(root, String(++folders))
  mkdirSync(folder)
  return folder
}

const write = (path: string, text: string): void => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

interface PackageOptions {
  readonly name?: string
  readonly addons?: ReadonlyArray<number>
}

/** Makes a package, with addons for these versions of Node-API. */
const makePackage = (folder: string, { addons = [8], name = "@tensorflow/tfjs-node" }: PackageOptions = {}): string => {
  write(join(folder, "package.json"), JSON.stringify({ name, version: "4.22.0" }))
  for (const version of addons) write(join(folder, "lib", `napi-v${version}`, "tfjs_binding.node"), "")
  for (const library of ["libtensorflow.so.2", "libtensorflow_framework.so.2", "LICENSE"]) {
    write(join(folder, "deps", "lib", library), "")
  }
  return folder
}

/** A machine of its own: nothing installed, unless a test installs it. */
const surroundings = () => {
  const workingDirectory = fresh()
  return { workingDirectory, environment: { EFFUSION_ENGINES: join(workingDirectory, "engines") } }
}

const found = (options: FindOptions): Promise<Installation> => Effect.runPromise(find(options))

const refused = async (options: FindOptions) => {
  const result = await Effect.runPromise(Effect.result(find(options)))
  if (Result.isSuccess(result)) throw new Error(`found ${result.success.folder}`)
  return result.failure
}

const nodeApi = Number(process.versions.napi)

describe("the package is found", () => {
  it("where the option says, which goes before the variable", async () => {
    const [a, b] = [makePackage(fresh()), makePackage(fresh())]
    const machine = surroundings()
    const environment = { ...machine.environment, EFFUSION_TENSORFLOW: b }
    assert.deepInclude(await found({ ...machine, environment, package: a }), {
      folder: a,
      namedBy: "the option package"
    })
    assert.deepInclude(await found({ ...machine, environment }), { folder: b, namedBy: "EFFUSION_TENSORFLOW" })
  })

  it("in the working directory's node_modules, or above, that for GPUs first", async () => {
    const machine = surroundings()
    const modules = join(machine.workingDirectory, "node_modules", "@tensorflow")
    const below = join(machine.workingDirectory, "a", "b")
    mkdirSync(below, { recursive: true })
    makePackage(join(modules, "tfjs-node"))
    assert.strictEqual((await found({ ...machine, workingDirectory: below })).package, "@tensorflow/tfjs-node")
    makePackage(join(modules, "tfjs-node-gpu"), { name: "@tensorflow/tfjs-node-gpu" })
    assert.strictEqual((await found({ ...machine, workingDirectory: below })).package, "@tensorflow/tfjs-node-gpu")
  })

  it("in the engines folder, after the others, with what its installation noted", async () => {
    const machine = surroundings()
    const engine = join(machine.environment.EFFUSION_ENGINES, "tensorflow")
    const installed = makePackage(join(engine, "node_modules", "@tensorflow", "tfjs-node"))
    assert.deepInclude(await found(machine), { folder: installed, builtFor: "unknown", manifest: undefined })

    const manifest: Manifest = {
      package: "@tensorflow/tfjs-node",
      version: "4.22.0",
      libtensorflow: "2.21.0",
      gpu: true,
      libraries: ["site/tensorflow/libtensorflow_cc.so.2"],
      source: "tensorflow-2.21.0.whl",
      date: "2026-11-24T09:00:00Z"
    }
    write(join(engine, "installation.json"), JSON.stringify(manifest))
    assert.deepInclude(await found(machine), {
      builtFor: "gpu",
      libraries: [join(engine, "site", "tensorflow", "libtensorflow_cc.so.2")],
      manifest
    })
    write(join(engine, "installation.json"), JSON.stringify({ ...manifest, gpu: false }))
    assert.deepInclude(await found(machine), { builtFor: "cpu" })
    // A note that cannot be read makes an installation no worse.
    write(join(engine, "installation.json"), "{")
    assert.deepInclude(await found(machine), { folder: installed, builtFor: "unknown" })

    const nearer = makePackage(join(machine.workingDirectory, "node_modules", "@tensorflow", "tfjs-node"))
    assert.strictEqual((await found(machine)).folder, nearer)
  })

  it("past packages that are not built", async () => {
    const machine = surroundings()
    makePackage(join(machine.workingDirectory, "node_modules", "@tensorflow", "tfjs-node-gpu"), {
      name: "@tensorflow/tfjs-node-gpu",
      addons: []
    })
    const built = makePackage(
      join(machine.environment.EFFUSION_ENGINES, "tensorflow/node_modules/@tensorflow/tfjs-node")
    )
    assert.strictEqual((await found(machine)).folder, built)
    assert.deepStrictEqual(look(machine).map(isInstallation), [false, false, true])
  })

  it("with the newest addon that this Node can load, and its libraries", async () => {
    const folder = makePackage(fresh(), { addons: [3, nodeApi, 8, nodeApi + 1] })
    const { addon, libraries } = await found({ package: folder })
    assert.strictEqual(addon, join(folder, "lib", `napi-v${nodeApi}`, "tfjs_binding.node"))
    assert.deepStrictEqual(libraries, [
      join(folder, "deps/lib/libtensorflow.so.2"),
      join(folder, "deps/lib/libtensorflow_framework.so.2")
    ])
  })
})

describe("the package is not found", () => {
  it("where it is not installed", async () => {
    const missing = await refused(surroundings())
    assert.strictEqual(missing._tag, "PackageMissing")
    assert.strictEqual(
      missing.message,
      "TensorFlow is not installed; install it with \"effusion engine install tensorflow\""
    )
  })

  it("where a folder that was named is another one, though it is installed elsewhere", async () => {
    const machine = surroundings()
    makePackage(join(machine.environment.EFFUSION_ENGINES, "tensorflow/node_modules/@tensorflow/tfjs-node"))
    const nowhere = join(machine.workingDirectory, "nowhere")
    const missing = await refused({ ...machine, environment: { EFFUSION_TENSORFLOW: nowhere } })
    assert.deepInclude(missing, { _tag: "WrongFolder", folder: nowhere, namedBy: "EFFUSION_TENSORFLOW" })
    assert.include(missing.message, `${nowhere}, which EFFUSION_TENSORFLOW names, does not exist; `)

    const other = makePackage(fresh(), { name: "@tensorflow/tfjs" })
    assert.include((await refused({ package: other })).message, "is not the folder of a package that has the addon")
    write(join(other, "package.json"), "no JSON")
    assert.strictEqual((await refused({ package: other }))._tag, "WrongFolder")
  })

  it("where its addon is not built, or for newer Nodes only", async () => {
    const folder = makePackage(fresh(), { addons: [] })
    assert.deepInclude(await refused({ package: folder }), { _tag: "AddonNotBuilt", folder, detail: "is not built" })
    const newer = makePackage(fresh(), { addons: [nodeApi + 2, nodeApi + 1] })
    assert.include(
      (await refused({ package: newer })).message,
      `is built for Node-API ${nodeApi + 1}, and this Node has Node-API ${nodeApi}; build it anew`
    )
  })
})

describe("the engines folder", () => {
  it("is the user's data folder, unless the variable says another", () => {
    const home = { HOME: "/home/ada" }
    assert.strictEqual(enginesFolder(home), "/home/ada/.local/share/effusion/engines")
    assert.strictEqual(enginesFolder({ ...home, XDG_DATA_HOME: "/data" }), "/data/effusion/engines")
    assert.strictEqual(enginesFolder({ ...home, XDG_DATA_HOME: "data" }), enginesFolder(home))
    assert.strictEqual(enginesFolder({ ...home, EFFUSION_ENGINES: "/engines" }), "/engines")
    assert.strictEqual(enginesFolder({ ...home, EFFUSION_ENGINES: "" }), enginesFolder(home))
  })
})
