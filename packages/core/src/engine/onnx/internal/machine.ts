/**
 * ONNX Runtime as the engine's worker thread runs it: sessions, and the states that they step forward.
 *
 * A state whose next elements may be written over the present ones is kept once. Any other is kept twice over, once as
 * it is and once as an array for the next step to write to, so that steps do not allocate (nor fault in the pages of) a
 * state each. A step that fails may leave a state half written; the engine uses none after that.
 */
import { sizeOf } from "../../../tensor/HostTensor.ts"
import type { Compiled, Held, Machine } from "../../worker/Machine.ts"
import type { Arrays, Elements } from "../../worker/protocol.ts"
import type { Port, Session, Sessions, SessionSource } from "./session.ts"

/** The machine that runs encoded models in sessions. */
export const makeMachine = (sessions: Sessions): Machine<SessionSource> => ({
  compile: async (source): Promise<Compiled> => {
    const session = await sessions.create(source)
    discard(source.model.buffer)
    if (source.weights !== undefined) discard(source.weights.buffer)
    const { inPlace = true, inputs, outputs, overwritten = new Set<string>() } = source
    const program = { session, inputs, outputs, overwritten, inPlace }
    return { start: async (state) => hold(program, state), release: () => session.release() }
  }
})

/** Gives the memory of a buffer back at once, where Node can; else it is gone when it is collected. */
const discard = (buffer: ArrayBuffer & { readonly transfer?: (byteLength: number) => ArrayBuffer }): void => {
  if (buffer.byteLength > 0) buffer.transfer?.(0)
}

interface Program {
  readonly session: Session
  readonly inputs: ReadonlyArray<Port>
  readonly outputs: ReadonlyArray<Port>
  readonly overwritten: ReadonlySet<string>
  /** Whether arrays of the state before last are written to again. */
  readonly inPlace: boolean
}

interface Instance {
  /** The state by tensor name. */
  readonly state: Map<string, Elements>
  /** Arrays of the state before last, for the next step to write to. */
  readonly spare: Map<string, Elements>
}

const hold = (program: Program, arrays: Arrays): Held => {
  const instance: Instance = { state: new Map(Object.entries(arrays)), spare: new Map() }
  return {
    tensors: instance.state.size,
    bytes: Array.from(instance.state.values()).reduce((bytes, { byteLength }) => bytes + byteLength, 0),
    step: (input) => step(program, instance, input),
    read: async () => Object.fromEntries(Array.from(instance.state, ([name, elements]) => [name, elements.slice()])),
    write: async (state) => {
      for (const [name, elements] of Object.entries(state)) instance.state.set(name, elements)
    },
    release: async () => {
      instance.state.clear()
      instance.spare.clear()
    }
  }
}

/** Runs a program on the state of an instance, puts the next state in its place, and gives back the outputs. */
const step = async (program: Program, { spare, state }: Instance, input: Arrays): Promise<Arrays> => {
  const { inPlace, inputs, outputs, overwritten, session } = program
  const arguments_: Record<string, Elements> = {}
  for (const port of inputs) {
    const [role, name] = parse(port)
    arguments_[port.name] = role === "state" ? part(state.get(name)!, port) : input[name]!
  }

  const results: Record<string, Elements> = {}
  const output: Record<string, Elements> = {}
  const written = new Map<string, Elements>()
  for (const port of outputs) {
    const [role, name] = parse(port)
    if (role === "next") {
      if (!written.has(name)) {
        const present = state.get(name)!
        written.set(name, overwritten.has(name) ? present : spare.get(name) ?? emptyLike(present))
      }
      results[port.name] = part(written.get(name)!, port)
    } else results[port.name] = output[name] = allocate(port)
  }

  await session.run(arguments_, results)

  for (const [name, elements] of written) {
    if (overwritten.has(name)) continue
    if (inPlace) spare.set(name, state.get(name)!)
    state.set(name, elements)
  }
  return output
}

/** The role of a graph input or output, and its name in the program: `state.w` is `["state", "w"]`. */
const parse = ({ name: own, within }: Port): readonly [role: string, name: string] => {
  const name = within?.name ?? own
  const dot = name.indexOf(".")
  return [name.slice(0, dot), name.slice(dot + 1)]
}

/** The elements of a tensor that a graph input or output takes or makes, where they are. */
const part = (elements: Elements, { shape, within }: Port): Elements =>
  within === undefined ? elements : elements.subarray(within.offset, within.offset + sizeOf(shape))

const emptyLike = (elements: Elements): Elements =>
  elements instanceof Float32Array ? new Float32Array(elements.length) : new Int32Array(elements.length)

const allocate = ({ dtype, shape }: Port): Elements =>
  dtype === "float32" ? new Float32Array(sizeOf(shape)) : new Int32Array(sizeOf(shape))
