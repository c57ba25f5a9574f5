/**
 * Programs run at once: tfjs calls TensorFlow's operations one by one, at every step.
 *
 * States and constants are the addon's tensors, held in the ledger. tfjs has tensors only while a step runs.
 */
import * as tf from "@tensorflow/tfjs"
import { sameShape, showShape, type TensorSpec } from "../../../tensor/HostTensor.ts"
import { withBackend } from "../../backend.ts"
import { placingConstants } from "../../constants.ts"
import type { Signature } from "../../graph/Graph.ts"
import type { Program, Result, Tensors } from "../../Program.ts"
import type { Arrays, Compiled, Elements, Held, Machine } from "../../worker/index.ts"
import { Constants } from "./Constants.ts"
import { backendName, type Tensorflow, typeOf, wrap } from "./load.ts"

/** A program, and its signature as tracing has found it. */
export interface Source {
  readonly program: Program<Tensors, Tensors, Tensors>
  readonly signature: Signature
}

/** The machine that runs programs on tfjs's backend. */
export const makeMachine = (tensorflow: Tensorflow): Machine<Source> => ({
  compile: async (source): Promise<Compiled> => {
    const constants = new Constants(tensorflow)
    return {
      start: async (arrays) => hold(tensorflow, source, constants, arrays),
      release: async () => constants.release()
    }
  },
  lost: () => ({ instances: 0, tensors: tensorflow.ledger.unaccounted() })
})

type Specs = { readonly [name: string]: TensorSpec }

/** The addon's tensors by their names in a state. */
type State = { readonly [name: string]: number }

const hold = (tensorflow: Tensorflow, source: Source, constants: Constants, arrays: Arrays): Held => {
  const { ledger } = tensorflow
  const specs = source.signature.state
  let state = place(tensorflow, specs, arrays)
  const replace = (next: State): void => {
    const old = state
    state = next
    releaseAll(tensorflow, old)
  }
  const ids = Object.values(state)
  return {
    tensors: ids.length,
    bytes: ids.reduce((bytes, id) => bytes + ledger.bytesOf(id), 0),
    step: async (input) => {
      const { next, output } = step(tensorflow, source, constants, state, input)
      replace(next)
      return output
    },
    read: async () => read(tensorflow, state),
    write: async (arrays) => replace(place(tensorflow, specs, arrays)),
    release: async () => replace({})
  }
}

/** Makes the addon's tensors of arrays, all or none. The arrays belong to the addon from then on. */
const place = ({ backend, ledger }: Tensorflow, specs: Specs, arrays: Arrays): State =>
  holdAll({ backend, ledger }, (take) => {
    for (const [name, { dtype, shape }] of Object.entries(specs)) {
      take(name, backend.binding.createTensor(shape, typeOf(backend, dtype), arrays[name]!))
    }
  })

const read = ({ backend }: Tensorflow, state: State): Arrays =>
  Object.fromEntries(
    Object.entries(state).map(([name, id]) => [name, backend.binding.tensorDataSync(id) as Elements])
  )

/** Collects a state, held by name. If the function throws, nothing of it is held. */
const holdAll = (tensorflow: Tensorflow, collect: (take: (name: string, id: number) => void) => void): State => {
  const state: Record<string, number> = {}
  try {
    tensorflow.ledger.during(() =>
      collect((name, id) => {
        tensorflow.ledger.hold(id)
        state[name] = id
      })
    )
    return state
  } catch (cause) {
    releaseAll(tensorflow, state)
    throw cause
  }
}

const releaseAll = ({ ledger }: Tensorflow, state: State): void => {
  for (const id of Object.values(state)) ledger.release(id)
}

/**
 * Runs a program's function. Whatever it makes is gone afterwards, but for the next state; if it throws, that is gone too,
 * and the state before is whole.
 */
const step = (
  tensorflow: Tensorflow,
  { program, signature }: Source,
  constants: Constants,
  state: State,
  input: Arrays
): { readonly next: State; readonly output: Arrays } => {
  const { backend } = tensorflow
  let output: Arrays = {}
  const next = holdAll(
    tensorflow,
    (take) =>
      withBackend(backendName, () =>
        constants.during((constant) =>
          tf.tidy(() => {
            const result = placingConstants(constant, () =>
              program.apply(
                mapSpecs(signature.state, (spec, name) => wrap(tensorflow, spec, state[name]!)),
                mapSpecs(signature.input, ({ dtype, shape }, name) => tf.tensor(input[name]!, [...shape], dtype))
              ))
            requireSignature(signature, result)
            const idOf = (tensor: tf.Tensor) => backend.getInputTensorIds([tensor])[0]!
            for (const name of Object.keys(signature.state)) take(name, idOf(result.state[name]!))
            output = mapSpecs(
              signature.output,
              (_, name) => backend.binding.tensorDataSync(idOf(result.output[name]!)) as Elements
            )
          })
        ))
  )
  return { next, output }
}

/** What tracing has found holds at every step, unless the function depends on more than its arguments. */
const requireSignature = (signature: Signature, result: Result<Tensors, Tensors>): void => {
  for (const role of ["state", "output"] as const) {
    for (const [name, { dtype, shape }] of Object.entries(signature[role])) {
      const tensor = Object.hasOwn(result[role], name) ? result[role][name] : undefined
      if (tensor?.dtype !== dtype || !sameShape(tensor.shape, shape)) {
        throw new Error(
          `its ${role} "${name}" is ${
            tensor === undefined ? "missing" : `${tensor.dtype} ${showShape(tensor.shape)}`
          }, ` +
            `and was ${dtype} ${showShape(shape)} when it was compiled; it must depend on nothing but its arguments`
        )
      }
    }
  }
}

const mapSpecs = <A>(specs: Specs, f: (spec: TensorSpec, name: string) => A): { readonly [name: string]: A } =>
  Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, f(spec, name)]))
