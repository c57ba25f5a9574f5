import { assert } from "@effect/vitest"
import { adamW, chain, clipByGlobalNorm, ema, LearningRate } from "@effusion/core/optimizer"
import { Training, type TrainingState } from "@effusion/core/training"
import { Effect, Stream } from "effect"
import * as fc from "fast-check"
import { describeEngines } from "../../support/engines.ts"
import { forAll } from "../../support/properties.ts"
import * as reference from "../optimizer/reference.ts"
import { batch, dimensions, lossAndGradient, pipeline, source, together } from "./regression.ts"

const steps = 6
const learningRate = LearningRate.linear({ peak: 0.1, steps, warmUp: 1 })
const average = ema({ decay: 0.75, warmUp: { power: 0.5 } })
const weightDecay = 0.125

/** Training again, as plain loops in float64. */
const trainByHand = (batchOf: (step: number) => ReturnType<typeof batch>, clip: number) => {
  let parameters: ReadonlyArray<number> = [0.5, -0.25, 1, 0.125]
  let averaged = parameters
  const losses: Array<number> = []
  const norms: Array<number> = []
  const gradients: Array<ReadonlyArray<number>> = []
  for (let step = 0; step < steps; step++) {
    const { gradient, loss } = lossAndGradient(batchOf(step), parameters)
    losses.push(loss)
    norms.push(reference.norm(gradient))
    gradients.push(reference.clip(gradient, clip))
    parameters = reference.adamW([0.5, -0.25, 1, 0.125], gradients, {
      learningRate,
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
      weightDecay
    }).at(-1)!
    const decay = Math.min(0.75, 1 - (1 + step) ** -0.5)
    averaged = averaged.map((value, i) => decay * value + (1 - decay) * parameters[i]!)
  }
  return { losses, norms, parameters, averaged }
}

const options = (accumulate: number, clip: number, size: number) => ({
  pipeline,
  data: source((index) => batch(index, size)),
  optimizer: chain(clipByGlobalNorm(clip), adamW({ learningRate, weightDecay })),
  average,
  steps,
  seed: 0,
  accumulate
})

const flat = ({ b, w }: TrainingState["parameters"]): ReadonlyArray<number> => [...w!.data, ...b!.data]

const assertClose = (actual: ReadonlyArray<number>, expected: ReadonlyArray<number>, what: string): void =>
  expected.forEach((value, i) =>
    assert.closeTo(actual[i]!, value, 2e-5 * Math.max(1, Math.abs(value)), `${what}, element ${i}`)
  )

describeEngines("a training run", (it) => {
  it.effect("computes what plain float64 loops compute: gradient, clipping, AdamW, average, accumulation", () =>
    forAll(
      fc.record({
        accumulate: fc.integer({ min: 1, max: 4 }),
        clip: fc.constantFrom(0.25, 100),
        size: fc.integer({ min: 1, max: 5 })
      }),
      Effect.fnUntraced(function*({ accumulate, clip, size }) {
        const whole = (step: number) =>
          together(Array.from({ length: accumulate }, (_, i) => batch(step * accumulate + i, size)))
        const expected = trainByHand(whole, clip)
        const run = yield* Training.start(options(accumulate, clip, size))
        const reports = yield* Stream.runCollect(run.reports)
        const state = yield* run.snapshot
        assertClose(reports.map(({ loss }) => loss), expected.losses, "loss")
        assertClose(reports.map(({ gradientNorm }) => gradientNorm), expected.norms, "gradient norm")
        assertClose(flat(state.parameters), expected.parameters, "parameters")
        assertClose(flat(state.average!), expected.averaged, "average")
        for (const report of reports) {
          assert.strictEqual(report.examples, accumulate * size)
          assert.strictEqual(report.perExample.length, accumulate * size)
          assert.strictEqual(report.timesteps, undefined)
        }
      }),
      { numRuns: 15 }
    ))

  it.effect("accumulating k micro-batches is one batch of all their examples", () =>
    forAll(
      fc.record({ k: fc.integer({ min: 2, max: 5 }), size: fc.integer({ min: 1, max: 4 }) }),
      Effect.fnUntraced(function*({ k, size }) {
        const final = Effect.fnUntraced(function*(of: ReturnType<typeof options>) {
          const run = yield* Training.start(of)
          yield* Stream.runDrain(run.reports)
          return yield* run.snapshot
        })
        const accumulated = yield* final(options(k, 0.5, size))
        const atOnce = yield* final({
          ...options(1, 0.5, size),
          data: source((step) => together(Array.from({ length: k }, (_, i) => batch(step * k + i, size))))
        })
        assertClose(flat(accumulated.parameters), flat(atOnce.parameters), "parameters")
        assertClose(flat(accumulated.average!), flat(atOnce.average!), "average")
        for (const [name, vector] of Object.entries(atOnce.optimizer)) {
          assertClose(flat(accumulated.optimizer[name]!), flat(vector), name)
        }
      }),
      { numRuns: 8 }
    ))

  it.effect("leaves a parameter that the loss does not depend on to the weight decay alone", () =>
    Effect.gen(function*() {
      const run = yield* Training.start(options(1, 1, 2))
      yield* Stream.runDrain(run.reports)
      const { optimizer, parameters } = yield* run.snapshot
      const left = Array.from({ length: steps }, (_, step) => 1 - learningRate(step) * weightDecay)
        .reduce((product, factor) => product * factor, 1)
      assertClose([...parameters["unused"]!.data], [3 * left, 4 * left], "unused")
      assert.deepStrictEqual([...optimizer["adamW.secondMoment"]!["unused"]!.data], [0, 0])
      assert.strictEqual(parameters["w"]!.data.length, dimensions)
    }).pipe(Effect.scoped))
})
