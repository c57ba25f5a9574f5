/**
 * Lowered graphs in a session of TensorFlow, in the test's own thread: for graphs that no program makes, and for what
 * happens around them.
 */
import { float32, type HostTensor, int32 } from "@effusion/core/tensor"
import { Effect } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Binding } from "../../../packages/core/src/engine/tensorflow/Binding.ts"
import { encode } from "../../../packages/core/src/engine/tensorflow/encode.ts"
import { loadBinding } from "../../../packages/core/src/engine/tensorflow/installation/index.ts"
import { type SessionCall, tag, type TensorflowModel } from "../../../packages/core/src/engine/tensorflow/Model.ts"
import { installation } from "./installation.ts"

type Tensors = { readonly [name: string]: HostTensor }

/** A model that is loaded. */
export interface Session {
  readonly step: (input: Tensors) => Tensors
  readonly write: (state: Tensors) => void
  readonly read: () => Tensors
}

/** Loads a model until the scope closes. */
export const open = (model: TensorflowModel) =>
  Effect.gen(function*() {
    const binding = loadBinding(installation.addon)
    const id = yield* Effect.acquireRelease(
      Effect.sync(() => load(binding, model)),
      (id) => Effect.sync(() => binding.deleteSavedModel(id))
    )
    const session: Session = {
      step: (input) => run(binding, id, model.step, input, [model.stepped]),
      write: (state) => void run(binding, id, model.write, state, [model.written]),
      read: () => run(binding, id, model.read, {}, [])
    }
    return session
  })

const load = (binding: Binding, model: TensorflowModel): number => {
  const folder = mkdtempSync(join(tmpdir(), "effusion-"))
  try {
    writeFileSync(join(folder, "saved_model.pb"), encode(model))
    return binding.loadSavedModel(folder, tag)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const run = (
  binding: Binding,
  id: number,
  { feeds, fetches }: SessionCall,
  given: Tensors,
  signals: ReadonlyArray<string>
): Tensors => {
  const fed = Object.entries(feeds).map(([name, tensor]) => {
    const { data, dtype, shape } = given[name]!
    return { tensor, id: binding.createTensor(shape, dtype === "float32" ? binding.TF_FLOAT : binding.TF_INT32, data) }
  })
  try {
    const handles = binding.runSavedModel(
      id,
      fed.map(({ id }) => id),
      fed.map(({ tensor }) => tensor).join(),
      [...Object.values(fetches), ...signals].join()
    )
    const tensors = handles.map(({ dtype, id, shape }) => {
      const data = binding.tensorDataSync(id)
      binding.deleteTensor(id)
      return dtype === binding.TF_FLOAT ? float32(shape, data) : int32(shape, data)
    })
    return Object.fromEntries(Object.keys(fetches).map((name, i) => [name, tensors[i]!]))
  } finally {
    for (const { id } of fed) binding.deleteTensor(id)
  }
}
