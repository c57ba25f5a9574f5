/**
 * What the worker thread of an engine does: it keeps compiled programs, and the states that they step forward, and
 * answers requests for them, one after the other, in the order they come.
 */
import { type MessagePort, parentPort, workerData } from "node:worker_threads"
import type { Compiled, Held, Machine } from "./Machine.ts"
import { buffersOf, messageOf } from "./protocol.ts"
import type { Greeting, Protocol, Reply, Request, RequestType } from "./protocol.ts"

/** An answer, and the buffers that go with it. */
export type Answer<T extends RequestType> = readonly [
  value: Protocol<unknown>[T]["response"],
  transfer: ReadonlyArray<ArrayBuffer>
]

/** What answers each request. */
export type Handlers<Source> = {
  readonly [T in RequestType]: (body: Protocol<Source>[T]["request"]) => Promise<Answer<T>>
}

const nothing = [undefined, []] as const

/** What was compiled, and for how many programs. */
interface Shared {
  readonly compiled: Compiled
  users: number
}

/** Keeps the compiled programs of a machine and the states that they step, and answers requests for them. */
export const makeHandlers = <Source>(machine: Machine<Source>): Handlers<Source> => {
  /** Programs that compute the same share what was compiled, which is released with the last of them. */
  const programs = new Map<number, Shared>()
  const instances = new Map<number, { readonly program: number; readonly held: Held }>()
  const heldBy = (instance: number): Held => instances.get(instance)!.held
  const programOf = (id: number): Shared => {
    const program = programs.get(id)
    if (program === undefined) throw new Error("the compiled program was released: its scope is closed")
    return program
  }

  return {
    compile: async ({ program, source }) => {
      programs.set(program, { compiled: await machine.compile(source), users: 1 })
      return nothing
    },

    share: async ({ of, program }) => {
      const shared = programOf(of)
      shared.users++
      programs.set(program, shared)
      return nothing
    },

    start: async ({ instance, program, state }) => {
      instances.set(instance, { program, held: await programOf(program).compiled.start(state) })
      return nothing
    },

    step: async ({ input, instance: id }) => {
      const instance = instances.get(id)!
      programOf(instance.program)
      const output = await instance.held.step(input)
      return [output, buffersOf(output)]
    },

    read: async ({ instance }) => {
      const state = await heldBy(instance).read()
      return [state, buffersOf(state)]
    },

    write: async ({ instance, state }) => {
      await heldBy(instance).write(state)
      return nothing
    },

    releaseProgram: async ({ program: id }) => {
      const program = programs.get(id)
      programs.delete(id)
      if (program !== undefined && --program.users === 0) await program.compiled.release()
      return nothing
    },

    releaseInstance: async ({ instance: id }) => {
      const instance = instances.get(id)
      instances.delete(id)
      await instance?.held.release()
      return nothing
    },

    memory: async () => {
      const states = Array.from(instances.values(), ({ held }) => held)
      const lost = machine.lost?.() ?? { instances: 0, tensors: 0 }
      return [{
        executables: programs.size,
        instances: states.length + lost.instances,
        tensors: states.reduce((sum, { tensors }) => sum + tensors, lost.tensors),
        bytes: states.reduce((sum, { bytes }) => sum + bytes, 0)
      }, []]
    },

    close: async () => {
      const compiled = new Set(Array.from(programs.values(), ({ compiled }) => compiled))
      const all = [...Array.from(instances.values(), ({ held }) => held), ...compiled]
      instances.clear()
      programs.clear()
      // What cannot be released does not keep the rest.
      await Promise.allSettled(all.map((one) => one.release()))
      return nothing
    }
  }
}

/** Answers the requests that come through a port. */
export const serve = <Source>(port: MessagePort, machine: Machine<Source>): void => {
  const handlers = makeHandlers(machine)
  const answer = async ({ body, id, type }: Request<Source>): Promise<void> => {
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
  port.on("message", (request: Request<Source>) => {
    last = last.then(() => answer(request))
  })
}

/**
 * All that an engine's worker module does: loads its machine, with the data that the engine started the thread with,
 * says whether that went well, and serves it.
 *
 * @example
 * work(async () => makeMachine(await loadSessions()))
 */
export const work = <Source>(load: (data: unknown) => Promise<Machine<Source>>): void => {
  if (parentPort === null) throw new Error("this module is an engine's worker thread; it does not run by itself")
  const port = parentPort
  const greet = (greeting: Greeting): void => port.postMessage(greeting)
  load(workerData).then(
    (machine) => {
      serve(port, machine)
      greet({ ready: true, facts: machine.facts })
    },
    (cause: unknown) => greet({ ready: false, reason: messageOf(cause) })
  )
}
