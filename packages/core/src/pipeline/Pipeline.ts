/**
 * Pipelines: stages, composed. A pipeline is data; it can be run stage by stage to look inside ({@link through}), or
 * fused into one stage ({@link fuse}), which training compiles together with the gradient and the optimiser.
 */
import { Effect, Record, Scope, Stream } from "effect"
import { Engine } from "../engine/Engine.ts"
import type { Instance } from "../engine/Engine.ts"
import type { CompileError, RunError } from "../engine/EngineError.ts"
import { qualify, unqualify } from "../engine/names.ts"
import type { HostOf, Program, SpecsOf, Tensors } from "../engine/Program.ts"
import type { DrawSpecs } from "../random/Distribution.ts"
import { drawnSpec } from "../random/Distribution.ts"
import { draw, Key } from "../random/index.ts"
import type { HostTensor, Shape, TensorSpec } from "../tensor/HostTensor.ts"
import { float32, sizeOf } from "../tensor/HostTensor.ts"
import type { DataMismatch } from "./DataMismatch.ts"
import { requireFit } from "./fit.ts"
import type { ParameterSpecs } from "./Parameter.ts"
import type { Adaptation, Mode, Stage } from "./Stage.ts"

/** Stages composed from `In` to `Out`. */
export interface Pipeline<In extends Tensors, Out extends Tensors> {
  readonly stages: ReadonlyArray<Stage<Tensors, Tensors>>
  /** The parameters of all stages. */
  readonly parameters: ParameterSpecs
  /** The stages as one. */
  readonly fused: Stage<In, Out>
}

/** A stage that is still asking for the services it depends on, and that they may not suit. */
export type StageEffect<In extends Tensors, Out extends Tensors, R, Error = never> = Effect.Effect<
  Stage<In, Out>,
  Error,
  R
>

/** Named host tensors. */
export type HostTensors = { readonly [name: string]: HostTensor }

interface Make {
  <
    A extends Tensors,
    B extends Tensors,
    R1,
    X1
  >(
    first: StageEffect<A, B, R1, X1>
  ): Effect.Effect<Pipeline<A, B>, X1, R1>
  <
    A extends Tensors,
    B extends Tensors,
    C extends Tensors,
    R1,
    R2,
    X1,
    X2
  >(
    first: StageEffect<A, B, R1, X1>,
    second: StageEffect<B, C, R2, X2>
  ): Effect.Effect<Pipeline<A, C>, X1 | X2, R1 | R2>
  <
    A extends Tensors,
    B extends Tensors,
    C extends Tensors,
    D extends Tensors,
    R1,
    R2,
    R3,
    X1,
    X2,
    X3
  >(
    first: StageEffect<A, B, R1, X1>,
    second: StageEffect<B, C, R2, X2>,
    third: StageEffect<C, D, R3, X3>
  ): Effect.Effect<Pipeline<A, D>, X1 | X2 | X3, R1 | R2 | R3>
  <
    A extends Tensors,
    B extends Tensors,
    C extends Tensors,
    D extends Tensors,
    E extends Tensors,
    R1,
    R2,
    R3,
    R4,
    X1,
    X2,
    X3,
    X4
  >(
    first: StageEffect<A, B, R1, X1>,
    second: StageEffect<B, C, R2, X2>,
    third: StageEffect<C, D, R3, X3>,
    fourth: StageEffect<D, E, R4, X4>
  ): Effect.Effect<Pipeline<A, E>, X1 | X2 | X3 | X4, R1 | R2 | R3 | R4>
  <
    A extends Tensors,
    B extends Tensors,
    C extends Tensors,
    D extends Tensors,
    E extends Tensors,
    F extends Tensors,
    R1,
    R2,
    R3,
    R4,
    R5,
    X1,
    X2,
    X3,
    X4,
    X5
  >(
    first: StageEffect<A, B, R1, X1>,
    second: StageEffect<B, C, R2, X2>,
    third: StageEffect<C, D, R3, X3>,
    fourth: StageEffect<D, E, R4, X4>,
    fifth: StageEffect<E, F, R5, X5>
  ): Effect.Effect<Pipeline<A, F>, X1 | X2 | X3 | X4 | X5, R1 | R2 | R3 | R4 | R5>
  <
    A extends Tensors,
    B extends Tensors,
    C extends Tensors,
    D extends Tensors,
    E extends Tensors,
    F extends Tensors,
    G extends Tensors,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    X1,
    X2,
    X3,
    X4,
    X5,
    X6
  >(
    first: StageEffect<A, B, R1, X1>,
    second: StageEffect<B, C, R2, X2>,
    third: StageEffect<C, D, R3, X3>,
    fourth: StageEffect<D, E, R4, X4>,
    fifth: StageEffect<E, F, R5, X5>,
    sixth: StageEffect<F, G, R6, X6>
  ): Effect.Effect<Pipeline<A, G>, X1 | X2 | X3 | X4 | X5 | X6, R1 | R2 | R3 | R4 | R5 | R6>
  <
    A extends Tensors,
    B extends Tensors,
    C extends Tensors,
    D extends Tensors,
    E extends Tensors,
    F extends Tensors,
    G extends Tensors,
    H extends Tensors,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    X1,
    X2,
    X3,
    X4,
    X5,
    X6,
    X7
  >(
    first: StageEffect<A, B, R1, X1>,
    second: StageEffect<B, C, R2, X2>,
    third: StageEffect<C, D, R3, X3>,
    fourth: StageEffect<D, E, R4, X4>,
    fifth: StageEffect<E, F, R5, X5>,
    sixth: StageEffect<F, G, R6, X6>,
    seventh: StageEffect<G, H, R7, X7>
  ): Effect.Effect<Pipeline<A, H>, X1 | X2 | X3 | X4 | X5 | X6 | X7, R1 | R2 | R3 | R4 | R5 | R6 | R7>
}

