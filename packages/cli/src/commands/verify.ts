/**
 * `effusion verify`: checks what Effusion computes, and what users bring: by laws, and by numbers of other implementations.
 */
import { Data, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { engineFlags } from "../configuration/engine.ts"
import { InvalidFlag } from "./schedule.ts"
import { FlagConflict } from "./train.ts"

/** It is not clear what to verify. */
export class NothingToVerify extends Data.TaggedError("NothingToVerify")<{ readonly reason: string }> {
  override get message() {
    return `${this.reason}; give files of reference numbers (--goldens goldens.json), or a module (--module mine.ts)`
  }
}

/** Laws are many small programs, which no GPU is made for. */
const verifyEngineFlags = {
  ...engineFlags,
  engine: Flag.withDescription(engineFlags.engine, "What computes where laws need an engine; onnx when not given")
}

const flags = {
  schedule: Flag.String("schedule").pipe(
    Flag.withMetavar("name"),
    Flag.withDescription(
      "A noise schedule to verify: its name, a module, or JSON as in config.json; may be given several times"
    ),
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
  runs: Flag.Int("runs").pipe(Flag.withDescription("Random cases a law; 100 when not given"), Flag.optional),
  seed: Flag.Int("seed").pipe(
    Flag.withDescription("What the random cases come from; 1 when not given"),
    Flag.optional
  ),
  path: Flag.String("path").pipe(
    Flag.withDescription("Go straight to the case that a report named; needs --law"),
    Flag.optional
  ),
  goldens: Flag.String("goldens").pipe(
    Flag.withMetavar("file.json"),
    Flag.withDescription("A file of reference numbers to run, in place of laws; more files may follow"),
    Flag.atLeast(0)
  ),
  files: Argument.String("files").pipe(
    Argument.withDescription("With --goldens: more files of reference numbers"),
    Argument.variadic()
  ),
  faults: Flag.Boolean("faults").pipe(
    Flag.withDescription("Show that the laws have teeth: let them loose on planted faults"),
    Flag.withDefault(false)
  ),
  ...verifyEngineFlags,
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
    const { faults, files, goldens, json, module, schedule } = flags
    const runs = Option.getOrElse(flags.runs, () => usualRuns)
    const seed = Option.getOrElse(flags.seed, () => usualSeed)
    // What verifies is loaded here, for other commands need not wait for it: laws take a third of a second.
    if (goldens.length > 0) {
      const { verifyGoldens } = yield* Effect.promise(() => import("../verify/verifyGoldens.ts"))
      return yield* verifyGoldens({ files: [...goldens, ...files], json })
    }
    if (files.length > 0) {
      return yield* new NothingToVerify({ reason: `what to verify about "${files[0]}" is not said` })
    }
    const { verifyFaults, verifyLaws } = yield* Effect.promise(() => import("../verify/verifyLaws.ts"))
    const law = Option.getOrUndefined(flags.law)
    const engine = { engine: Option.orElseSome(flags.engine, () => "onnx" as const), device: flags.device }
    if (faults) return yield* verifyFaults({ engine, json, law, runs, seed })
    return yield* verifyLaws({
      engine,
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
        "and shows the simplest counterexample that it could find. With --goldens: runs reference numbers of other " +
        "implementations, of samplers (diffusers) and of the variational bound (OpenAI), one line a case."
    ),
    Command.withShortDescription("Check laws, and numbers of other implementations"),
    Command.withExamples([
      { command: "effusion verify", description: "Everything that Effusion brings along" },
      { command: "effusion verify --schedule cosine", description: "One schedule" },
      { command: "effusion verify --module mine.ts --junit laws.xml", description: "What a module of yours exports" },
      { command: "effusion verify --faults", description: "What each law catches" },
      { command: "effusion verify --goldens a.json b.json", description: "Reference numbers, one line a case" }
    ])
  )

const usualRuns = 100
const usualSeed = 1

/** Flags that are about some of what can be verified: `true` where the command says them. */
const givenFlags = ({ device, engine, faults, junit, law, module, path, runs, schedule, seed, subject }: Flags) => ({
  "--schedule": schedule.length > 0,
  "--module": module.length > 0,
  "--subject": Option.isSome(subject),
  "--path": Option.isSome(path),
  "--junit": Option.isSome(junit),
  "--faults": faults,
  "--law": Option.isSome(law),
  "--runs": Option.isSome(runs),
  "--seed": Option.isSome(seed),
  "--engine": Option.isSome(engine),
  "--device": Option.isSome(device)
})

/** What planted faults are chosen and searched by; reference numbers are by nothing. */
const ofFaults: ReadonlyArray<string> = ["--faults", "--law", "--runs", "--seed", "--engine", "--device"]

/** A flag that would be without effect is a mistake. */
const requireEffect = Effect.fnUntraced(function*(flags: Flags): Effect.fn.Return<void, FlagConflict> {
  const given = Object.entries(givenFlags(flags)).flatMap(([flag, isGiven]) => isGiven ? [flag] : [])
  const [mode, idle, remedy] = flags.goldens.length > 0
    ? ["--goldens", given, "verify reference numbers by themselves"] as const
    : flags.faults
    ? ["--faults", given.filter((flag) => !ofFaults.includes(flag)), "faults are planted in Effusion itself"] as const
    : ["", [], ""] as const
  if (idle[0] !== undefined) return yield* new FlagConflict({ flags: [mode, idle[0]], remedy })
})

const requireFlags = Effect.fnUntraced(function*(flags: Flags): Effect.fn.Return<void, InvalidFlag | FlagConflict> {
  yield* requireEffect(flags)
  const { law, path } = flags
  if (Option.exists(flags.runs, (runs) => runs < 1)) {
    const value = Option.getOrUndefined(flags.runs)
    return yield* new InvalidFlag({ flag: "--runs", expected: "a whole number of at least 1", value })
  }
  // The generator of fast-check has seeds of 32 bits, and takes others for one of them.
  if (Option.exists(flags.seed, (seed) => seed !== (seed | 0))) {
    const value = Option.getOrUndefined(flags.seed)
    return yield* new InvalidFlag({ flag: "--seed", expected: "a whole number of 32 bits", value })
  }
  if (Option.isNone(path)) return
  if (Option.isNone(law)) {
    const expected = "of one law: give its name with --law as well"
    return yield* new InvalidFlag({ flag: "--path", expected, value: path.value })
  }
  if (!/^\d+(:\d+)*$/.test(path.value)) {
    return yield* new InvalidFlag({ flag: "--path", expected: "numbers with colons, such as 3:0:1", value: path.value })
  }
})
