/**
 * The commands as users call them, where no TensorFlow is: what they print and how they end.
 */
import { environment } from "@effusion/core/engine/tensorflow/installation"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "vitest"
import { startCli, temporaryFolder } from "../support/cli.ts"
import { writeTools } from "./support/tools.ts"

const folder = temporaryFolder()
afterAll(folder.remove)
const tools = writeTools(join(folder.path, "tools"))
const engines = join(folder.path, "engines")

/** Runs a command in a folder of its own, with no engine but those of the engines folder. */
const engine = (args: ReadonlyArray<string>, variables: { readonly [name: string]: string } = {}) => {
  const { EFFUSION_TENSORFLOW: _, ...others } = environment()
  return startCli(["engine", ...args], {
    cwd: folder.path,
    env: { ...others, ...tools.environment, EFFUSION_ENGINES: engines, ...variables }
  }).ended
}

describe("effusion engine", () => {
  it("list shows that onnx works and tensorflow is not there, and what auto takes", async () => {
    const { code, stderr, stdout } = await engine(["list", "--json"])
    assert.strictEqual(code, 0, stderr)
    const { auto, engines: [onnx, tensorflow] } = JSON.parse(stdout)
    assert.deepInclude(onnx, { engine: "onnx", works: true, isTaken: true })
    assert.deepInclude(tensorflow, { engine: "tensorflow", works: false, isTaken: false })
    assert.include(tensorflow.problem, "TensorFlow is not installed")
    assert.deepInclude(auto, { name: "onnx", reason: "TensorFlow is not installed" })
  })

  it("doctor is content without TensorFlow, and is not with a folder that has none", async () => {
    const absent = await engine(["doctor"])
    assert.strictEqual(absent.code, 0, absent.stderr)
    assert.include(absent.stdout, "TensorFlow is not installed; install it with")
    assert.include(absent.stdout, tools.compiler)

    const wrong = await engine(["doctor", "--json"], { EFFUSION_TENSORFLOW: folder.path })
    assert.strictEqual(wrong.code, 1)
    assert.match(
      wrong.stderr,
      /^effusion: the tensorflow engine does not work as it should: .*EFFUSION_TENSORFLOW.*\n$/
    )
    const broken = JSON.parse(wrong.stdout).findings.filter(({ state }: { state: string }) => state === "broken")
    assert.deepStrictEqual(broken.map(({ subject }: { subject: string }) => subject), ["package"])
  })

  it("doctor names an addon that cannot be loaded", async () => {
    const name = join(folder.path, "broken", "node_modules", "@tensorflow", "tfjs-node")
    mkdirSync(join(name, "lib", "napi-v8"), { recursive: true })
    writeFileSync(join(name, "package.json"), `{ "name": "@tensorflow/tfjs-node", "version": "4.22.0" }`)
    writeFileSync(join(name, "lib", "napi-v8", "tfjs_binding.node"), "no library")
    const { code, stdout } = await engine(["doctor"], { EFFUSION_TENSORFLOW: name })
    assert.strictEqual(code, 1)
    assert.match(stdout, /^!! {2}loading/m)
    assert.match(stdout, /^ +-> build it anew with "effusion engine install tensorflow"$/m)
  })

  it("install ends with one line about what is wrong", async () => {
    const page = join(folder.path, "page.whl")
    writeFileSync(page, "<html>404</html>")
    const { code, stderr } = await engine(["install", "tensorflow", "--wheel", page])
    assert.strictEqual(code, 1)
    assert.match(stderr, /^effusion: ".*page\.whl" is no Python wheel: it is no zip archive; .*\n$/)
    const events = (await engine(["install", "tensorflow", "--wheel", page, "--json"])).stdout.trimEnd().split("\n")
    assert.deepInclude(JSON.parse(events.at(-1)!), { event: "error", message: stderr.slice("effusion: ".length, -1) })
    const unknown = await engine(["install", "onnx"])
    assert.strictEqual(unknown.code, 1)
  })
})
