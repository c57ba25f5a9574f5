/**
 * What the worker thread does: it keeps sessions, and the states that they step forward, and answers requests for them,
 * one after the other, in the order they come.
 *
 * The state is kept twice over, once as it is and once as arrays for the next step to write to:
 * a step that fails leaves the state whole, and steps do not allocate (nor fault in the pages of) a state each.
 */
import type { MessagePort } from "node:worker_threads"
import { sizeOf } from "../../../tensor/HostTensor.ts"
import { buffersOf, messageOf } from "./protocol.ts"
import type { Arrays, Elements, Port, Protocol, Reply, Request, RequestType } from "./protocol.ts"
import type { Session, Sessions } from "./session.ts"

interface Program {
  readonly session: Session
  readonly inputs: ReadonlyArray<Port>
  readonly outputs: ReadonlyArray<Port>
}

interface Instance {
  readonly program: number
  /** The state by tensor name. */
  readonly state: Map<string, Elements>
  /** Arrays of the state before last, for the next step to write to. */
  readonly spare: Map<string, Elements>
}

/** An answer, and the buffers that go with it. */
type Answer<T extends RequestType> = readonly [value: Protocol[T]["response"], transfer: ReadonlyArray<ArrayBuffer>]

type Handlers = {
  readonly [T in RequestType]: (body: Protocol[T]["request"]) => Promise<Answer<T>>
}

const nothing = [undefined, []] as const

const makeHandlers = (sessions: Sessions): Handlers => {
  const programs = new Map<number, Program>()
  const instances = new Map<number, Instance>()

  const releaseProgram = async (id: number): Promise<void> => {
    const program = programs.get(id)
    programs.delete(id)
    await program?.session.release()
  }

  return {
    compile: async ({ program, ...source }) => {
      const session = await sessions.create(source)
      programs.set(program, { session, inputs: source.inputs, outputs: source.outputs })
      return nothing
    },

    start: async ({ instance, program, state }) => {
      instances.set(instance, { program, state: new Map(Object.entries(state)), spare: new Map() })
      return nothing
    },

    step: async ({ input, instance: id }) => {
      const instance = instances.get(id)!
      const program = programs.get(instance.program)
      if (program === undefined) throw new Error("the compiled program was released: its scope is closed")
      const output = await step(program, instance, input)
      return [output, buffersOf(output)]
    },

    read: async ({ instance }) => {
      const state = instances.get(instance)!.state
      const copies = Object.fromEntries(Array.from(state, ([name, elements]) => [name, elements.slice()]))
      return [copies, buffersOf(copies)]
    },

    write: async ({ instance, state }) => {
      for (const [name, elements] of Object.entries(state)) instances.get(instance)!.state.set(name, elements)
      return nothing
    },

    releaseProgram: async ({ program }) => {
      await releaseProgram(program)
      return nothing
    },

    releaseInstance: async ({ instance }) => {
      instances.delete(instance)
      return nothing
    },

    memory: async () => {
      const tensors = Array.from(instances.values()).flatMap(({ state }) => Array.from(state.values()))
      return [{
        executables: programs.size,
        instances: instances.size,
        tensors: tensors.length,
        bytes: tensors.reduce((bytes, { byteLength }) => bytes + byteLength, 0)
      }, []]
    },

    close: async () => {
      instances.clear()
      for (const id of Array.from(programs.keys())) await releaseProgram(id)
      return nothing
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

/** Answers the requests that come through a port. */
export const serve = (port: MessagePort, sessions: Sessions): void => {
  const handlers = makeHandlers(sessions)
  const answer = async ({ body, id, type }: Request): Promise<void> => {
    try {
      // The type checker cannot see that `body` belongs to `handlers[type]`; `Request` says so.
      const [value, transfer] = await (handlers[type] as (body: unknown) => Promise<Answer<RequestType>>)(body)
      const reply: Reply = { id, ok: true, value }
      port.postMessage(reply, transfer)
    } catch (cause) {
      const reply: Reply = { id, ok: false, reason: messageOf(cause) }
      port.postMessage(reply)
    }
  }
  let last = Promise.resolve()
  port.on("message", (request: Request) => {
    last = last.then(() => answer(request))
  })
}
