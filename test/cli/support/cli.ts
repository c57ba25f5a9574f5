/**
 * Running the command line: in this process, which is quick, or in one of its own, which is the real thing.
 */
import { NodeServices } from "@effect/platform-node"
import { Effect, Exit } from "effect"
import { TestConsole } from "effect/testing"
import { spawn } from "node:child_process"
import type { ChildProcess, SpawnOptions } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { run } from "../../../packages/cli/src/cli.ts"

/** What a command wrote, and how it ended. */
export interface Outcome {
  readonly stdout: string
  readonly stderr: string
  /** The exit code of a process; 0 or 1 for a command that ran in this process. */
  readonly code: number | null
}

/** Runs a command in this process. */
export const cli = (...args: ReadonlyArray<string>): Promise<Outcome> =>
  Effect.gen(function*() {
    const exit = yield* Effect.exit(run(args))
    return {
      stdout: (yield* TestConsole.logLines).join("\n"),
      stderr: (yield* TestConsole.errorLines).join("\n"),
      code: Exit.isSuccess(exit) ? 0 : 1
    }
  }).pipe(Effect.provide([NodeServices.layer, TestConsole.layer]), Effect.runPromise)

const main = fileURLToPath(new URL("../../../packages/cli/src/main.ts", import.meta.url))

/** A process that is running. */
export interface Running {
  readonly process: ChildProcess
  /** Waits until standard output has something that matches. */
  readonly shows: (pattern: RegExp) => Promise<void>
  readonly ended: Promise<Outcome>
}

/** Starts the command line in a process of its own. */
export const startCli = (args: ReadonlyArray<string>, options: SpawnOptions = {}): Running =>
  start(process.execPath, [main, ...args], options)

/** The command that starts the command line, for a shell script. */
export const cliCommand = `"${process.execPath}" "${main}"`

/** Starts a process, and collects what it writes. */
export const start = (command: string, args: ReadonlyArray<string>, options: SpawnOptions = {}): Running => {
  const child = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] })
  let stdout = ""
  let stderr = ""
  const listeners = new Set<() => void>()
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    stdout += text
    for (const listener of listeners) listener()
  })
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    stderr += text
  })
  const ended = new Promise<Outcome>((resolve, reject) => {
    child.on("error", reject)
    child.on("close", (code) => resolve({ stdout, stderr, code }))
  })
  return {
    process: child,
    ended,
    shows: (pattern) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          if (!pattern.test(stdout)) return
          listeners.delete(check)
          resolve()
        }
        listeners.add(check)
        void ended.then(() => reject(new Error(`the process ended without showing ${pattern}:\n${stdout}${stderr}`)))
        check()
      })
  }
}

/** A folder for one test file, and what removes it. */
export const temporaryFolder = () => {
  const path = mkdtempSync(join(tmpdir(), "effusion-test-"))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Writes the configuration of a run that takes a second or two, and returns its path. */
export const tinyConfig = (folder: string, changes: { readonly [field: string]: unknown } = {}): string => {
  const path = join(folder, "tiny.json")
  writeFileSync(
    path,
    JSON.stringify({
      preset: "points",
      model: { width: 16, depth: 1, octaves: 1 },
      schedule: { steps: 50 },
      batchSize: 32,
      threads: 1,
      checkpoints: { every: 10, keep: 3 },
      previews: { every: 0, count: 5, steps: 5 },
      sampling: { steps: 10, count: 20 },
      ...changes
    })
  )
  return path
}
