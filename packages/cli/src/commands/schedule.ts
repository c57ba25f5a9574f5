/**
 * `effusion schedule`: compares noise schedules, as a picture and as numbers.
 */
import { Console, Data, Effect, Option, Path } from "effect"
import type { FileSystem } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { namedSchedule, type NamedScheduleError } from "../configuration/namedSchedules.ts"
import { scheduleTypes } from "../configuration/schedules.ts"
import type { FileProblem } from "../files.ts"
import { writeWhole } from "../files.ts"
import { csvLines, jsonOf, textTables } from "../report/scheduleTable.ts"
import { FlagConflict } from "./train.ts"

/** A flag has a value that it cannot have. */
export class InvalidFlag extends Data.TaggedError("InvalidFlag")<{
  readonly flag: string
  readonly value: unknown
  readonly expected: string
}> {
  override get message() {
    return `${this.flag} is ${String(this.value)}; it is ${this.expected}`
  }
}

const input = {
  names: Argument.String("schedule").pipe(
    Argument.withDescription(
      `Any of ${scheduleTypes.join(", ")}, or the path of a module whose default export is a schedule`
    ),
    Argument.variadic({ min: 1 })
  ),
  steps: Flag.Int("steps").pipe(
    Flag.withDescription("The number of timesteps, T, but of a module's schedule"),
    Flag.withDefault(1000)
  ),
  zeroTerminalSnr: Flag.Boolean("zero-terminal-snr").pipe(
    Flag.withDescription("Rescale every schedule so that it ends in noise alone"),
    Flag.withDefault(false)
  ),
  every: Flag.Int("every").pipe(
    Flag.withMetavar("n"),
    Flag.withDescription("Print every n-th timestep; all with --csv or --json, and else about ten, when not given"),
    Flag.optional
  ),
  csv: Flag.Boolean("csv").pipe(
    Flag.withDescription("Print the numbers as comma-separated values, and nothing else"),
    Flag.withDefault(false)
  ),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print the numbers as JSON, and nothing else"),
    Flag.withDefault(false)
  ),
  out: Flag.String("out").pipe(
    Flag.withMetavar("file.svg"),
    Flag.withDescription("The picture to write; schedules.svg when not given, and none with --csv or --json"),
    Flag.optional
  )
}

type Input = Command.Command.Config.Infer<typeof input>

/** What comparing can fail with. */
export type ScheduleError = NamedScheduleError | InvalidFlag | FlagConflict | FileProblem

/** The `schedule` command. */
export const schedule: Command.Command<"schedule", Input, {}, ScheduleError, FileSystem.FileSystem | Path.Path> =
  Command.make("schedule", input, (input) => compare(input)).pipe(
    Command.withDescription(
      "Compares noise schedules: one picture of alphaBar, log-SNR, beta and the weights of the loss over time, and a " +
        "table of numbers. A module of your own, such as mine.ts with `export default fromBetas([...])`, can be among them."
    ),
    Command.withShortDescription("Compare noise schedules"),
    Command.withExamples([
      { command: "effusion schedule linear cosine sigmoid-alpha-bar", description: "Three schedules in schedules.svg" },
      {
        command: "effusion schedule cosine ./mine.ts --zero-terminal-snr --csv",
        description: "One of your own beside another, as numbers"
      }
    ])
  )

const compare = Effect.fnUntraced(function*(input: Input) {
  const { csv, json, names, steps, zeroTerminalSnr } = input
  if (csv && json) {
    return yield* new FlagConflict({ flags: ["--csv", "--json"], remedy: "give one of them" })
  }
  if (Option.exists(input.every, (every) => every < 1)) {
    const value = Option.getOrUndefined(input.every)
    return yield* new InvalidFlag({ flag: "--every", value, expected: "a whole number of at least 1" })
  }
  const isForPeople = !csv && !json
  const path = Option.getOrElse(input.out, () => isForPeople ? "schedules.svg" : undefined)
  yield* requireSvg(path)

  const schedules = yield* Effect.forEach(names, (name) => namedSchedule(name, { steps, zeroTerminalSnr }))
  const longest = Math.max(...schedules.map(({ schedule }) => schedule.steps))
  const every = Option.getOrElse(input.every, () => isForPeople ? Math.max(1, Math.round(longest / 10)) : 1)
  if (path !== undefined) {
    // The plotting library takes half a second to load.
    const { schedulePlot } = yield* Effect.promise(() => import("../picture/schedulePlot.ts"))
    yield* writeWhole(path, schedulePlot(schedules))
  }
  if (json) return yield* Console.log(jsonOf(schedules, { every }))
  const lines = csv ? csvLines(schedules, { every }) : textTables(schedules, { every })
  yield* Console.log(lines.join("\n"))
  if (isForPeople) yield* Console.log(`wrote ${path}`)
})

/** Fails unless a picture can be written to a file of this name. */
const requireSvg = (path: string | undefined) =>
  Effect.flatMap(Path.Path, (paths) =>
    path === undefined || paths.extname(path).toLowerCase() === ".svg"
      ? Effect.void
      : new InvalidFlag({ flag: "--out", value: path, expected: "the name of a file that ends in .svg" }))
