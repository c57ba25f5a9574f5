/**
 * What runs on an engine keeps the laws, on every engine; and what has a mistake does not.
 */
import { Engine } from "@effusion/core/engine"
import { Laws } from "@effusion/core/laws"
import { Effect } from "effect"
import { assert } from "vitest"
import { describeEngines } from "../../support/engines.ts"

describeEngines("on an engine", (it) => {
  it.effect("the laws hold: of itself, of a pipeline, of a training run, of a model", () =>
    Effect.gen(function*() {
      for (const suite of Laws.builtInOn(yield* Engine)) {
        const report = yield* Laws.check(suite)
        const broken = Laws.brokenLaws(report).map((law) =>
          Laws.showBroken(suite.subject, report.seed, law, JSON.stringify)
        )
        assert.deepStrictEqual(broken, [])
      }
    }))

  it.effect("every planted fault is caught by the law that should catch it", () =>
    Effect.gen(function*() {
      const reports = yield* Effect.forEach(Laws.faultsOn(yield* Engine), (fault) => Laws.expose(fault, { runs: 20 }))
      const missed = reports.filter(({ caught }) => !caught).map(({ caughtBy, name, others }) => ({
        name,
        caughtBy,
        others
      }))
      assert.deepStrictEqual(missed, [])
      assert.isAtLeast(reports.length, 20)
    }))
})
