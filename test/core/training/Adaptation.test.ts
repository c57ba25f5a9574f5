/**
 * Pipelines that learn from the losses of their run, and samplers that are spread over several micro-batches.
 */
import { assert } from "@effect/vitest"
import type { Tensor } from "@effusion/core/engine"
import { lossSecondMomentTimesteps, Pipeline, timestepProbabilities, TimestepSampler } from "@effusion/core/pipeline"
import type { Stage } from "@effusion/core/pipeline"
import { linear } from "@effusion/core/schedule"
import { float32, int32 } from "@effusion/core/tensor"
import type { HostTensor } from "@effusion/core/tensor"
import { initialState, Training, type TrainingState } from "@effusion/core/training"
import * as tf from "@tensorflow/tfjs"
import { Effect, Layer, Result, Stream } from "effect"
import * as fc from "fast-check"
import { describeEngines } from "../../support/engines.ts"
import { forAll } from "../../support/properties.ts"
import { adaptivePipeline, adaptiveTimesteps, options, pipelineWith } from "./tiny.ts"

const learningSampler = Result.getOrThrow(
  lossSecondMomentTimesteps({ history: 2, uniform: 0.1, spread: "stratified" })
)
const schedule = Result.getOrThrow(linear({ steps: adaptiveTimesteps }))

describeEngines("a run whose timesteps depend on its losses", (it) => {
  it.effect("draws each step by the losses of the steps before it, and weighs what it draws", () =>
    forAll(
      fc.record({ accumulate: fc.constantFrom(1, 2, 3), seed: fc.nat(100) }),
      Effect.fnUntraced(function*({ accumulate, seed }) {
        const { batchSize } = options
        const { fused } = yield* adaptivePipeline
        const adaptation = fused.adaptation!
        const run = yield* Training.start({ ...options, pipeline: adaptivePipeline, accumulate, seed })
        const reports = yield* Stream.runCollect(run.reports)
        let state = adaptation.initial
        let uneven = 0
        reports.forEach(({ loss, perExample, timesteps }, step) => {
          const p = timestepProbabilities(learningSampler, schedule, state)
          if (p.some((probability) => probability !== p[0])) uneven++
          // A stratified batch has each timestep as often as it is likely, rounded up or down.
          const examples = accumulate * batchSize
          p.forEach((probability, t) => {
            const count = timesteps!.filter((timestep) => timestep === t).length
            assert.isBelow(Math.abs(count - examples * probability), 1 + 1e-4, `step ${step}, t = ${t}`)
          })
          const weighted = perExample.map((value, i) => value / (adaptiveTimesteps * p[timesteps![i]!]!))
          const mean = weighted.reduce((sum, value) => sum + value, 0) / examples
          assert.closeTo(loss, mean, 1e-5 * mean)
          state = adaptation.observe(state, { perExample, timesteps })
        })
        // Two losses of each timestep, and a step has each as often as it goes into its examples at least.
        const warmUp = Math.ceil(2 / Math.floor(accumulate * batchSize / adaptiveTimesteps))
        assert.strictEqual(uneven, options.steps - warmUp)
        assert.deepStrictEqual((yield* run.snapshot).adaptation, state)
      }),
      { numRuns: 6 }
    ))

  it.effect("begins evenly, with nothing learnt, and then goes another way than an even run", () =>
    Effect.gen(function*() {
      const even = pipelineWith(TimestepSampler.stratified, adaptiveTimesteps)
      const [adapted, uniform] = yield* Effect.forEach(
        [adaptivePipeline, even],
        (pipeline) =>
          Effect.scoped(Effect.gen(function*() {
            const run = yield* Training.start({ ...options, pipeline })
            const before = yield* run.snapshot
            const reports = yield* Stream.runCollect(run.reports)
            return { before, timesteps: reports.map(({ timesteps }) => Array.from(timesteps!)) }
          }))
      )
      assert.deepStrictEqual(adapted!.timesteps.slice(0, 2), uniform!.timesteps.slice(0, 2))
      assert.notDeepEqual(adapted!.timesteps.slice(2), uniform!.timesteps.slice(2))
      assert.deepStrictEqual(adapted!.before.adaptation, {
        "timesteps.losses": float32([adaptiveTimesteps, 2], new Float32Array(2 * adaptiveTimesteps)),
        "timesteps.counts": int32([adaptiveTimesteps], new Int32Array(adaptiveTimesteps))
      })
      assert.isUndefined(uniform!.before.adaptation)
    }))

  it.effect("refuses a state that has not learnt what it learns, or has where it does not", () =>
    Effect.gen(function*() {
      const { fused } = yield* adaptivePipeline
      const { adaptation, ...unadapted } = initialState({
        ...options,
        parameters: fused.parameters,
        adaptation: fused.adaptation!
      }, options)
      const refused = (resumeFrom: TrainingState, pipeline: typeof adaptivePipeline) =>
        Training.run({ ...options, pipeline, resumeFrom }).pipe(Stream.runDrain, Effect.flip, Effect.map(String))
      assert.include(
        yield* refused(unadapted, adaptivePipeline),
        "there is no adaptation to losses, and the run has one"
      )
      assert.include(
        yield* refused({ ...unadapted, adaptation: adaptation! }, options.pipeline),
        "there is an adaptation to losses, and the run has none"
      )
      const counts: HostTensor = float32([4], new Float32Array(4))
      assert.include(
        yield* refused({ ...unadapted, adaptation: { ...adaptation, "timesteps.counts": counts } }, adaptivePipeline),
        "adaptation \"timesteps.counts\" is float32, not int32"
      )
      const longer = { ...unadapted, adaptation: { ...adaptation, "timesteps.counts": int32([6], new Int32Array(6)) } }
      assert.include(yield* refused(longer, adaptivePipeline), "adaptation \"timesteps.counts\" is [6], not [5]")
    }))

  it.effect("does not save what it has learnt where that is not finite", () =>
    Effect.gen(function*() {
      const run = yield* Training.start({ ...options, pipeline: adaptivePipeline })
      const state = yield* run.snapshot
      const losses = float32([adaptiveTimesteps, 2], new Float32Array(2 * adaptiveTimesteps).fill(Infinity))
      const resumeFrom = { ...state, adaptation: { ...state.adaptation!, "timesteps.losses": losses } }
      const error = yield* Training.run({
        ...options,
        pipeline: adaptivePipeline,
        resumeFrom,
        checkpoints: { every: 1, save: () => Effect.succeed("nowhere") }
      }).pipe(Stream.runDrain, Effect.flip)
      assert.strictEqual(error._tag, "NonFiniteLoss")
    }).pipe(Effect.scoped))
})

