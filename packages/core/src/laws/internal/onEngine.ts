import { Effect } from "effect"
import { constants, Engine, type HostOf, type Program, type Tensors } from "../../engine/index.ts"
import type { HostTensor } from "../../tensor/index.ts"
import type { Violation } from "../Law.ts"
import { allNear, same } from "./compare.ts"
import { eagerly } from "./eager.ts"

/** An engine that is at hand. */
export type EngineService = Engine["Service"]

/** Named host tensors. */
export type HostTensors = { readonly [name: string]: HostTensor }

/** Provides an engine that is at hand. */
export const onEngine =
  (engine: EngineService) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Engine>> =>
    Effect.provideService(effect, Engine, engine)

/** Compiles a program without state, runs it for each of the inputs, and releases it. */
export const runEach = <Input extends Tensors, Output extends Tensors>(
  engine: EngineService,
  program: Program<{}, Input, Output>,
  inputs: ReadonlyArray<HostOf<Input>>
): Effect.Effect<ReadonlyArray<HostOf<Output>>, unknown> =>
  Effect.scoped(Effect.gen(function*() {
    const executable = yield* engine.compile(program)
    const instance = yield* executable.start({})
    return yield* Effect.forEach(inputs, (input) => instance.step(input))
  }))

/** Runs a program without state at once, on plain tfjs. */
export const runPlainly = <Input extends Tensors, Output extends Tensors>(
  program: Program<{}, Input, Output>,
  input: HostOf<Input>
): HostTensors =>
  eagerly(() => {
    const { output } = program.apply({}, constants(input as HostTensors) as Input)
    return Object.fromEntries(
      Object.entries(output as Tensors).map(([name, tensor]) => [name, {
        dtype: tensor.dtype as HostTensor["dtype"],
        shape: tensor.shape,
        data: tensor.dataSync<"float32" | "int32">().slice()
      }])
    )
  })

/** What is wrong where two records of tensors should be the same, bit for bit. */
export const sameTensors = (what: string, actual: HostTensors, reference: string, expected: HostTensors): Violation =>
  overTensors(what, actual, reference, expected, (name, a, b) => same(name, a.data, reference, b.data))

/** What is wrong where two records of tensors should agree, within a part of the size of each. */
export const nearTensors = (
  what: string,
  actual: HostTensors,
  reference: string,
  expected: HostTensors,
  tolerance: number
): Violation =>
  overTensors(
    what,
    actual,
    reference,
    expected,
    (name, a, b) => allNear(name, a.data, reference, b.data, tolerance * Math.max(1, ...Array.from(b.data, Math.abs)))
  )

const overTensors = (
  what: string,
  actual: HostTensors,
  reference: string,
  expected: HostTensors,
  violation: (name: string, actual: HostTensor, expected: HostTensor) => Violation
): Violation => {
  const [names, known] = [Object.keys(actual).sort(), Object.keys(expected).sort()]
  if (names.join() !== known.join()) {
    return `${what} has the fields ${names.join(", ")}, but ${reference} ${known.join(", ")}`
  }
  for (const name of known) {
    const [a, b] = [actual[name]!, expected[name]!]
    if (a.dtype !== b.dtype || a.shape.join() !== b.shape.join()) {
      return `"${name}" of ${what} is ${a.dtype} [${a.shape.join(", ")}], but ${reference} ${b.dtype} [${
        b.shape.join(", ")
      }]`
    }
    const found = violation(`"${name}" of ${what}`, a, b)
    if (found !== undefined) return found
  }
  return undefined
}
