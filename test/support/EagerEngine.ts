/**
 * A second engine, for tests: runs programs at once on tfjs's `cpu` backend, in this thread. It shares nothing with the
 * engines that trace, so what both compute was not computed by their common mistake.
 *
 * That backend's gradient of nearest upsampling is wrong for batches over 1: do not ask it for that.
 */
import type { EngineMemory, HostOf, Instance, Program, SpecsOf, Tensor, Tensors } from "@effusion/core/engine"
import { CompilationFailed, Engine, ExecutionFailed, InvalidProgram, SignatureMismatch } from "@effusion/core/engine"
import { type HostTensor, sameShape, showShape, type TensorSpec, zeros } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect, Layer, Record, Semaphore } from "effect"
import type { Scope } from "effect"

/** Runs programs eagerly. Everything is counted in `memory`, as in the engines that hold native memory. */
export const layer: Layer.Layer<Engine> = Layer.effect(
  Engine,
  Effect.gen(function*() {
    yield* Effect.promise(() => tf.setBackend("cpu"))
    let memory = nothing
    const engine = yield* Effect.acquireRelease(
      Effect.sync((): Handle => ({ ended: undefined })),
      (engine) =>
        Effect.sync(() => {
          engine.ended = "the engine was closed"
          memory = nothing
        })
    )
    /** Counts something for as long as the scope is open. */
    const hold = (more: Partial<EngineMemory>, ended: string): Effect.Effect<Handle, never, Scope.Scope> =>
      Effect.acquireRelease(
        Effect.sync((): Handle => {
          if (engine.ended === undefined) memory = plus(memory, more, 1)
          return { ended: engine.ended }
        }),
        (handle) =>
          Effect.sync(() => {
            if (engine.ended === undefined) memory = plus(memory, more, -1)
            handle.ended = ended
          })
      )
    const compile = Effect.fnUntraced(function*(program: Program<Tensors, Tensors, Tensors>) {
      const { name } = program
      if (engine.ended !== undefined) {
        return yield* new CompilationFailed({ program: name, engine: "eager", reason: engine.ended })
      }
      const compute = (state: HostTensors, input: HostTensors) =>
        tidy(() => {
          const result = program.apply(Record.map(state, place), Record.map(input, place))
          return { state: Record.map(result.state, read), output: Record.map(result.output, read) }
        })
      const trial = yield* Effect.try({
        try: () => compute(Record.map(program.state, zeroOf), Record.map(program.input, zeroOf)),
        catch: (cause) => new InvalidProgram({ program: name, reason: String(cause), cause })
      })
      const executable = yield* hold({ executables: 1 }, "the compiled program was released: its scope is closed")
      const failed = (reason: string) => new ExecutionFailed({ program: name, engine: "eager", reason })
      const start = Effect.fnUntraced(function*(first: HostTensors) {
        const gone = engine.ended ?? executable.ended
        if (gone !== undefined) return yield* failed(gone)
        yield* requireSignature(name, "the state", program.state, first)
        const size = { instances: 1, tensors: Object.keys(first).length, bytes: bytesOf(first) }
        const held = yield* hold(size, "the instance was released: its scope is closed")
        const turn = Semaphore.makeUnsafe(1)
        let state = Record.map(first, copy)
        const inTurn = <A>(use: Effect.Effect<A, ExecutionFailed>): Effect.Effect<A, ExecutionFailed> =>
          turn.withPermit(Effect.suspend(() => {
            const gone = engine.ended ?? executable.ended ?? held.ended
            return gone === undefined ? use : Effect.fail(failed(gone))
          }))
        const step = (input: HostTensors) =>
          Effect.try({
            try: () => {
              const result = compute(state, input)
              state = result.state
              return result.output
            },
            catch: (cause) => {
              held.ended = `an earlier step failed: ${String(cause)}`
              return failed(String(cause))
            }
          })
        const instance: Instance<Tensors, Tensors, Tensors> = {
          step: (input) =>
            Effect.andThen(requireSignature(name, "the input", program.input, input), inTurn(step(input))),
          read: inTurn(Effect.sync(() => Record.map(state, copy))),
          write: (next) =>
            Effect.andThen(
              requireSignature(name, "the state", program.state, next),
              inTurn(Effect.sync(() => {
                state = Record.map(next, copy)
              }))
            )
        }
        return instance
      })
      const output = Record.map(trial.output, ({ dtype, shape }) => ({ dtype, shape }))
      return { name, state: program.state, input: program.input, output, start }
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

/** Something that is held, or why it cannot be used any more. */
interface Handle {
  ended: string | undefined
}

const nothing: EngineMemory = { executables: 0, instances: 0, tensors: 0, bytes: 0 }

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

const copy = (tensor: HostTensor): HostTensor => ({ ...tensor, data: tensor.data.slice() } as HostTensor)

const plus = (a: EngineMemory, b: Partial<EngineMemory>, sign: 1 | -1): EngineMemory =>
  Record.map(a as { readonly [K in keyof EngineMemory]: number }, (count, what) => count + sign * (b[what] ?? 0))

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
