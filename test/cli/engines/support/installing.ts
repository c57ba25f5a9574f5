/**
 * Installations with stand-ins for npm, the compiler and the check, in a temporary folder of the test file's own.
 */
import { NodeServices } from "@effect/platform-node"
import { assert } from "@effect/vitest"
import { readPackage } from "@effusion/core/engine/tensorflow/installation"
import { Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync } from "node:fs"
import { join } from "node:path"
import { afterAll } from "vitest"
import type { EngineCheck } from "../../../../packages/cli/src/engines/EngineCheck.ts"
import { type InstallOptions, installTensorflow } from "../../../../packages/cli/src/engines/install.ts"
import { type InstallEvent, InstallReporter } from "../../../../packages/cli/src/engines/InstallReporter.ts"
import { Machine } from "../../../../packages/cli/src/engines/machine.ts"
import { temporaryFolder } from "../../support/cli.ts"
import { checkLayer, environmentLayer, writeTools } from "./tools.ts"
import { writeWheel } from "./wheels.ts"

export const folder = temporaryFolder()
afterAll(folder.remove)

/** Where npm and the compiler are found. */
export const tools = writeTools(join(folder.path, "tools"))
/** A wheel with what the engine needs. */
export const wheel = await writeWheel(join(folder.path, "tensorflow_cpu-2.21.0.whl"))

/** An engines folder that is not there yet. */
export const newEngines = (): string => join(mkdtempSync(join(folder.path, "engines-")), "engines")

/** What is around an installation, where it is not the usual. */
export interface Surroundings {
  readonly environment?: { readonly [name: string]: string }
  readonly machine?: Partial<Machine>
  readonly check?: EngineCheck["Service"]["check"]
  readonly report?: InstallReporter["Service"]["report"]
}

/** Installs into a folder; gives what was told on the way. */
export const install = (
  options: Partial<InstallOptions> & { readonly engines: string },
  surroundings: Surroundings = {}
) =>
  Effect.gen(function*() {
    const events: Array<InstallEvent> = []
    const reporter = Layer.succeed(InstallReporter, {
      report: surroundings.report ?? ((event) => Effect.sync(() => events.push(event)))
    })
    const wheels = options.wheels ?? (options.libtensorflow === undefined ? [wheel] : [])
    const program = installTensorflow({ gpu: false, libtensorflow: undefined, force: false, ...options, wheels })
    const machine = { ...yield* Machine, ...surroundings.machine }
    yield* program.pipe(
      Effect.provideService(Machine, machine),
      Effect.provide(Layer.mergeAll(
        reporter,
        checkLayer(surroundings.check),
        FetchHttpClient.layer,
        NodeServices.layer,
        environmentLayer({ ...tools.environment, ...surroundings.environment })
      ))
    )
    return events
  })

/** The stages that were told of. */
export const stagesOf = (events: ReadonlyArray<InstallEvent>) =>
  events.flatMap((event) => event.event === "stage" ? [`${event.stage}${event.skipped ? " (there)" : ""}`] : [])

/** The stages of an installation from the beginning. */
export const fresh = ["libraries", "package", "addon", "check"]

/** The engine that is used, as core finds it. */
export const installed = (engines: string, name = "tfjs-node") =>
  readPackage(join(engines, "tensorflow", "node_modules", "@tensorflow", name), { namedBy: "a test", nodeApi: 9 })

/** It is whole, and there is nothing beside it. */
export const assertInstalled = (engines: string): void => {
  const found = installed(engines)
  if (!("addon" in found)) return assert.fail(found.detail)
  assert.strictEqual(readFileSync(found.addon, "utf8"), "the addon\n")
  assert.strictEqual(found.builtFor, "cpu")
  assert.strictEqual(found.manifest?.libtensorflow, "2.21.0")
  for (const library of found.libraries) assert.isTrue(existsSync(library), library)
  const entries = readdirSync(engines).filter((entry) => entry !== "downloads")
  assert.deepStrictEqual(entries.sort(), ["tensorflow", readlinkSync(join(engines, "tensorflow"))])
}
