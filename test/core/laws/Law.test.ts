/**
 * Searching for counterexamples, and saying what was found.
 */
import { Laws } from "@effusion/core/laws"
import { linear } from "@effusion/core/schedule"
import { Effect, Result } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"

const below = (bound: number, violation?: Laws.LawDefinition<number>["violation"]) =>
  Laws.law({
    name: "numbers/below",
    sentence: `numbers are below ${bound}`,
    source: "nowhere",
    inputs: fc.nat(10_000),
    violation: violation ?? ((n) => n < bound ? undefined : `${n} is not`)
  })

const search = (law: Laws.Law, options: Partial<Laws.Search> = {}) =>
  Effect.runPromise(law.search({ runs: 100, seed: 1, ...options }))

describe("a law", () => {
  it("that holds says how many cases were tried, and tries no more than are worth it", async () => {
    assert.deepStrictEqual(await search(below(10_001)), { verdict: "holds", runs: 100 })
    assert.deepStrictEqual(await search(below(10_001), { runs: 7 }), { verdict: "holds", runs: 7 })
    const once = Laws.law({
      name: "a",
      sentence: "b",
      source: "c",
      inputs: fc.nat(),
      violation: () => undefined,
      atMost: 3
    })
    assert.deepStrictEqual(await search(once), { verdict: "holds", runs: 3 })
  })

  it("that is broken has the simplest counterexample, whatever the seed", async () => {
    for (const seed of [1, 2, 3, -4]) {
      const { counterexample, verdict } = await search(below(5000), { seed })
      assert.strictEqual(verdict, "broken")
      assert.strictEqual(counterexample!.input, "5000")
      assert.strictEqual(counterexample!.violation, "5000 is not")
    }
  })

  it("leads straight to a counterexample again by its seed and path", async () => {
    const { counterexample } = await search(below(5000), { seed: 9 })
    const tried: Array<number> = []
    const watched = below(5000, (n) => {
      tried.push(n)
      return n < 5000 ? undefined : `${n} is not`
    })
    const again = await search(watched, { seed: 9, path: counterexample!.path })
    assert.strictEqual(tried[0], 5000)
    assert.strictEqual(again.counterexample!.input, "5000")
    assert.strictEqual(again.runs, 1)
    assert.strictEqual(again.counterexample!.path, counterexample!.path)
  })

  it("may be an Effect", async () => {
    const { counterexample } = await search(
      below(5000, (n) => Effect.as(Effect.yieldNow, n < 5000 ? undefined : `${n}`))
    )
    assert.strictEqual(counterexample!.input, "5000")
  })

  it("is broken by what throws, fails or dies, which says why", async () => {
    const failing: ReadonlyArray<Laws.LawDefinition<number>["violation"]> = [
      (n) => {
        if (n >= 5000) throw new RangeError("too large")
        return undefined
      },
      (n) => n < 5000 ? Effect.undefined : Effect.fail("too large"),
      (n) => n < 5000 ? Effect.undefined : Effect.die(new Error("too large"))
    ]
    for (const violation of failing) {
      const { counterexample, verdict } = await search(below(5000, violation))
      assert.strictEqual(verdict, "broken")
      assert.strictEqual(counterexample!.violation, "it fails: too large")
      assert.strictEqual(counterexample!.input, "5000")
    }
  })

  it("of what has no inputs is broken, not held", async () => {
    const never = Laws.law({
      name: "a",
      sentence: "b",
      source: "c",
      inputs: fc.nat(),
      violation: () => {
        fc.pre(false)
        return undefined
      }
    })
    const { counterexample, verdict } = await search(never)
    assert.strictEqual(verdict, "broken")
    assert.match(counterexample!.violation, /^no verdict/)
  })
})

describe("a suite", () => {
  const other = Laws.law({
    name: "numbers/other",
    sentence: "b",
    source: "c",
    inputs: fc.nat(),
    violation: () => undefined
  })

  it("refuses two laws of one name", () => {
    assert.throws(
      () => Laws.suite("numbers", [below(1), below(2)]),
      `two laws of numbers have the name "numbers/below"`
    )
  })

  it("is checked whole, by the kind of a law, or by one law's name", async () => {
    const suite = Laws.suite("numbers", [below(10_001), other])
    const names = async (law?: string) =>
      (await Effect.runPromise(Laws.check(suite, { law }))).laws.map(({ name }) => name)
    assert.deepStrictEqual(await names(), ["numbers/below", "numbers/other"])
    assert.deepStrictEqual(await names("numbers"), ["numbers/below", "numbers/other"])
    assert.deepStrictEqual(await names("numbers/other"), ["numbers/other"])
    assert.deepStrictEqual(await names("number"), [])
  })

  it("reports JSON that is the same each time", async () => {
    const suite = Laws.suite("numbers", [below(5000), other])
    const report = await Effect.runPromise(Laws.check(suite, { seed: 3 }))
    assert.deepStrictEqual(JSON.parse(JSON.stringify(report)), report)
    assert.deepStrictEqual(await Effect.runPromise(Laws.check(suite, { seed: 3 })), report)
    assert.deepStrictEqual(Laws.brokenLaws(report).map(({ name }) => name), ["numbers/below"])
  })
})

describe("in a test runner", () => {
  /** Declares the tests of a suite, and runs them. */
  const declare = (suite: Laws.Suite, options?: Laws.CheckOptions) => {
    const tests: Array<{ readonly name: string; readonly body: () => Promise<void> }> = []
    Laws.test((name, body) => tests.push({ name, body }), suite, options)
    return tests
  }

  it("each law is a test, named by its sentence", async () => {
    const tests = declare(Laws.suite("numbers", [below(10_001)]))
    assert.deepStrictEqual(tests.map(({ name }) => name), ["numbers: numbers are below 10001 (numbers/below)"])
    await tests[0]!.body()
  })

  it("a broken law fails its test with the counterexample, and what shows it again", async () => {
    const suite = Laws.suite("numbers", [below(5000)])
    const message = await declare(suite)[0]!.body().then(() => "", (error: Error) => error.message)
    assert.match(
      message,
      /^numbers\/below is broken, for numbers\n {2}law {6}numbers are below 5000\n {2}source {3}nowhere\n {2}but {6}5000 is not\n {2}where {4}5000\n {2}found {4}in case \d+, made simpler \d+ times\n {2}replay {3}pass \{"law":"numbers\/below","seed":1,"path":"[\d:]+"\} /
    )
    const replay = JSON.parse(/pass (\{.*\}) as/.exec(message)![1]!)
    const again = await declare(suite, replay)[0]!.body().then(() => "", (error: Error) => error.message)
    assert.include(again, "where    5000\n  found    in case 1\n")
  })

  it("counterexamples of schedules say what they were made from", async () => {
    const right = Result.getOrThrow(linear({ steps: 30, start: 0.01, end: 0.2 }))
    const suite = Laws.schedules(
      fc.integer({ min: 2, max: 30 }).map((steps) => ({
        ...Result.getOrThrow(linear({ steps, start: 0.01, end: 0.2 })),
        alphaBar: right.alphaBar.slice(0, steps)
      })),
      { rebuild: (_, config) => linear(config as { readonly steps: number }) }
    )
    const report = await Effect.runPromise(Laws.check(suite, { law: "schedule/alpha-bar-is-product" }))
    const { counterexample } = report.laws[0]!
    assert.match(
      counterexample!.input,
      /^linear \{"steps":2,"start":0.01,"end":0.2\}, 2 timesteps, alphaBar from 0.99 to /
    )
    assert.match(counterexample!.violation, /^at t = 1: alphaBar is /)
  })
})
