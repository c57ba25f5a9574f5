/**
 * Benchmarks: `npm run bench -- training-step [--config small|cifar32|ddpm] [--steps N] [--json]`.
 *
 * Each configuration runs in a process of its own, so that its peak memory is its own.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"
import { configurationNames } from "./configurations.ts"
import { timeTrainingStep, type Timing } from "./trainingStep.ts"

const flags = {
  config: Flag.Literals("config", configurationNames).pipe(
    Flag.optional,
    Flag.withDescription("The network to time; all of them, each in its own process, unless given")
  ),
  steps: Flag.Int("steps").pipe(Flag.withDefault(20), Flag.withDescription("Timed steps, after two that are not")),
  threads: Flag.Int("threads").pipe(
    Flag.optional,
    Flag.withDescription("Threads of the engine; all cores unless given")
  ),
  json: Flag.Boolean("json").pipe(Flag.withDefault(false), Flag.withDescription("One JSON object a line"))
}

const trainingStep = Command.make("training-step", flags, ({ config, json, steps, threads }) =>
  Effect.gen(function*() {
    if (Option.isSome(config)) {
      const threadOption = Option.match(threads, { onNone: () => ({}), onSome: (threads) => ({ threads }) })
      const timing = yield* timeTrainingStep(config.value, { steps, ...threadOption })
      return yield* Console.log(json ? JSON.stringify(timing) : row(timing))
    }
    if (!json) yield* Console.log(header)
    for (const name of configurationNames) {
      const own = ["training-step", "--config", name, "--steps", String(steps), ...(json ? ["--json"] : [])]
      const threadFlag = Option.match(threads, { onNone: () => [], onSome: (n) => ["--threads", String(n)] })
      const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
      yield* spawner.string(
        ChildProcess.make(process.execPath, [fileURLToPath(import.meta.url), ...own, ...threadFlag])
      ).pipe(
        Effect.flatMap((output) => Console.log(output.trimEnd()))
      )
    }
  })).pipe(Command.withDescription("Milliseconds and GFLOP/s of whole training steps"))

const columns = [
  "config",
  "parameters",
  "batch",
  "median_ms",
  "min_ms",
  "gflops",
  "peak_rss_mib",
  "first_step_ms"
] as const
const header = columns.map((name) => name.padStart(13)).join(" ")
const row = (timing: Timing): string => columns.map((name) => String(timing[name]).padStart(13)).join(" ")

const bench = Command.make("bench").pipe(Command.withSubcommands([trainingStep]))

Command.run(bench, { version: "0.1.0" }).pipe(Effect.provide(NodeServices.layer), NodeRuntime.runMain)
