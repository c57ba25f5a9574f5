/**
 * Other programs: run to their end, with what they said.
 */
import { Effect, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"

/** How a program ended. */
export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs a program to its end. Interruption ends the program, and those that it started.
 *
 * @example
 * const { code, stderr } = yield* runProgram("c++", ["--version"], {})
 */
export const runProgram = (
  command: string,
  args: ReadonlyArray<string>,
  options: { readonly cwd?: string; readonly env?: { readonly [name: string]: string } }
) =>
  Effect.scoped(Effect.gen(function*() {
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const child = yield* spawner.spawn(
      ChildProcess.make(command, args, { ...options, extendEnv: true, stdin: "ignore", forceKillAfter: "2 seconds" })
    )
    const [stdout, stderr, code] = yield* Effect.all([
      Stream.mkString(Stream.decodeText(child.stdout)),
      Stream.mkString(Stream.decodeText(child.stderr)),
      child.exitCode
    ], { concurrency: "unbounded" })
    return { code: Number(code), stdout, stderr }
  }))

/**
 * The last lines of what a program said that say something.
 *
 * @example
 * lastLines({ code: 1, stdout: "", stderr: "a.cc:1: error: no such file\n" }, 3)
 */
export const lastLines = ({ stderr, stdout }: Ended, count: number): ReadonlyArray<string> =>
  (stderr.trim() === "" ? stdout : stderr).split("\n").map((line) => line.trim()).filter((line) => line !== "")
    .slice(-count)
