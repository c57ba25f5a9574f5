/**
 * TensorFlow as the engine's worker thread runs it: a graph in a session for each state, which the session's variables
 * hold. A step is fed the input and gives back the output; the state does not leave the device.
 *
 * The addon loads a graph from a folder only, as a SavedModel; the folder is gone as soon as the session is there, or cannot
 * be had. (A process that is killed in these moments leaves it among the system's temporary files.) The addon's handles are
 * deleted here, on failure too, and {@link Machine.lost} compares with its own count of them.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { sizeOf, type TensorSpec } from "../../../tensor/HostTensor.ts"
import type { Compiled, Held, Machine } from "../../worker/Machine.ts"
import type { Arrays, Elements } from "../../worker/protocol.ts"
import type { Binding } from "../Binding.ts"
import { type SessionCall, tag, type TensorflowModel } from "../Model.ts"

/** The shapes and dtypes of named tensors. */
export type Specs = { readonly [name: string]: TensorSpec }

/** A program as the worker gets it. */
export interface SessionSource extends Pick<TensorflowModel, "step" | "stepped" | "write" | "written" | "read"> {
  /** The encoded SavedModel. */
  readonly savedModel: Uint8Array<ArrayBuffer>
  readonly state: Specs
  readonly input: Specs
}

/** The machine that runs SavedModels in the sessions of an addon. */
export const makeMachine = (binding: Binding): Machine<SessionSource> => {
  const sessions = new Set<number>()

  const load = (savedModel: Uint8Array): number => {
    const folder = mkdtempSync(join(tmpdir(), "effusion-"))
    try {
      writeFileSync(join(folder, "saved_model.pb"), savedModel)
      const session = binding.loadSavedModel(folder, tag)
      sessions.add(session)
      return session
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }

  const release = (session: number): void => {
    if (sessions.delete(session)) binding.deleteSavedModel(session)
  }

  return {
    facts: { version: binding.TF_Version, usesGpu: binding.isUsingGpuDevice() },
    compile: async (source): Promise<Compiled> => {
      // The first session shows whether TensorFlow takes the graph at all; the first state gets it.
      let unused: number | undefined = load(source.savedModel)
      return {
        start: async (state) => {
          const session = unused ?? load(source.savedModel)
          unused = undefined
          try {
            write(binding, session, source, state)
          } catch (cause) {
            release(session)
            throw cause
          }
          return hold(binding, session, source, () => release(session))
        },
        release: async () => {
          if (unused !== undefined) release(unused)
        }
      }
    },
    // Between requests no tensor is alive, and no session but those that are known.
    lost: () => ({ instances: binding.getNumOfSavedModels() - sessions.size, tensors: binding.getNumOfTensors() })
  }
}

const hold = (binding: Binding, session: number, source: SessionSource, release: () => void): Held => ({
  tensors: Object.keys(source.state).length,
  bytes: Object.values(source.state).reduce((bytes, { shape }) => bytes + 4 * sizeOf(shape), 0),
  step: async (input) => call(binding, session, source.step, source.stepped, source.input, input),
  read: async () => call(binding, session, source.read, undefined, {}, {}),
  write: async (state) => write(binding, session, source, state),
  release: async () => release()
})

const write = (binding: Binding, session: number, source: SessionSource, state: Arrays): void =>
  void call(binding, session, source.write, source.written, source.state, state)

/**
 * Runs a session once: feeds arrays, and fetches what the call says.
 *
 * @param also a tensor that is fetched besides, and not read
 */
const call = (
  binding: Binding,
  session: number,
  { feeds, fetches }: SessionCall,
  also: string | undefined,
  specs: Specs,
  arrays: Arrays
): Arrays => {
  // TensorFlow is asked for each tensor once, whatever number of names it has.
  const fetched = [...new Set([...Object.values(fetches), ...also === undefined ? [] : [also]])]
  if (fetched.length === 0) return {}
  const fed: Array<number> = []
  const given: Array<number> = []
  try {
    for (const name of Object.keys(feeds)) {
      const { dtype, shape } = specs[name]!
      fed.push(binding.createTensor(shape, dtype === "float32" ? binding.TF_FLOAT : binding.TF_INT32, arrays[name]!))
    }
    const results = binding.runSavedModel(session, fed, Object.values(feeds).join(","), fetched.join(","))
    given.push(...results.map(({ id }) => id))
    return Object.fromEntries(
      Object.entries(fetches).map(([name, tensor]) => [
        name,
        binding.tensorDataSync(given[fetched.indexOf(tensor)]!) as Elements
      ])
    )
  } finally {
    for (const tensor of [...fed, ...given]) binding.deleteTensor(tensor)
  }
}