type AnyStage = Stage<Tensors, Tensors>

const compose = (
  ...effects: ReadonlyArray<StageEffect<Tensors, Tensors, unknown, unknown>>
): Effect.Effect<Pipeline<Tensors, Tensors>, unknown, unknown> =>
  Effect.map(Effect.all(effects), (stages) => {
    const fused = fuseStages(stages)
    return { stages, parameters: fused.parameters, fused }
  })

/**
 * Composes stages. Each stage must be satisfied by the fields of those before it, or the call does not type-check.
 *
 * @throws Error when two stages own a parameter of the same name: a mistake of the program.
 * @example
 * const pipeline = Pipeline.make(scheduleSampling, forwardNoising, noisePrediction, meanSquaredError)
 * //    ^ Effect<Pipeline<Clean, Loss>, never, TimestepSampler | NoiseSchedule | Denoiser | Objective>
 */
// The overloads above say what the types of a composition are; nothing at run time depends on them.
export const make = compose as unknown as Make

/**
 * The stages of a pipeline as one stage. It computes what {@link through} computes stage by stage.
 *
 * @example
 * const losses = batches.pipe(Pipeline.through(Pipeline.fuse(pipeline), { parameters, seed: 7 }))
 */
export const fuse = <In extends Tensors, Out extends Tensors>(pipeline: Pipeline<In, Out>): Stage<In, Out> =>
  pipeline.fused

const fuseStages = (stages: ReadonlyArray<AnyStage>): AnyStage => ({
  name: stages.map((stage) => stage.name).join(" -> "),
  parameters: stages.reduce<ParameterSpecs>((all, stage) => unite(all, stage.parameters), {}),
  draws: (input, mode) => {
    let specs = input
    let all: DrawSpecs = {}
    for (const stage of stages) {
      all = unite(all, stage.draws(specs, mode))
      specs = stage.specs(specs)
    }
    return all
  },
  ...adaptationOf(stages),
  specs: (input) => stages.reduce((specs, stage) => stage.specs(specs), input),
  refuses: (input) => {
    let specs = input
    for (const stage of stages) {
      const refused = stage.refuses?.(specs)
      if (refused !== undefined) return refused
      specs = stage.specs(specs)
    }
    return undefined
  },
  apply: (input, context) => stages.reduce((record, stage) => stage.apply(record, context), input)
})

