/**
 * Stand-ins for npm and the compiler, for installations without a network and without TensorFlow: they leave the files that
 * the real ones leave. A stand-in that is told to wait does so in the middle of its work.
 */
import { ConfigProvider, Effect, Layer } from "effect"
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { EngineCheck, type Working } from "../../../../packages/cli/src/engines/EngineCheck.ts"

/** Where the stand-ins are. */
export interface Tools {
  readonly npm: string
  readonly compiler: string
  /** The environment that has them found. */
  readonly environment: { readonly [name: string]: string }
}

const workingNpm = `
import { mkdirSync, readFileSync, writeFileSync, existsSync } from "node:fs"
const [name] = Object.keys(JSON.parse(readFileSync("package.json", "utf8")).dependencies)
const folder = "node_modules/" + name
if (existsSync("node_modules")) throw new Error("what was left of an interrupted installation is still there")
mkdirSync(folder + "/binding", { recursive: true })
writeFileSync(folder + "/binding/tfjs_backend.cc", "// C++")
if (process.env.STAND_IN_WAITS === "package") await new Promise((done) => setTimeout(done, 20_000))
writeFileSync(folder + "/package.json", JSON.stringify({ name, version: "4.22.0" }))
`

const workingCompiler = `#!/bin/sh
if [ "$1" = "--version" ]; then echo "stand-in 1.0"; exit 0; fi
while [ "$1" != "-o" ]; do shift; done
echo "half" > "$2"
if [ "$STAND_IN_WAITS" = "addon" ]; then sleep 20; fi
echo "the addon" > "$2"
`

/** A stand-in for npm without a network. */
export const brokenNpm = `console.error("npm error code ENOTFOUND\\nnpm error network no such host"); process.exit(1)`

/** A stand-in for a compiler that knows no C++17. */
export const brokenCompiler = `#!/bin/sh
if [ "$1" = "--version" ]; then exit 0; fi
echo "tfjs_backend.cc:1:10: fatal error: no such header" >&2
exit 1
`

/** Writes the stand-ins into a folder. */
export const writeTools = (folder: string, npmScript = workingNpm, compilerScript = workingCompiler): Tools => {
  mkdirSync(folder, { recursive: true })
  // The name is what npm is known by; as a module, for the package that it lies in has no say.
  mkdirSync(join(folder, "npm"), { recursive: true })
  writeFileSync(join(folder, "npm", "package.json"), `{ "type": "module" }`)
  const npm = join(folder, "npm", "npm-cli.js")
  writeFileSync(npm, npmScript)
  const compiler = join(folder, "c++")
  writeFileSync(compiler, compilerScript)
  chmodSync(compiler, 0o755)
  return { npm, compiler, environment: { CXX: compiler, npm_execpath: npm } }
}

/** The environment, as services read it. */
export const environmentLayer = (environment: { readonly [name: string]: string }) =>
  ConfigProvider.layer(ConfigProvider.fromUnknown(environment))

/** An engine that works. */
export const working: Working = { version: "2.21.0", usesGpu: false, builtForGpu: false }

/** A check that nothing is loaded for. */
export const checkLayer = (check: EngineCheck["Service"]["check"] = () => Effect.succeed(working)) =>
  Layer.succeed(EngineCheck, { check })
