/** What the operating system sees: memory over many lives of programs and states, and the end of the process. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { compilation, f32, instanceOf, node, nothingHeld, runtimeLayer, tensor, TestRuntime } from "./models.ts"

const MiB = 2 ** 20

layer(runtimeLayer({ threads: 2 }))("1,000 programs compiled, run and released", (it) => {
  it.effect("leave nothing behind", () =>
    Effect.gen(function*() {
      const runtime = yield* TestRuntime
      const [size, hidden] = [32_768, 1024]
      const program = compilation({
        state: { w: f32(size) },
        input: { x: f32(32, 32) },
        output: { y: f32(1, 1) },
        initializers: [{ name: "m", dtype: "float32", shape: [32, hidden], data: new Float32Array(32 * hidden) }],
        nodes: [
          node("Add", ["state.w", "state.w"], ["next.w"]),
          node("MatMul", ["input.x", "m"], ["product"]),
          node("Sigmoid", ["product"], ["activation"]),
          node("ReduceSum", ["activation"], ["output.y"])
        ]
      })
      const state = { w: tensor(f32(size), new Float32Array(size)) }
      const input = { x: tensor(f32(32, 32), new Float32Array(32 * 32)) }
      const life = Effect.scoped(Effect.gen(function*() {
        const instance = yield* instanceOf(runtime, program, state)
        yield* instance.step(input)
        yield* instance.step(input)
      }))
      const lives = (count: number) => Effect.forEach(Array.from({ length: count }), () => life, { discard: true })

      // The allocator's own pools fill up in the first few hundred lives, and stay.
      yield* lives(300)
      const before = process.memoryUsage().rss
      yield* lives(1000)
      const growth = (process.memoryUsage().rss - before) / MiB
      // Measured: -12 to 15 MiB, and no more after 10,000 lives. Sessions that are kept take 400 MiB and more.
      assert.isBelow(growth, 48)
      assert.deepStrictEqual(yield* runtime.memory, nothingHeld)
    }))
})

describe("a process", () => {
  /** Runs a script of `processes/` to its end. */
  const run = (script: string) =>
    Effect.promise(() =>
      new Promise<{ readonly code: number | null; readonly signal: string | null; readonly output: string }>(
        (resolve) => {
          const path = fileURLToPath(new URL(`./processes/${script}`, import.meta.url))
          const child = spawn(process.execPath, [path], { stdio: ["ignore", "pipe", "pipe"] })
          let output = ""
          child.stdout.on("data", (chunk) => output += chunk)
          child.stderr.on("data", (chunk) => output += chunk)
          child.on("close", (code, signal) => resolve({ code, signal, output }))
        }
      )
    )

  it.effect("ends when the engine's scope has closed", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* run("scoped.ts"), { code: 0, signal: null, output: "doubled 2,4,6\n" })
    }))

  it.effect("ends when nobody waits for an engine that was never closed", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* run("unclosed.ts"), { code: 0, signal: null, output: "doubled 2,4,6\n" })
    }))

  it.effect("ends when engines were used while they closed", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* run("closing.ts"), { code: 0, signal: null, output: "refused 40\n" })
    }))

  it.effect("ends in the middle of a step when it is told to", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* run("exiting.ts"), { code: 3, signal: null, output: "leaving\n" })
    }))
})
