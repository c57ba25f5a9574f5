/**
 * Laws of stages and pipelines: that batches come out the same however they go in.
 */
import { Effect, Record, Stream } from "effect"
import * as fc from "fast-check"
import type { HostOf, Tensors } from "../engine/index.ts"
import { Pipeline, type Stage } from "../pipeline/index.ts"
import { float32 } from "../tensor/index.ts"
import { among, first } from "./internal/compare.ts"
import { type EngineService, type HostTensors, nearTensors, onEngine, sameTensors } from "./internal/onEngine.ts"
import { type Law, law, type Suite, suite, type Violation } from "./Law.ts"

/** How the laws of a pipeline are stated. */
export interface PipelineLawOptions<In extends Tensors> {
  /** What the suite is called: the names of the stages unless given. */
  readonly subject?: string | undefined
  /** What it runs on. */
  readonly engine: EngineService
  /** A batch of so many examples: a pure function of a seed and the number. */
  readonly batch: (seed: number, size: number) => HostOf<In>
  /** What sends a stream of batches through a stage; `Pipeline.through` unless given. */
  readonly through?: Through | undefined
}

/** What sends a stream of batches through a stage. */
export type Through = typeof Pipeline.through

/**
 * The laws of a pipeline.
 *
 * @example
 * const engine = yield* Engine
 * const pipeline = yield* Pipeline.make(scheduleSampling, forwardNoising)
 * Laws.pipeline(pipeline, { engine, batch: (seed, size) => ({ x0: somePoints(seed, size) }) })
 */
export const pipeline = <In extends Tensors, Out extends Tensors>(
  pipeline: Pipeline.Pipeline<In, Out>,
  options: PipelineLawOptions<In>
): Suite =>
  suite(options.subject ?? `the pipeline ${pipeline.fused.name}`, [
    fusedIsStaged(pipeline, options),
    ...lawsOf(pipeline.fused, pipeline.stages, options)
  ])

/**
 * The laws of one stage.
 *
 * @example
 * Laws.stage(halveContrast, { engine, batch: (seed, size) => ({ x0: somePoints(seed, size) }) })
 */
export const stage = <In extends Tensors, Out extends Tensors>(
  stage: Stage<In, Out>,
  options: PipelineLawOptions<In>
): Suite =>
  suite(
    options.subject ?? `the stage "${stage.name}"`,
    lawsOf(stage, [stage as unknown as Stage<Tensors, Tensors>], options)
  )

/** A stream of batches, and how it is run. */
interface Case {
  readonly seed: number
  /** The sizes of the batches. */
  readonly sizes: ReadonlyArray<number>
  readonly mode: "training" | "evaluation"
}

const cases: fc.Arbitrary<Case> = fc.record({
  seed: fc.nat(1000),
  sizes: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 4 }),
  mode: fc.constantFrom("evaluation" as const, "training" as const)
})

const show = ({ mode, seed, sizes }: Case): string => `seed ${seed}, batches of ${sizes.join(", ")} examples, ${mode}`

/** Each case compiles programs. */
const few = 6

/** Records of host tensors, whatever they are called. */
const asHost = (records: ReadonlyArray<HostOf<Tensors>>): ReadonlyArray<HostTensors> => records

const run = <In extends Tensors, Out extends Tensors>(
  stage: Stage<In, Out>,
  { engine, through = Pipeline.through }: PipelineLawOptions<In>,
  { mode, seed }: Omit<Case, "sizes">,
  batches: Stream.Stream<HostOf<In>>,
  from = 0
): Effect.Effect<ReadonlyArray<HostTensors>, unknown> => {
  const parameters = Pipeline.initialize(stage.parameters, { seed: 5 })
  return batches.pipe(
    through(stage, { parameters, seed, mode, from }),
    Stream.runCollect,
    onEngine(engine),
    Effect.map((outputs) => asHost(outputs as ReadonlyArray<HostOf<Tensors>>))
  )
}

const batchesOf = <In extends Tensors>(
  { batch }: PipelineLawOptions<In>,
  { seed, sizes }: Case
): ReadonlyArray<HostOf<In>> => sizes.map((size, i) => batch(seed + i, size))

const sameOutputs = (
  what: string,
  actual: ReadonlyArray<HostTensors>,
  reference: string,
  expected: ReadonlyArray<HostTensors>
): Violation => {
  if (actual.length !== expected.length) {
    return `${what} has ${actual.length} batches, but ${reference} ${expected.length}`
  }
  return among(actual.entries(), ([i, output]) => sameTensors(`batch ${i} ${what}`, output, reference, expected[i]!))
}

const fusedIsStaged = <In extends Tensors, Out extends Tensors>(
  { fused, stages }: Pipeline.Pipeline<In, Out>,
  options: PipelineLawOptions<In>
): Law =>
  law({
    name: "pipeline/fused-is-staged",
    sentence: "the stages in one program give what they give one after the other, within 1e-5 of its size",
    source: "a composition of functions is one function; the draws are known by seed, step and name",
    atMost: few,
    inputs: cases,
    show,
    violation: Effect.fnUntraced(function*(input: Case) {
      const batches = batchesOf(options, input)
      const together = yield* run(fused, options, input, Stream.fromIterable(batches))
      let apart: ReadonlyArray<HostTensors> = batches as ReadonlyArray<HostTensors>
      for (const stage of stages) {
        const stageOptions = options as unknown as PipelineLawOptions<Tensors>
        apart = yield* run(stage, stageOptions, input, Stream.fromIterable(apart))
      }
      return among(together.entries(), ([i, output]) =>
        nearTensors(`batch ${i} of the fused pipeline`, output, "stage by stage it has", apart[i] ?? {}, 1e-5))
    })
  })