describeEngines("an accumulated run", (it) => {
  it.effect("has the timesteps of one batch of all its micro-batches' examples, where they are spread", () =>
    Effect.gen(function*() {
      const samplers = [
        TimestepSampler.stratified,
        TimestepSampler.antithetic,
        Layer.orDie(TimestepSampler.logNormal({ spread: "stratified" })),
        Layer.orDie(TimestepSampler.logitNormal({ spread: "antithetic" }))
      ]
      for (const sampler of samplers) {
        const timestepsOf = (accumulate: number, batchSize: number) =>
          Training.run({ ...options, pipeline: pipelineWith(sampler), accumulate, batchSize, steps: 5 }).pipe(
            Stream.map(({ timesteps }) => Array.from(timesteps!)),
            Stream.runCollect
          )
        const whole = yield* timestepsOf(1, 12)
        assert.deepStrictEqual(yield* timestepsOf(3, 4), whole)
        assert.deepStrictEqual(yield* timestepsOf(4, 3), whole)
      }
    }))
})

describeEngines("several stages that learn", (it) => {
  it.effect("keep their states apart, and are run stage by stage as they are fused", () =>
    Effect.gen(function*() {
      // Each counts examples, weighted differently, and adds what it has counted to x0.
      const counting = (name: string, weight: number): Stage<{ x0: Tensor }, { x0: Tensor }> => ({
        name,
        parameters: {},
        draws: () => ({}),
        adaptation: {
          initial: { [`${name}.count`]: float32([], [0]) },
          tables: (state) => ({ [`${name}.table`]: state[`${name}.count`]! }),
          observe: (state, { perExample }) => ({
            [`${name}.count`]: float32([], [state[`${name}.count`]!.data[0]! + weight * perExample.length])
          })
        },
        specs: (input) => input,
        apply: ({ x0 }, { tables }) => ({ x0: tf.add(x0, tables![`${name}.table`]!) })
      })
      const [first, second] = [counting("a", 1), counting("b", 100)]
      const pipeline = yield* Pipeline.make(Effect.succeed(first), Effect.succeed(second))
      const { initial, observe } = pipeline.fused.adaptation!
      assert.deepStrictEqual(Object.keys(initial), ["a.count", "b.count"])
      const adaptation = observe(initial, { perExample: new Float32Array(3), timesteps: undefined })
      assert.deepStrictEqual([adaptation["a.count"]!.data[0], adaptation["b.count"]!.data[0]], [3, 300])
      const batches = Stream.make({ x0: float32([1], [7]) })
      const fused = yield* batches.pipe(Pipeline.through(pipeline.fused, { seed: 0, adaptation }), Stream.runCollect)
      const staged = yield* batches.pipe(
        Pipeline.through(first, { seed: 0, adaptation }),
        Pipeline.through(second, { seed: 0, adaptation }),
        Stream.runCollect
      )
      assert.deepStrictEqual(staged, fused)
      assert.deepStrictEqual(Array.from(fused[0]!.x0.data), [310])
      const twice = yield* Effect.exit(Pipeline.make(Effect.succeed(first), Effect.succeed(first)))
      assert.include(String(twice), `two stages of a pipeline both use the name "a.count"`)
    }))
})
