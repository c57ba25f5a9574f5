/**
 * `effusion verify`: checks what Effusion computes.
 */
import { Data, Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { verifyGoldens } from "../verify/verifyGoldens.ts"

/** There is nothing to verify, or it is not clear what. */
export class NothingToVerify extends Data.TaggedError("NothingToVerify")<{ readonly reason: string }> {
  override get message() {
    return `${this.reason}; give files of reference numbers: --goldens goldens.json`
  }
}

const input = {
  goldens: Flag.String("goldens").pipe(
    Flag.withMetavar("file.json"),
    Flag.withDescription("A file of reference numbers to run; more files may follow"),
    Flag.atLeast(0)
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print JSON, for machines"), Flag.withDefault(false)),
  files: Argument.String("files").pipe(
    Argument.withDescription("With --goldens: more files of reference numbers"),
    Argument.variadic()
  )
}

/** The `verify` command. */
export const verify = Command.make("verify", input, ({ files, goldens, json }) =>
  Effect.gen(function*() {
    if (goldens.length > 0) return yield* verifyGoldens({ files: [...goldens, ...files], json })
    return yield* new NothingToVerify({
      reason: files.length === 0 ? "there is nothing to verify" : `what to verify about "${files[0]}" is not said`
    })
  })).pipe(
    Command.withDescription(
      "Runs reference numbers of other implementations, of samplers (diffusers) and of the variational bound (OpenAI), one " +
        "line a case. Fails when one does not come out."
    ),
    Command.withShortDescription("Run reference numbers of other implementations"),
    Command.withExamples([
      { command: "effusion verify --goldens goldens.json", description: "One file" },
      { command: "effusion verify --goldens a.json b.json --json", description: "Two files, one JSON object a case" }
    ])
  )