const lawsOf = <In extends Tensors, Out extends Tensors>(
  stage: Stage<In, Out>,
  stages: ReadonlyArray<Stage<Tensors, Tensors>>,
  options: PipelineLawOptions<In>
): ReadonlyArray<Law> => [
  law({
    name: "pipeline/specs",
    sentence: "what comes out has the fields, shapes and dtypes that the stage says",
    source: "an engine compiles a stage by what it says of its shapes",
    atMost: few,
    inputs: cases,
    show,
    violation: Effect.fnUntraced(function*(input: Case) {
      const batches = batchesOf(options, input)
      const outputs = yield* run(stage, options, input, Stream.fromIterable(batches))
      return among(outputs.entries(), ([i, output]) => {
        let specs: { readonly [name: string]: { readonly shape: ReadonlyArray<number>; readonly dtype: string } } =
          Record.map(batches[i] as HostTensors, ({ dtype, shape }) => ({ dtype, shape }))
        for (const each of stages) specs = each.specs(specs as ReturnType<typeof each.specs>)
        return first(
          ...Object.keys({ ...specs, ...output }).map((name): Violation => {
            const [said, made] = [specs[name], output[name]]
            const showOne = (spec: typeof said) =>
              spec === undefined ? "nothing" : `${spec.dtype} [${spec.shape.join(", ")}]`
            return showOne(said) === showOne(made)
              ? undefined
              : `"${name}" of batch ${i} is ${showOne(made)}, but the stage says ${showOne(said)}`
          })
        )
      })
    })
  }),
  law({
    name: "pipeline/keeps-fields",
    sentence: "a field that the stage does not know comes out as it went in, bit for bit",
    source: "stages add fields to a record, so that others may go between them",
    atMost: few,
    inputs: cases,
    show,
    violation: Effect.fnUntraced(function*(input: Case) {
      const extra = "a field of somebody else's"
      const batches = batchesOf(options, input).map((batch, i) => ({
        ...batch,
        [extra]: float32([input.sizes[i]!], Array.from({ length: input.sizes[i]! }, (_, k) => k + i))
      }))
      const outputs = yield* run(stage, options, input, Stream.fromIterable(batches))
      return among(outputs.entries(), ([i, output]) =>
        output[extra] === undefined
          ? `the field is not there after the stage (batch ${i})`
          : sameTensors(`batch ${i}`, { [extra]: output[extra] }, "it had", { [extra]: batches[i]![extra]! }))
    })
  }),
  law({
    name: "pipeline/chunks",
    sentence: "the chunks that batches come in change nothing, bit for bit",
    source: "determinism: a batch's result is a function of the batch, the seed and the step",
    atMost: few,
    inputs: fc.record({ input: cases, chunk: fc.integer({ min: 1, max: 4 }) }),
    show: ({ chunk, input }) => `${show(input)}, in chunks of ${chunk}`,
    violation: Effect.fnUntraced(function*({ chunk, input }: { readonly input: Case; readonly chunk: number }) {
      const batches = Stream.fromIterable(batchesOf(options, input))
      const expected = yield* run(stage, options, input, Stream.rechunk(batches, 1))
      const actual = yield* run(stage, options, input, Stream.rechunk(batches, chunk))
      return sameOutputs(`in chunks of ${chunk}`, actual, "one by one it has", expected)
    })
  }),
  law({
    name: "pipeline/goes-on",
    sentence: "batches from step k on give what they give as the end of all batches, bit for bit",
    source: "determinism: draws are a function of seed, step and name, so a run may be resumed anywhere",
    atMost: few,
    inputs: fc.record({ input: cases, from: fc.integer({ min: 0, max: 3 }) }),
    show: ({ from, input }) => `${show(input)}, from step ${Math.min(from, input.sizes.length)}`,
    violation: Effect.fnUntraced(function*({ from, input }: { readonly input: Case; readonly from: number }) {
      const batches = batchesOf(options, input)
      const whole = yield* run(stage, options, input, Stream.fromIterable(batches))
      const part = yield* run(stage, options, input, Stream.fromIterable(batches.slice(from)), from)
      return sameOutputs(`of those from step ${from} on`, part, "in all batches it has", whole.slice(from))
    })
  }),
  law({
    name: "pipeline/concurrency",
    sentence: "streams that run at the same time on one engine give what each gives alone, bit for bit",
    source: "no hidden state: what is compiled belongs to its own stream",
    atMost: few,
    inputs: fc.tuple(cases, cases),
    show: (both) => both.map(show).join("; and "),
    violation: Effect.fnUntraced(function*(both: readonly [Case, Case]) {
      // Each stream lets the other go on between two batches, even on an engine that never waits.
      const runOne = (input: Case) =>
        run(
          stage,
          options,
          input,
          Stream.mapEffect(Stream.fromIterable(batchesOf(options, input)), (batch) => Effect.as(Effect.yieldNow, batch))
        )
      const alone = yield* Effect.forEach(both, runOne)
      const together = yield* Effect.forEach(both, runOne, { concurrency: "unbounded" })
      return among([0, 1], (i) => sameOutputs(`of stream ${i}`, together[i]!, "alone it has", alone[i]!))
    })
  })
]
