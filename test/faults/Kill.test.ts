/**
 * Processes that are killed (SIGKILL: no handler runs, nothing is flushed) while they save.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { draw, Key } from "@effusion/core/random"
import { Checkpoint, Training } from "@effusion/core/training"
import { Effect, FileSystem, Layer, Stream } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { bitsOf, options } from "../core/training/tiny.ts"

/** Starts a script beside this file, and waits until it has written so many lines. */
const startScript = (name: string, args: ReadonlyArray<string>, lines: number): Effect.Effect<ChildProcess> =>
  Effect.callback<ChildProcess>((resume) => {
    const script = fileURLToPath(new URL(name, import.meta.url))
    const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] })
    let written = 0
    child.stdout.on("data", (text: Buffer) => {
      written += text.toString().split("\n").length - 1
      if (written >= lines) resume(Effect.succeed(child))
    })
    child.once("exit", (code) => resume(Effect.die(new Error(`${name} ended with ${code} after ${written} lines`))))
  })

const exitOf = (child: ChildProcess): Effect.Effect<number | NodeJS.Signals | null> =>
  Effect.callback((resume) => {
    const end = () => resume(Effect.succeed(child.exitCode ?? child.signalCode))
    if (child.exitCode !== null || child.signalCode !== null) end()
    else child.once("exit", end)
  })

const killAfter = Effect.fnUntraced(function*(child: ChildProcess, milliseconds: number) {
  yield* Effect.sleep(milliseconds)
  child.kill("SIGKILL")
  return yield* exitOf(child)
})

/** Random moments in milliseconds, the same at every run of the test. */
const moments = (name: string, count: number, maximum: number): ReadonlyArray<number> =>
  Array.from(
    draw(Key.fold(Key.make(0), name), {
      distribution: { _tag: "Uniform", minimum: 0, maximum },
      shape: [count]
    }).data
  )

const namesIn = (folder: string) => Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readDirectory(folder))

describe("a process that is killed while it saves", () => {
  it.live("leaves a whole checkpoint, the newest that was finished, and never half of one", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      let step = 0
      let unfinished = 0
      for (const [i, moment] of moments("saving", 16, 40).entries()) {
        // One line when it begins, and one for each checkpoint.
        const child = yield* startScript("saveForever.ts", [folder, String(step + 1)], 1 + i % 3)
        assert.strictEqual(yield* killAfter(child, moment), "SIGKILL")

        const names = yield* namesIn(folder)
        if (names.some((name) => name.startsWith(".saving-"))) unfinished++
        const { checkpoint, damaged } = yield* Checkpoint.latest(folder)
        assert.deepStrictEqual(damaged, [])
        if (checkpoint === undefined) {
          assert.deepStrictEqual(names.filter((name) => name.startsWith("step-")), [])
          continue
        }
        const { state } = checkpoint
        assert.isAtLeast(state.step, step + i % 3)
        step = state.step
        for (const tensors of [state.parameters, state.average!, state.optimizer["adam.firstMoment"]!]) {
          assert.isTrue(tensors["weight"]!.data.every((value) => value === step))
        }
      }
      // The test is worth nothing if it kills between saves, or before the first.
      assert.isAtLeast(unfinished, 4)
      assert.isAbove(step, 0)

      // What was left behind is gone with the next save.
      const path = yield* Checkpoint.save({
        folder,
        state: (yield* Checkpoint.latest(folder)).checkpoint!.state,
        keep: 1
      })
      assert.deepStrictEqual((yield* namesIn(folder)).map((name) => `${folder}/${name}`), [path])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

  it.live("goes on to the end of the uninterrupted run, bit for bit", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      const steps = 40
      const args = [folder, String(steps)]
      for (const moment of moments("training", 3, 20)) {
        yield* killAfter(yield* startScript("trainToTheEnd.ts", args, 5), moment)
      }
      const killed = (yield* Checkpoint.latest(folder)).checkpoint?.state.step ?? 0
      assert.isAtLeast(killed, 15)
      assert.strictEqual(yield* exitOf(yield* startScript("trainToTheEnd.ts", args, 1)), 0)

      const run = yield* Training.start({ ...options, steps })
      yield* Stream.runDrain(run.reports)
      const { checkpoint } = yield* Checkpoint.latest(folder)
      assert.deepStrictEqual(bitsOf(checkpoint!.state), bitsOf(yield* run.snapshot))
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(OnnxEngine.layer(), NodeServices.layer))))
})
