/**
 * `effusion verify`: checks laws.
 */
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { InvalidFlag } from "./schedule.ts"

const flags = {
  schedule: Flag.String("schedule").pipe(
    Flag.withMetavar("name"),
    Flag.withDescription("A noise schedule to verify: its name, a module, or JSON; may be given several times"),
    Flag.atLeast(0)
  ),
  module: Flag.String("module").pipe(
    Flag.withMetavar("file.ts"),
    Flag.withDescription("A module of yours that exports what to verify; may be given several times"),
    Flag.atLeast(0)
  ),
  subject: Flag.String("subject").pipe(
    Flag.withMetavar("text"),
    Flag.withDescription("Only subjects with this in their name"),
    Flag.optional
  ),
  law: Flag.String("law").pipe(
    Flag.withMetavar("name"),
    Flag.withDescription("Only this law, or the laws of this kind: schedule/alpha-bar-falls, schedule"),
    Flag.optional
  ),
  runs: Flag.Int("runs").pipe(Flag.withDescription("Random cases a law"), Flag.withDefault(100)),
  seed: Flag.Int("seed").pipe(Flag.withDescription("What the random cases come from"), Flag.withDefault(1)),
  path: Flag.String("path").pipe(
    Flag.withDescription("Go straight to the case that a report named; needs --law"),
    Flag.optional
  ),
  faults: Flag.Boolean("faults").pipe(
    Flag.withDescription("Show that the laws have teeth: let them loose on planted faults"),
    Flag.withDefault(false)
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print JSON, for machines"), Flag.withDefault(false)),
  junit: Flag.String("junit").pipe(
    Flag.withMetavar("file.xml"),
    Flag.withDescription("Write a JUnit report, for continuous integration"),
    Flag.optional
  )
}

type Flags = Command.Command.Config.Infer<typeof flags>

/** The `verify` command. */
export const verify = Command.make("verify", flags, (flags) =>
  Effect.gen(function*() {
    yield* requireFlags(flags)
    // Laws take a third of a second to load, which other commands need not wait for.
    const { verifyFaults, verifyLaws } = yield* Effect.promise(() => import("../verify/verifyLaws.ts"))
    const { faults, json, module, runs, schedule, seed } = flags
    const law = Option.getOrUndefined(flags.law)
    if (faults) return yield* verifyFaults({ json, law, runs, seed })
    return yield* verifyLaws({
      schedules: schedule,
      modules: module,
      subject: Option.getOrUndefined(flags.subject),
      law,
      runs,
      seed,
      path: Option.getOrUndefined(flags.path),
      json,
      junit: Option.getOrUndefined(flags.junit)
    })
  })).pipe(
    Command.withDescription(
      "Checks laws: of schedules, noising, losses, samplers; of Effusion's own, or of yours. Fails when one is broken, " +
        "and shows the simplest counterexample that it could find."
    ),
    Command.withShortDescription("Check the laws that schedules, losses and samplers keep"),
    Command.withExamples([
      { command: "effusion verify", description: "Everything that Effusion brings along" },
      { command: "effusion verify --schedule cosine", description: "One schedule" },
      { command: "effusion verify --module mine.ts --junit laws.xml", description: "What a module of yours exports" },
      { command: "effusion verify --faults", description: "What each law catches" }
    ])
  )

const requireFlags = Effect.fnUntraced(function*(
  { law, path, runs, seed }: Flags
): Effect.fn.Return<void, InvalidFlag> {
  if (runs < 1) {
    return yield* new InvalidFlag({ flag: "--runs", expected: "a whole number of at least 1", value: runs })
  }
  // The generator of fast-check has seeds of 32 bits, and takes others for one of them.
  if (seed !== (seed | 0)) {
    return yield* new InvalidFlag({ flag: "--seed", expected: "a whole number of 32 bits", value: seed })
  }
  if (Option.isNone(path)) return
  if (Option.isNone(law)) {
    return yield* new InvalidFlag({ flag: "--path", expected: "given together with --law", value: path.value })
  }
  if (!/^\d+(:\d+)*$/.test(path.value)) {
    return yield* new InvalidFlag({ flag: "--path", expected: "numbers with colons, such as 3:0:1", value: path.value })
  }
})
