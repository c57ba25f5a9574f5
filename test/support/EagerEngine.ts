/**
 * A second engine, for tests: runs programs at once on tfjs's `cpu` backend, in this thread. It shares nothing with the
 * engines that trace, so what both compute was not computed by their common mistake.
 *
 * That backend's gradient of nearest upsampling is wrong for batches over 1: do not ask it for that.
 */
import type { EngineMemory, HostOf, Instance, Program, SpecsOf, Tensor, Tensors } from "@effusion/core/engine"
import { Engine, InvalidProgram, SignatureMismatch } from "@effusion/core/engine"
import { type HostTensor, sameShape, showShape, type TensorSpec, zeros } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect, Layer, Record, Semaphore } from "effect"
import type { Scope } from "effect"

/** Runs programs eagerly. Everything is counted in `memory`, as in the engines that hold native memory. */
export const layer: Layer.Layer<Engine> = Layer.effect(
  Engine,
  Effect.gen(function*() {
    yield* Effect.promise(() => tf.setBackend("cpu"))
    let memory: EngineMemory = { executables: 0, instances: 0, tensors: 0, bytes: 0 }
    const hold = (more: EngineMemory): Effect.Effect<void, never, Scope.Scope> =>
      Effect.acquireRelease(
        Effect.sync(() => {
          memory = plus(memory, more, 1)
        }),
        () =>
          Effect.sync(() => {
            memory = plus(memory, more, -1)
          })
      )
    const compile = Effect.fnUntraced(function*(program: Program<Tensors, Tensors, Tensors>) {
      const compute = (state: HostTensors, input: HostTensors) =>
        tidy(() => {
          const result = program.apply(Record.map(state, place), Record.map(input, place))
          return { state: Record.map(result.state, read), output: Record.map(result.output, read) }
        })
      const trial = yield* Effect.try({
        try: () => compute(Record.map(program.state, zeroOf), Record.map(program.input, zeroOf)),
        catch: (cause) => new InvalidProgram({ program: program.name, reason: String(cause), cause })
      })
      yield* hold({ executables: 1, instances: 0, tensors: 0, bytes: 0 })
      const start = Effect.fnUntraced(function*(first: HostTensors) {
        yield* requireSignature(program.name, "the state", program.state, first)
        yield* hold({ executables: 0, instances: 1, tensors: Object.keys(first).length, bytes: bytesOf(first) })
        const turn = Semaphore.makeUnsafe(1)
        let state = first
        const instance: Instance<Tensors, Tensors, Tensors> = {
          step: (input) =>
            turn.withPermit(Effect.uninterruptible(Effect.gen(function*() {
              yield* requireSignature(program.name, "the input", program.input, input)
              const result = compute(state, input)
              state = result.state
              return result.output
            }))),
          read: turn.withPermit(Effect.sync(() => state)),
          write: (next) =>
            turn.withPermit(Effect.map(requireSignature(program.name, "the state", program.state, next), () => {
              state = next
            }))
        }
        return instance
      })
      const output = Record.map(trial.output, ({ dtype, shape }) => ({ dtype, shape }))
      return { name: program.name, state: program.state, input: program.input, output, start }
    })

    return {
      name: "eager",
      device: { kind: "cpu" as const, description: "tfjs cpu", threads: 1 },
      memory: Effect.sync(() => memory),
      // The types of a program are those of its executable; nothing at run time depends on them.
      compile: compile as unknown as Engine["Service"]["compile"]
    }
  })
)

type HostTensors = HostOf<Tensors>

/** `tf.tidy` for functions that return no tensors, which its type does not foresee. */
const tidy = <A>(f: () => A): A => tf.tidy(f as () => tf.TensorContainer) as A

const place = ({ data, dtype, shape }: HostTensor): Tensor => tf.tensor(data, [...shape], dtype)

const read = (tensor: Tensor): HostTensor => ({
  dtype: tensor.dtype as HostTensor["dtype"],
  shape: tensor.shape,
  data: tensor.dataSync<"float32" | "int32">().slice()
})

const zeroOf = ({ dtype, shape }: TensorSpec): HostTensor =>
  dtype === "float32" ? zeros(shape) : { dtype, shape, data: new Int32Array(zeros(shape).data.length) }

const bytesOf = (tensors: HostTensors): number =>
  Object.values(tensors).reduce((sum, { data }) => sum + data.byteLength, 0)

const plus = (a: EngineMemory, b: EngineMemory, sign: 1 | -1): EngineMemory => ({
  executables: a.executables + sign * b.executables,
  instances: a.instances + sign * b.instances,
  tensors: a.tensors + sign * b.tensors,
  bytes: a.bytes + sign * b.bytes
})

const requireSignature = (
  program: string,
  argument: string,
  specs: SpecsOf<Tensors>,
  tensors: HostTensors
): Effect.Effect<void, SignatureMismatch> => {
  for (const name of new Set([...Object.keys(specs), ...Object.keys(tensors)])) {
    const spec = specs[name]
    const tensor = tensors[name]
    if (
      spec === undefined || tensor === undefined || spec.dtype !== tensor.dtype || !sameShape(spec.shape, tensor.shape)
    ) {
      return Effect.fail(
        new SignatureMismatch({
          program,
          argument: `${argument} "${name}"`,
          expected: show(spec),
          actual: show(tensor)
        })
      )
    }
  }
  return Effect.void
}

const show = (spec: TensorSpec | undefined): string =>
  spec === undefined ? "absent" : `${spec.dtype} ${showShape(spec.shape)}`
