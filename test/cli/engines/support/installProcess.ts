/**
 * Installs an engine in a process of its own, with a check that nothing is loaded for: to be killed.
 * Arguments: the engines folder, and the wheel.
 */
import { NodeServices } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { installTensorflow } from "../../../../packages/cli/src/engines/install.ts"
import { InstallReporter } from "../../../../packages/cli/src/engines/InstallReporter.ts"
import { runUntilSignal } from "../../../../packages/cli/src/runMain.ts"
import { checkLayer } from "./tools.ts"

const [engines, wheel] = process.argv.slice(2)

runUntilSignal(
  installTensorflow({ engines: engines!, wheels: [wheel!], gpu: false, libtensorflow: undefined, force: false }).pipe(
    Effect.provide(Layer.mergeAll(InstallReporter.json, checkLayer(), FetchHttpClient.layer, NodeServices.layer))
  )
)
