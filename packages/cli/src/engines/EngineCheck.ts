/**
 * Whether a built engine works: it is loaded, in processes of their own, says what it is, and adds two numbers.
 */
import { diagnose, environment, type Installation, variablesOf } from "@effusion/core/engine/tensorflow/installation"
import { Context, Effect, Layer } from "effect"
import { ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"
import { EngineDoesNotWork, reasonOf } from "./errors.ts"
import type { Computed } from "./internal/compute.ts"
import { lastLines, runProgram } from "./internal/process.ts"
import { Machine } from "./machine.ts"

/** What a working engine is. */
export interface Working {
  /** The version of libtensorflow. */
  readonly version: string
  readonly usesGpu: boolean
  /** Whether libtensorflow is built for CUDA, used or not. */
  readonly builtForGpu: boolean
}

/**
 * The service.
 *
 * @example
 * const { version } = yield* (yield* EngineCheck).check(installation)
 */
export class EngineCheck extends Context.Service<EngineCheck, {
  readonly check: (installation: Installation) => Effect.Effect<Working, EngineDoesNotWork>
}>()("@effusion/cli/EngineCheck") {
  static readonly layer: Layer.Layer<EngineCheck, never, ChildProcessSpawner.ChildProcessSpawner> = Layer.effect(
    EngineCheck,
    Effect.map(ChildProcessSpawner.ChildProcessSpawner, (spawner) => ({
      check: Effect.fnUntraced(function*(installation: Installation) {
        const { log, usesGpu, version } = yield* diagnose(installation).pipe(
          Effect.mapError(({ problem, remedy }) => new EngineDoesNotWork({ reason: problem, remedy }))
        )
        yield* compute(installation).pipe(Effect.provideService(ChildProcessSpawner.ChildProcessSpawner, spawner))
        // A libtensorflow for processors alone says nothing about CUDA, and one for GPUs does in any case.
        return { version, usesGpu, builtForGpu: usesGpu || /cuda|gpu_device/i.test(log) }
      })
    }))
  )
}

const computePath = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "./internal/compute.ts" : "./internal/compute.js", import.meta.url)
)

/**
 * Adds two numbers with an engine, in a process of its own.
 *
 * @example
 * yield* compute(installation)
 */
export const compute = Effect.fnUntraced(function*({ addon }: Pick<Installation, "addon">) {
  const { node } = yield* Machine
  const env = { ...variablesOf({}, environment()), NODE_OPTIONS: "", NODE_NO_WARNINGS: "1" }
  const ended = yield* runProgram(node, [computePath, addon], { env }).pipe(
    Effect.mapError((error) => doesNotCompute(reasonOf(error)))
  )
  if (ended.code !== 0) {
    return yield* doesNotCompute(`the process ended with code ${ended.code}: ${lastLines(ended, 2).join(" | ")}`)
  }
  const answer = JSON.parse(ended.stdout) as Computed
  if ("error" in answer) return yield* doesNotCompute(answer.error)
  if (answer.sum !== 5) return yield* doesNotCompute(`2 + 3 is ${answer.sum}`)
})

const doesNotCompute = (reason: string) =>
  new EngineDoesNotWork({
    reason,
    remedy: `try another version of TensorFlow, or see what "effusion engine doctor" says`
  })
