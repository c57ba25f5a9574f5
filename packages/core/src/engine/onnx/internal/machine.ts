/**
 * ONNX Runtime as the engine's worker thread runs it: sessions, and the states that they step forward.
 *
 * The state is kept twice over, once as it is and once as arrays for the next step to write to:
 * a step that fails leaves the state whole, and steps do not allocate (nor fault in the pages of) a state each.
 */
import { sizeOf } from "../../../tensor/HostTensor.ts"
import type { Compiled, Held, Machine } from "../../worker/Machine.ts"
import type { Arrays, Elements } from "../../worker/protocol.ts"
import type { Port, Session, Sessions, SessionSource } from "./session.ts"

/** The machine that runs encoded models in sessions. */
export const makeMachine = (sessions: Sessions): Machine<SessionSource> => ({
  compile: async (source): Promise<Compiled> => {
    const session = await sessions.create(source)
    const program = { session, inputs: source.inputs, outputs: source.outputs }
    return { start: async (state) => hold(program, state), release: () => session.release() }
  }
})

interface Program {
  readonly session: Session
  readonly inputs: ReadonlyArray<Port>
  readonly outputs: ReadonlyArray<Port>
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
const step = async ({ inputs, outputs, session }: Program, instance: Instance, input: Arrays): Promise<Arrays> => {
  const arguments_: Record<string, Elements> = {}
  for (const port of inputs) {
    const [role, name] = parse(port)
    arguments_[port.name] = role === "state" ? instance.state.get(name)! : input[name]!
  }

  const results: Record<string, Elements> = {}
  const output: Record<string, Elements> = {}
  for (const port of outputs) {
    const [role, name] = parse(port)
    if (role === "next") results[port.name] = instance.spare.get(name) ?? allocate(port)
    else results[port.name] = output[name] = allocate(port)
  }

  await session.run(arguments_, results)

  for (const port of outputs) {
    const [role, name] = parse(port)
    if (role !== "next") continue
    instance.spare.set(name, instance.state.get(name)!)
    instance.state.set(name, results[port.name]!)
  }
  return output
}

/** The role of a graph input or output, and its name in the program: `state.w` is `["state", "w"]`. */
const parse = ({ name }: Port): readonly [role: string, name: string] => {
  const dot = name.indexOf(".")
  return [name.slice(0, dot), name.slice(dot + 1)]
}

const allocate = ({ dtype, shape }: Port): Elements =>
  dtype === "float32" ? new Float32Array(sizeOf(shape)) : new Int32Array(sizeOf(shape))
