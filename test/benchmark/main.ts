/**
 * Benchmarks: `npm run bench -- training-step|sampling|pipeline|memory|scaling|optimizations|compare [--config small|cifar32|ddpm]`.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { CliError, Command } from "effect/cli"
import { compare } from "./compare.ts"
import { memory } from "./memory.ts"
import { optimizations } from "./optimizations.ts"
import { pipeline } from "./pipeline.ts"
import { sampling } from "./sampling.ts"
import { scaling } from "./scaling.ts"
import { trainingStep } from "./trainingStep.ts"

const bench = Command.make("bench").pipe(
  Command.withDescription("Time and memory of training and sampling, by themselves and beside other frameworks"),
  Command.withSubcommands([trainingStep, sampling, pipeline, memory, scaling, optimizations, compare])
)

const sayWhy = (error: unknown): Effect.Effect<void> =>
  CliError.isCliError(error)
    ? Effect.void
    : Console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)

Command.run(bench, { version: "0.1.0" }).pipe(
  Effect.tapError(sayWhy),
  Effect.provide(NodeServices.layer),
  (program) => NodeRuntime.runMain(program, { disableErrorReporting: true })
)