/** What several stages learn, each from its own part of one state. */
const adaptationOf = (stages: ReadonlyArray<AnyStage>): { readonly adaptation?: Adaptation } => {
  const all = stages.flatMap(({ adaptation }) => adaptation ?? [])
  if (all.length === 0) return {}
  const part = ({ initial }: Adaptation, state: HostTensors) => Record.map(initial, (_, name) => state[name]!)
  const none: HostTensors = {}
  return {
    adaptation: {
      initial: all.reduce((united, { initial }) => unite(united, initial), none),
      tables: (state) => all.reduce((united, one) => unite(united, one.tables(part(one, state))), none),
      observe: (state, seen) => all.reduce((united, one) => unite(united, one.observe(part(one, state), seen)), none)
    }
  }
}

const unite = <T>(all: { readonly [name: string]: T }, more: { readonly [name: string]: T }) => {
  for (const name of Object.keys(more)) {
    if (Object.hasOwn(all, name)) throw new Error(`two stages of a pipeline both use the name "${name}"`)
  }
  return { ...all, ...more }
}

/** Which batch of which run draws are for. */
export interface DrawOptions {
  readonly seed: number
  /** Which batch of the run it is, counted from 0: the step, or where gradients are accumulated the micro-batch. */
  readonly step: number
  /** Micro-batches an optimiser step: what is drawn `over` a step is drawn over so many batches. Default 1. */
  readonly accumulate?: number
  /** Default `"training"`. */
  readonly mode?: Mode
}

/**
 * The random tensors that a stage (or a fused pipeline) needs for one batch: a pure function of (seed, step, name of
 * the draw), so that a run is the same on every engine and can resume at any step.
 *
 * What is drawn over a step comes from the number of the optimiser step, for all of its micro-batches at once; each takes
 * its own rows. So the micro-batches of a step have what one batch of all their examples would have.
 *
 * @param input the shapes of the batch
 * @example
 * const { noise, t } = Pipeline.draws(Pipeline.fuse(pipeline), { x0: batch.x0 }, { seed: 7, step: 0 })
 */
export const draws = <In extends Tensors, Out extends Tensors>(
  stage: Stage<In, Out>,
  input: SpecsOf<In>,
  { accumulate = 1, mode = "training", seed, step }: DrawOptions
): HostTensors => {
  const run = Key.fold(Key.make(seed), "draws")
  const ofBatch = Key.fold(run, step)
  const ofStep = Key.fold(run, Math.floor(step / accumulate))
  return Record.map(stage.draws(input, mode), (spec, name) => {
    if (spec.over !== "step") return draw(Key.fold(ofBatch, name), spec)
    const [examples, ...rest] = spec.shape
    const whole = draw(Key.fold(ofStep, name), { ...spec, shape: [accumulate * examples!, ...rest] })
    return rowsOf(whole, spec.shape, step % accumulate)
  })
}

/** Part `position` of a tensor that is cut along its first axis into parts of a shape. */
const rowsOf = ({ data, dtype }: HostTensor, shape: Shape, position: number): HostTensor => {
  const size = sizeOf(shape)
  return { dtype, shape, data: data.slice(position * size, (position + 1) * size) }
}

/**
 * Parameters as their initializers make them: a pure function of (seed, name of the parameter).
 *
 * @example
 * const parameters = Pipeline.initialize(pipeline.parameters, { seed: 7 })
 */
export const initialize = (specs: ParameterSpecs, options: { readonly seed: number }): HostTensors => {
  const key = Key.fold(Key.make(options.seed), "parameters")
  return Record.map(specs, ({ initializer, shape }, name) => float32(shape, initializer(Key.fold(key, name), shape)))
}

