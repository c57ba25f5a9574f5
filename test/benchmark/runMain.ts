/**
 * The commands of the benchmarks, and the process that runs one of them.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
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

/** Runs the command line of this process. */
export const runMain = (): void =>
  Command.run(bench, { version: "0.1.0" }).pipe(
    Effect.tapError(sayWhy),
    Effect.provide(NodeServices.layer),
    (program) => NodeRuntime.runMain(program, { disableErrorReporting: true })
  )
