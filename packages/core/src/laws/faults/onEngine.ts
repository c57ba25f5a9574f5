/**
 * Mistakes in what runs on an engine: in stages and streams, training runs, models, and in the engine itself.
 */
import * as tf from "@tensorflow/tfjs"
import { Effect, Stream } from "effect"
import type { Executable, HostOf, Instance, Tensor, Tensors } from "../../engine/index.ts"
import { type Clean, type DenoiserShape, Pipeline } from "../../pipeline/index.ts"
import { float32, type HostTensor, sizeOf } from "../../tensor/index.ts"
import { engine as engineLaws } from "../engine.ts"
import type { Fault } from "../Fault.ts"
import type { EngineService, HostTensors } from "../internal/onEngine.ts"
import { tinyBatch, tinyDenoiser, tinyPipeline, tinyTraining } from "../internal/tiny.ts"
import { model as modelLaws } from "../model.ts"
import { pipeline as pipelineLaws, type PipelineLawOptions, type Through } from "../pipeline.ts"
import { training as trainingLaws } from "../training.ts"

/**
 * Subjects on an engine with one mistake each, every one of which a law catches.
 *
 * @example
 * const faults = Laws.faultsOn(yield* Engine)
 */
export const faultsOn = (engine: EngineService): ReadonlyArray<Fault> => [
  ...streamFaults(engine),
  ...trainingFaults(engine),
  ...modelFaults(engine),
  ...engineFaults(engine)
]

type Batches = Stream.Stream<HostOf<Clean>, unknown, unknown>

/** A way to send batches through a stage that does something to them, or to how they are sent. */
const sending = (
  send: (right: (batches: Batches, from: number) => Batches, batches: Batches, from: number) => Batches
): Through =>
  ((stage: Parameters<Through>[0], options: Parameters<Through>[1]) => (batches: Batches) =>
    send(
      (batches, from) => Pipeline.through(stage, { ...options, from })(batches as never) as Batches,
      batches,
      options.from ?? 0
    )) as unknown as Through

const streamFaults = (engine: EngineService): ReadonlyArray<Fault> => {
  const options: PipelineLawOptions<Clean> = { engine, batch: tinyBatch }
  const right = pipelineLaws(tinyPipeline, options)
  const fault = (
    name: string,
    caughtBy: string,
    mistake: string,
    wrong: Partial<typeof tinyPipeline>,
    through: Through = Pipeline.through
  ): Fault => ({
    name,
    mistake,
    caughtBy: `pipeline/${caughtBy}`,
    wrong: pipelineLaws({ ...tinyPipeline, ...wrong }, { ...options, through }),
    right
  })
  const { fused } = tinyPipeline
  return [
    fault("fused-without-dropout", "fused-is-staged", "the fused pipeline evaluates, where its stages train", {
      fused: {
        ...fused,
        apply: (input, { draws, parameters }) =>
          fused.apply(input, { parameters, draws: without(draws, "hidden.dropout") })
      }
    }),
    fault("loss-per-example-promised", "specs", "the stage says that the loss is a number for each example", {
      stages: tinyPipeline.stages.map((stage) => ({
        ...stage,
        specs: (input) => {
          const specs = stage.specs(input)
          return specs["loss"] === undefined ? specs : { ...specs, loss: specs["perExample"]! }
        }
      }))
    }),
    fault("fields-dropped", "keeps-fields", "a stage hands on the fields that it knows, and no others", {
      fused: {
        ...fused,
        apply: (input, context) => {
          const { loss, noise, perExample, prediction, t, target, x0, xt } = fused.apply(input, context)
          return { loss, noise, perExample, prediction, t, target, x0, xt }
        }
      }
    }),
    fault(
      "draws-keyed-by-chunk",
      "chunks",
      "draws are known by the place of a batch in its chunk",
      {},
      sending((right, batches) =>
        Stream.flatMap(Stream.chunks(batches), (chunk) => right(Stream.fromIterable(chunk), 0))
      )
    ),
    fault(
      "state-leaked-in-chunk",
      "chunks",
      "what is left of a batch is added to the next one, until the chunk ends",
      {},
      sending((right, batches, from) =>
        right(Stream.flatMap(Stream.chunks(batches), (chunk) => Stream.fromIterable(leaking(chunk))), from)
      )
    ),
    fault(
      "state-leaked-between-batches",
      "goes-on",
      "what is left of a batch is added to the next one",
      {},
      sending((right, batches, from) =>
        right(Stream.unwrap(Effect.map(Stream.runCollect(batches), (all) => Stream.fromIterable(leaking(all)))), from)
      )
    ),
    fault(
      "one-counter-for-all",
      "concurrency",
      "streams that run at the same time count their steps together",
      {},
      sharedCounter()
    )
  ]
}

