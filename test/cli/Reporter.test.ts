import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { TestClock, TestConsole } from "effect/testing"
import { Writable } from "node:stream"
import * as Progress from "../../packages/cli/src/report/progress.ts"
import type { RunEvent } from "../../packages/cli/src/report/Reporter.ts"
import { Reporter } from "../../packages/cli/src/report/Reporter.ts"

const started: RunEvent = {
  event: "start",
  run: "runs/digits-1",
  preset: "digits",
  data: "digits",
  examples: 9000,
  unit: "images",
  parameters: 1_112_801,
  engine: "onnx",
  device: "a processor",
  deviceKind: "cpu",
  threads: 2,
  batchSize: 32,
  accumulate: 1,
  steps: 100,
  from: 0
}

const ended: RunEvent = {
  event: "end",
  reason: "finished",
  step: 100,
  seconds: 241,
  run: "runs/digits-1",
  samples: "runs/digits-1/samples.png",
  next: "effusion sample runs/digits-1"
}

/** Reports a run of 100 steps that take 250 milliseconds each. */
const reportRun = Effect.gen(function*() {
  const { report } = yield* Reporter
  yield* report(started)
  let progress = Progress.start({ from: 0, steps: 100, batchSize: 32 })
  for (let step = 1; step <= 100; step++) {
    yield* TestClock.adjust("250 millis")
    progress = Progress.advance(progress, { step, loss: 1 / step, milliseconds: yield* Clock.currentTimeMillis })
    yield* report({ event: "step", progress, learningRate: 1e-3, gradientNorm: 2 })
    if (step === 50) {
      yield* report({ event: "checkpoint", step, path: "runs/digits-1/checkpoints/50" })
      yield* report({ event: "preview", step, path: "runs/digits-1/previews/step-050.png" })
    }
  }
  yield* report({ event: "evaluating", examples: 1000 })
  yield* report({ event: "evaluation", step: 100, loss: 0.02871, standardError: 0.0008 })
  yield* report(ended)
})

describe("plain lines", () => {
  it.effect("tell of the first step, the last one, and one every five seconds", () =>
    Effect.gen(function*() {
      yield* Effect.provide(reportRun, Reporter.lines)
      const lines = yield* TestConsole.logLines
      const steps = lines.map(String).filter((line) => line.startsWith("step") && line.includes("loss"))
      assert.deepStrictEqual(
        steps.map((line) => Number(/step +(\d+)/.exec(line)![1])),
        [1, 21, 41, 61, 81, 100]
      )
      assert.match(steps[1]!, /^step  21\/100, loss 0\.\d+, 128 images\/s, 20s left$/)
    }))

  it.effect("say what is going on, and where the pictures are", () =>
    Effect.gen(function*() {
      yield* Effect.provide(reportRun, Reporter.lines)
      const text = (yield* TestConsole.logLines).join("\n")
      assert.include(text, `Training "digits": a network of 1,112,801 parameters on 9,000 images, 100 steps of 32.`)
      assert.include(text, "step 50: what the network draws so far: runs/digits-1/previews/step-050.png")
      assert.include(text, "loss on held-out data: 0.0287")
      assert.include(text, "Done in 4m 1s.")
      assert.include(text, "open runs/digits-1/samples.png")
      assert.include(text, "effusion sample runs/digits-1")
    }))

  it.effect("say how far reading is every five seconds, and tell of the first step all the same", () =>
    Effect.gen(function*() {
      const reading = Effect.gen(function*() {
        const { report } = yield* Reporter
        for (let done = 1; done <= 60; done++) {
          yield* report({ event: "reading", done, count: 60 })
          yield* TestClock.adjust("200 millis")
        }
      })
      yield* Effect.provide(Effect.andThen(reading, reportRun), Reporter.lines)
      const lines = (yield* TestConsole.logLines).map(String)
      assert.deepStrictEqual(lines.slice(0, 2), [
        "reading pictures, 26 of 60 done",
        "reading pictures, 51 of 60 done"
      ])
      assert.isTrue(lines.some((line) => line.startsWith("step   1/100")))
    }))

  it.effect("say how to go on after an interruption", () =>
    Effect.gen(function*() {
      const { samples: _, ...event } = ended as Extract<RunEvent, { readonly event: "end" }>
      yield* Effect.provide(
        Reporter.use(({ report }) =>
          report({ ...event, reason: "interrupted", step: 7, next: "effusion train --resume runs/digits-1" })
        ),
        Reporter.lines
      )
      const text = (yield* TestConsole.logLines).join("\n")
      assert.include(text, "Stopped after step 7")
      assert.include(text, "effusion train --resume runs/digits-1")
    }))
})