/** How {@link through} runs a stage. */
export interface ThroughOptions {
  /** The values of the stage's parameters; not needed when it has none. */
  readonly parameters?: HostTensors
  readonly seed: number
  /** Which batch of the run the first of the stream is. Default 0. */
  readonly from?: number
  /** Micro-batches an optimiser step; see {@link DrawOptions}. Default 1. */
  readonly accumulate?: number
  /** What the stage has learnt from the losses, as of a run's state. Default: nothing yet. */
  readonly adaptation?: HostTensors
  /** Default `"evaluation"`. */
  readonly mode?: Mode
}

/**
 * Sends a stream of batches through one stage, to look at what it makes. The stage is compiled once for each shape of
 * batch; what it holds of the engine is released when the stream ends. Fails with a `DataMismatch` where the stage refuses
 * batches of such shapes.
 *
 * @example
 * const noised = batches.pipe(Pipeline.through(timing, { seed: 7 }), Pipeline.through(noising, { seed: 7 }))
 */
export const through =
  <In extends Tensors, Out extends Tensors>(stage: Stage<In, Out>, options: ThroughOptions) =>
  <E, R>(
    batches: Stream.Stream<HostOf<In>, E, R>
  ): Stream.Stream<HostOf<Out>, E | DataMismatch | CompileError | RunError, R | Engine> =>
    Stream.unwrap(Effect.gen(function*() {
      const engine = yield* Engine
      const scope = yield* Effect.scope
      const mode = options.mode ?? "evaluation"
      const parameters = options.parameters ?? {}
      const tables = tablesOf(stage, options.adaptation)
      const instances = new Map<string, Instance<Tensors, Tensors, Tensors>>()

      const instanceFor = Effect.fnUntraced(function*(specs: SpecsOf<In>) {
        const signature = JSON.stringify(specs)
        const known = instances.get(signature)
        if (known !== undefined) return known
        yield* requireFit(stage, specs)
        const executable = yield* engine.compile(programOf(stage, parameters, specs, mode, tables))
        const instance = yield* executable.start(parameters)
        instances.set(signature, instance)
        return instance
      })

      return batches.pipe(
        Stream.zipWithIndex,
        Stream.mapEffect(Effect.fnUntraced(function*([batch, index]) {
          const specs = Record.map(batch, specOf) as SpecsOf<In>
          const instance = yield* Scope.provide(instanceFor(specs), scope)
          const random = draws(stage, specs, { ...options, mode, step: (options.from ?? 0) + index })
          const input = { ...qualify("field", batch), ...qualify("draw", random), ...qualify("table", tables) }
          return (yield* instance.step(input)) as HostOf<Out>
        }))
      )
    }))

const programOf = <In extends Tensors, Out extends Tensors>(
  stage: Stage<In, Out>,
  parameters: HostTensors,
  specs: SpecsOf<In>,
  mode: Mode,
  tables: HostTensors
): Program<Tensors, Tensors, Tensors> => ({
  name: stage.name,
  state: Record.map(parameters, specOf),
  input: {
    ...qualify("field", specs),
    ...qualify("draw", Record.map(stage.draws(specs, mode), drawnSpec)),
    ...qualify("table", Record.map(tables, specOf))
  },
  apply: (state, input) => ({
    state,
    output: stage.apply(unqualify("field", input) as In, {
      parameters: state,
      draws: unqualify("draw", input),
      tables: unqualify("table", input)
    })
  })
})

/**
 * The tables of what a stage has learnt from the losses; none where it learns nothing.
 *
 * @param state the state of its adaptation; that of the beginning of a run when not given
 * @example
 * const tables = Pipeline.tablesOf(Pipeline.fuse(pipeline), state.adaptation)
 */
export const tablesOf = <In extends Tensors, Out extends Tensors>(
  { adaptation }: Stage<In, Out>,
  state?: HostTensors
): HostTensors => adaptation === undefined ? {} : adaptation.tables(state ?? adaptation.initial)

const specOf = ({ dtype, shape }: HostTensor): TensorSpec => ({ dtype, shape })