const without = (tensors: Tensors, name: string): Tensors =>
  Object.fromEntries(Object.entries(tensors).filter(([key]) => key !== name))

/** Adds the first number of each batch to all of the next. */
const leaking = (batches: ReadonlyArray<HostOf<Clean>>): ReadonlyArray<HostOf<Clean>> =>
  batches.map((batch, i) => {
    const before = batches[i - 1]?.x0.data[0] ?? 0
    return { ...batch, x0: float32(batch.x0.shape, Array.from(batch.x0.data, (value) => value + before)) }
  })

/** Counts the batches of all streams that are running in one variable. */
const sharedCounter = (): Through => {
  let running = 0
  let step = 0
  return sending((right, batches, from) =>
    Stream.unwrap(
      Effect.acquireRelease(
        Effect.sync(() => {
          if (running++ === 0) step = 0
        }),
        () =>
          Effect.sync(() => {
            running--
          })
      ).pipe(Effect.as(Stream.flatMap(batches, (batch) => right(Stream.make(batch), from + step++))))
    )
  )
}

const trainingFaults = (engine: EngineService): ReadonlyArray<Fault> => {
  const right = trainingLaws(tinyTraining, { engine })
  const fault = (name: string, caughtBy: string, mistake: string, wrong: Partial<typeof tinyTraining>): Fault => ({
    name,
    mistake,
    caughtBy: `training/${caughtBy}`,
    wrong: trainingLaws({ ...tinyTraining, ...wrong }, { engine }),
    right
  })
  const { data, optimizer } = tinyTraining
  return [
    fault("resumed-skips-a-batch", "resumed", "a resumed run begins with the batch after the next", {
      data: (from) => data(from === 0 ? 0 : from + 1)
    }),
    fault("resumed-starts-over", "resumed", "a resumed run sees the batches from the beginning again", {
      data: () => data(0)
    }),
    fault(
      "data-remembers",
      "repeatable",
      "a second run goes on in the data where the first one stopped",
      remembering(data)
    ),
    fault(
      "learning-rate-counts-calls",
      "repeatable",
      "the learning rate falls with each use of the optimiser, in whatever run",
      counting(optimizer)
    ),
    fault(
      "data-follows-the-step",
      "prefetch",
      "a batch is made harder by the step that is being trained when it is made, not by the one that it is for",
      following(data, optimizer)
    )
  ]
}

const remembering = (data: typeof tinyTraining.data): Pick<typeof tinyTraining, "data"> => {
  let next = 0
  return {
    data: () => Stream.flatMap(Stream.forever(Stream.sync(() => next++)), (index) => Stream.take(data(index), 1))
  }
}

const counting = (optimizer: typeof tinyTraining.optimizer): Pick<typeof tinyTraining, "optimizer"> => {
  let calls = 0
  return { optimizer: { ...optimizer, hyperparameters: () => optimizer.hyperparameters(calls++) } }
}

const following = (
  data: typeof tinyTraining.data,
  optimizer: typeof tinyTraining.optimizer
): Pick<typeof tinyTraining, "data" | "optimizer"> => {
  let current = 0
  return {
    data: (from) =>
      Stream.mapEffect(
        data(from),
        ({ x0 }) =>
          Effect.sync(() => ({ x0: float32(x0.shape, Array.from(x0.data, (value) => value * (1 + current))) }))
      ),
    optimizer: {
      ...optimizer,
      hyperparameters: (step) => {
        current = step
        return optimizer.hyperparameters(step)
      }
    }
  }
}