describe("JSON lines", () => {
  it.effect("are one object for each event, and nothing else", () =>
    Effect.gen(function*() {
      yield* Effect.provide(reportRun, Reporter.json)
      const events = (yield* TestConsole.logLines).map((line) => JSON.parse(String(line)))
      assert.deepStrictEqual(
        events.map(({ event }) => event),
        [
          "start",
          ...Array.from({ length: 50 }, () => "step"),
          "checkpoint",
          "preview",
          ...Array.from({ length: 50 }, () => "step"),
          "evaluating",
          "evaluation",
          "end"
        ]
      )
      const { examplesPerSecond, secondsLeft, smoothedLoss, ...step } = events[2]
      assert.deepStrictEqual(step, {
        event: "step",
        step: 2,
        steps: 100,
        loss: 0.5,
        learningRate: 1e-3,
        gradientNorm: 2
      })
      assert.closeTo(examplesPerSecond, 128, 1e-9)
      assert.closeTo(secondsLeft, 24.5, 1e-9)
      assert.closeTo(smoothedLoss, (0.98 + 0.5) / 1.98, 1e-9)
    }))
})

describe("the progress bar", () => {
  /** A terminal that remembers what was written to it. */
  const terminal = () => {
    const written: Array<string> = []
    const stream = new Writable({
      write: (chunk, _, done) => {
        written.push(String(chunk))
        done()
      }
    })
    return { stream: Object.assign(stream, { isTTY: true, columns: 100 }), text: () => written.join("") }
  }

  it.effect("fills up, with the text beside it and other lines above it", () =>
    Effect.gen(function*() {
      const { stream, text } = terminal()
      yield* Effect.provide(reportRun, Reporter.bar(stream))
      assert.match(text(), /░/)
      assert.include(text(), "evaluating on 1,000 examples")
      assert.match(text(), /█+ +100% \| step 100\/100, loss 0\.\d+, 128 images\/s, 0s left/)
      assert.include(text(), "step 50: what the network draws so far: runs/digits-1/previews/step-050.png\n")
      assert.include(text(), "open runs/digits-1/samples.png\n")
      assert.isAbove(text().indexOf("Done in"), text().lastIndexOf("100%"))
    }))

  it.effect("shows how far reading is, and then the steps", () =>
    Effect.gen(function*() {
      const { stream, text } = terminal()
      const reading = Effect.gen(function*() {
        const { report } = yield* Reporter
        for (const done of [0, 30]) yield* report({ event: "reading", done, count: 40 })
        // What is above the bar is written as the bar is drawn again.
        yield* TestClock.withLive(Effect.sleep("450 millis"))
      })
      yield* Effect.provide(Effect.andThen(reading, reportRun), Reporter.bar(stream))
      assert.match(text(), /█+░+ +75% \| reading pictures, 30 of 40 done/)
      assert.match(text(), /█+ +100% \| step 100\/100/)
      assert.isAbove(text().lastIndexOf("step 100/100"), text().lastIndexOf("reading pictures"))
    }))

  it.effect("is gone when the run fails: no timer keeps the process alive", () =>
    Effect.gen(function*() {
      const { stream, text } = terminal()
      yield* Effect.provide(Reporter.use(({ report }) => report(started)), Reporter.bar(stream))
      const before = text()
      yield* TestClock.withLive(Effect.sleep("450 millis"))
      assert.strictEqual(text(), before)
    }))
})
