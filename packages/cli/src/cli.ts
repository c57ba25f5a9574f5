/**
 * The command line: its commands, and how it says what went wrong.
 */
import { Cause, Console, Effect, Layer, Option } from "effect"
import { CliConfig, CliError, CliOutput, Command, GlobalFlag } from "effect/cli"
import { createRequire } from "node:module"
import { engine } from "./commands/engine.ts"
import { evaluate } from "./commands/evaluate.ts"
import { sample } from "./commands/sample.ts"
import { schedule } from "./commands/schedule.ts"
import { train } from "./commands/train.ts"
import { verify } from "./commands/verify.ts"
import { messageOf } from "./report/Reporter.ts"

/**
 * The root command, with its subcommands.
 *
 * @example
 * const program = Command.runWith(effusion, { version: "1.0.0" })(["train", "--help"])
 */
export const effusion = Command.make("effusion").pipe(
  Command.withDescription("Train denoising diffusion models, and draw with them."),
  Command.withSubcommands([train, sample, evaluate, schedule, verify, engine]),
  Command.withExamples([
    { command: "effusion train", description: "Learn to draw handwritten digits in about three minutes" },
    { command: "effusion sample runs/digits-1", description: "Draw digits with what was learned" }
  ])
)

const { version } = createRequire(import.meta.url)("../package.json") as { readonly version: string }

/**
 * Runs the command line with arguments. What goes wrong is said on standard error, in one or two lines; the effect still
 * fails, so that the process ends with a code that is not 0.
 *
 * @example
 * yield* run(["train", "--preset", "points", "--steps", "100"])
 */
export const run = (args: ReadonlyArray<string>) =>
  Command.runWith(effusion, { version })(args).pipe(
    Effect.tapCause(reportCause),
    Effect.provide(Layer.merge(
      CliOutput.layerPresenter(presenter),
      CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] })
    ))
  )

/** Wrong usage is answered with what is wrong, not with the whole help. */
const presenter: CliOutput.Presenter = {
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Effect.forEach(event.errors, (error) => say(flatten(withRange(error).message)), { discard: true }).pipe(
        Effect.andThen(say(`see "${event.commandPath.join(" ")} --help"`))
      )
      : CliOutput.defaultPresenter.present(event)
}

/** Of a whole number that is too large to be counted with, "expected an integer" would not say what is wrong. */
const withRange = (error: CliError.CliError): CliError.CliError =>
  error._tag === "InvalidValue" && error.expected === "Expected an integer" && /^[+-]?\d+$/.test(error.value)
    ? new CliError.InvalidValue({
      option: error.option,
      value: error.value,
      kind: error.kind,
      expected: `Expected an integer of at most 2^53 - 1 (${Number.MAX_SAFE_INTEGER}), or at least -(2^53 - 1)`
    })
    : error

const reportCause = (cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Option.match(Cause.findErrorOption(cause), {
    onNone: () =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.void
        : say(`this should not have happened, and is a defect of effusion:\n${Cause.pretty(cause)}`),
    onSome: (error) => CliError.isCliError(error) ? Effect.void : say(messageOf(error))
  })

const say = (message: string): Effect.Effect<void> => Console.error(`effusion: ${message}`)

const flatten = (message: string): string => message.replaceAll(/\s*\n\s*/g, " ")