const modelFaults = (engine: EngineService): ReadonlyArray<Fault> => {
  const right = modelLaws(tinyDenoiser, { engine })
  const fault = (
    name: string,
    caughtBy: string,
    mistake: string,
    change: (prediction: Tensor, x: Tensor) => Tensor
  ): Fault => {
    const wrong: DenoiserShape = {
      ...tinyDenoiser,
      name,
      apply: (parameters, input) => change(tinyDenoiser.apply(parameters, input), input.x)
    }
    return { name, mistake, caughtBy: `model/${caughtBy}`, wrong: modelLaws(wrong, { engine }), right }
  }
  let calls = 0
  return [
    fault(
      "coordinate-lost",
      "shape",
      "the prediction lacks the last coordinate",
      (prediction) => tf.slice(prediction, [0, 0], [-1, 1])
    ),
    fault(
      "root-of-negative",
      "shape",
      "the prediction is the root of numbers that may be negative",
      (prediction) => tf.sqrt(prediction)
    ),
    fault(
      "counts-its-calls",
      "repeatable",
      "a prediction is larger each time that the model is applied",
      (prediction) => tf.mul(prediction, 1 + calls++ / 10)
    ),
    fault(
      "place-in-batch",
      "permutes",
      "examples are told apart by their place in the batch",
      (prediction) => tf.add(prediction, tf.reshape(tf.range(0, prediction.shape[0]!), [-1, 1]))
    ),
    fault(
      "statistics-of-batch",
      "splits",
      "the mean over the batch is taken out of predictions",
      (prediction) => tf.sub(prediction, tf.mean(prediction, 0, true))
    ),
    fault(
      "gradient-sign-in-model",
      "gradient",
      "a gradient that was written by hand has the wrong sign",
      (prediction) =>
        tf.customGrad((x) => ({
          value: tf.tanh(x as Tensor),
          gradFunc: (dy: Tensor) => tf.neg(dy)
        }))(prediction)
    )
  ]
}

const engineFaults = (engine: EngineService): ReadonlyArray<Fault> => {
  const right = engineLaws(engine)
  const fault = (name: string, caughtBy: string, mistake: string, wrong: EngineService): Fault => ({
    name,
    mistake,
    caughtBy: `engine/${caughtBy}`,
    wrong: engineLaws({ ...wrong, name }),
    right
  })
  /** The engine with other executables. */
  const compiling = (change: (right: AnyExecutable) => AnyExecutable): EngineService => ({
    ...engine,
    compile: (program) => Effect.map(engine.compile(program), (executable) => change(executable as never) as never)
  })
  /** The engine with other instances. */
  const starting = (change: (right: AnyInstance, executable: AnyExecutable) => AnyInstance): EngineService =>
    compiling((executable) => ({
      ...executable,
      start: (state, options) =>
        Effect.map(executable.start(state, options), (instance) => change(instance, executable))
    }))
  let compiled = 0
  return [
    fault(
      "outputs-rounded",
      "computes",
      "outputs keep three decimal digits",
      starting((instance) => ({
        ...instance,
        step: (input) =>
          Effect.map(
            instance.step(input),
            (output) =>
              mapTensors(output, ({ data, shape }) =>
                float32(
                  shape,
                  Array.from(data, (value) => Math.fround(Number(value.toPrecision(3))))
                ))
          )
      }))
    ),
    fault(
      "outputs-by-place",
      "gradient",
      "where a program has two outputs, each is handed out under the other's name",
      starting((instance) => ({
        ...instance,
        step: (input) =>
          Effect.map(instance.step(input), (output) => {
            const names = Object.keys(output)
            return names.length === 2 ? { [names[0]!]: output[names[1]!]!, [names[1]!]: output[names[0]!]! } : output
          })
      }))
    ),
    fault(
      "state-not-kept",
      "steps-state",
      "each step begins with the state of the first",
      starting((instance) => {
        let first: HostTensors | undefined
        return {
          ...instance,
          step: (input) =>
            Effect.gen(function*() {
              first ??= yield* instance.read
              yield* instance.write(first)
              return yield* instance.step(input)
            })
        }
      })
    ),
    fault(
      "state-shared",
      "instances-apart",
      "all states of a program are the first one",
      compiling((executable) => {
        let only: AnyInstance | undefined
        return {
          ...executable,
          start: (state, options) =>
            Effect.suspend(() =>
              only === undefined
                ? Effect.map(executable.start(state, options), (instance) => only = instance)
                : Effect.succeed(only)
            )
        }
      })
    ),
    fault("never-released", "releases", "compiled programs stay when their scope closes", {
      ...engine,
      compile: (program) =>
        Effect.suspend(() => {
          compiled++
          return engine.compile(program)
        }),
      memory: Effect.map(engine.memory, (memory) => ({ ...memory, executables: compiled }))
    }),
    fault(
      "takes-any-shape",
      "refuses",
      "inputs of another shape are cut, or filled with zeros",
      starting((instance, { input: specs }) => ({
        ...instance,
        step: (input) =>
          instance.step(mapTensors(input, ({ data }, name) => {
            const { shape } = specs[name]!
            return float32(shape, Array.from({ length: sizeOf(shape) }, (_, i) => data[i] ?? 0))
          }))
      }))
    )
  ]
}

type AnyExecutable = Executable<Tensors, Tensors, Tensors>
type AnyInstance = Instance<Tensors, Tensors, Tensors>

const mapTensors = (
  tensors: HostTensors,
  change: (tensor: HostTensor, name: string) => HostTensor
): HostTensors => Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, change(tensor, name)]))
