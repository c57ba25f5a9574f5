import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as fc from "fast-check"
import type { Metric } from "../../packages/cli/src/run/metrics.ts"
import { appendMetrics, readMetrics } from "../../packages/cli/src/run/metrics.ts"

const trained = (step: number): Metric => ({ step, loss: 1 / step, learningRate: 1e-3, gradientNorm: 2, seconds: step })

const write = (path: string, after: number, metrics: ReadonlyArray<Metric>) =>
  Effect.scoped(Effect.gen(function*() {
    const { add } = yield* appendMetrics(path, { after })
    yield* Effect.forEach(metrics, add, { discard: true })
  }))

const steps = (from: number, to: number): ReadonlyArray<Metric> =>
  Array.from({ length: to - from + 1 }, (_, i) => trained(from + i))

describe("a metrics file", () => {
  it("has every step once, in order, wherever a run was killed and resumed", async () => {
    await fc.assert(
      fc.asyncProperty(
        // After each of these cuts the run was at `at`, its file ended `torn` bytes early, and it went on from `resumed`.
        fc.array(
          fc.record({ length: fc.integer({ min: 1, max: 9 }), torn: fc.nat({ max: 30 }), lost: fc.nat({ max: 5 }) }),
          { maxLength: 4 }
        ),
        (cuts) =>
          Effect.runPromise(
            Effect.gen(function*() {
              const fs = yield* FileSystem.FileSystem
              const file = `${yield* fs.makeTempDirectoryScoped()}/metrics.jsonl`
              let resumed = 0
              for (const { length, lost, torn } of cuts) {
                yield* write(file, resumed, steps(resumed + 1, resumed + length))
                const text = yield* fs.readFileString(file)
                // What was written before the checkpoint that the run resumes from was flushed before it was saved.
                resumed += Math.max(0, length - lost)
                const safe = text.split("\n").slice(0, resumed).join("\n").length
                yield* fs.writeFileString(file, text.slice(0, Math.max(safe, text.length - torn)))
              }
              yield* write(file, resumed, [...steps(resumed + 1, resumed + 3), {
                step: resumed + 3,
                heldOutLoss: 0.5,
                standardError: 0.1
              }])
              assert.deepStrictEqual(yield* readMetrics(file), [
                ...steps(1, resumed + 3),
                { step: resumed + 3, heldOutLoss: 0.5, standardError: 0.1 }
              ])
            }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
          )
      ),
      { numRuns: 30 }
    )
  })

  it.effect("keeps losses that are not finite as null", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const file = `${yield* fs.makeTempDirectoryScoped()}/metrics.jsonl`
      yield* write(file, 0, [{ ...trained(1), loss: Number.NaN }, trained(2)])
      const read = yield* readMetrics(file)
      assert.deepStrictEqual(read.map((metric) => "loss" in metric ? metric.loss : undefined), [null, 0.5])
    }).pipe(Effect.provide(NodeServices.layer)))

  it.effect("is in the file after a flush", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const file = `${yield* fs.makeTempDirectoryScoped()}/metrics.jsonl`
      const { add, flush } = yield* appendMetrics(file, { after: 0 })
      yield* add(trained(1))
      yield* flush
      assert.deepStrictEqual(yield* readMetrics(file), [trained(1)])
    }).pipe(Effect.provide(NodeServices.layer)))

  it.effect("that does not exist has no metrics", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* readMetrics("no/such/file"), [])
    }).pipe(Effect.provide(NodeServices.layer)))
})
