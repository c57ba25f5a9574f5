/**
 * tfjs's backend of `@tensorflow/tfjs-node`, loaded into this process's tfjs.
 */
import * as tf from "@tensorflow/tfjs"
import { realpathSync } from "node:fs"
import { createRequire, registerHooks } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import type { DType, TensorSpec } from "../../../tensor/HostTensor.ts"
import type { Binding, OperationAttribute, TensorHandle } from "../Binding.ts"
import { registerKernels } from "./kernels/register.ts"
import { Ledger } from "./Ledger.ts"

/** The backend's name. The package's own code relies on it. */
export const backendName = "tensorflow"

/** The backend, as far as the engine uses it (`dist/nodejs_kernel_backend.js`). */
export interface Backend extends tf.KernelBackend {
  binding: Binding
  /** Makes a tfjs tensor of one of the addon's. */
  readonly createOutputTensor: (handle: TensorHandle) => tf.Tensor
  /** Runs an operation with one result. */
  readonly executeSingleOutput: (
    operation: string,
    attributes: ReadonlyArray<OperationAttribute>,
    inputs: ReadonlyArray<tf.TensorInfo>
  ) => tf.Tensor
  /** The addon's tensors of tfjs's, made now where only the elements are there as yet. */
  readonly getInputTensorIds: (tensors: ReadonlyArray<tf.TensorInfo>) => ReadonlyArray<number>
}

/** TensorFlow's number for a dtype. */
export const typeOf = ({ binding }: Backend, dtype: DType): number =>
  dtype === "float32" ? binding.TF_FLOAT : binding.TF_INT32

/** The backend in place, with its books. */
export interface Tensorflow {
  readonly backend: Backend
  readonly ledger: Ledger
}

/** A tensor of tfjs's over one of the addon's that is held. */
export const wrap = ({ backend }: Tensorflow, { dtype, shape }: TensorSpec, id: number): tf.Tensor =>
  backend.createOutputTensor({ id, shape, dtype: typeOf(backend, dtype) })

/** What this process has loaded: a process has one tfjs, with one backend of this name. */
let loaded: (Tensorflow & { readonly folder: string }) | undefined

/**
 * Registers the backend and its kernels with tfjs, once a process. The backend that tfjs has chosen stays the one that it
 * was. Throws what loading the package throws.
 *
 * @param path the folder of `@tensorflow/tfjs-node` or `@tensorflow/tfjs-node-gpu`
 * @param addon the addon of that package, in this thread
 */
export const loadBackend = (path: string, addon: Binding): Tensorflow => {
  const folder = realpathSync(path)
  if (loaded === undefined) {
    // A program of the user's may have imported the package itself, with the same tfjs as here.
    const present = tf.findBackend(backendName) as Backend | null
    const backend = present ?? register(folder, addon)
    const ledger = new Ledger(backend.binding)
    backend.binding = ledger.binding
    registerKernels(backendName)
    loaded = { backend, ledger, folder }
  }
  if (loaded.folder !== folder) {
    throw new Error(`this process computes with the package in ${loaded.folder} already, and cannot load another`)
  }
  return loaded
}

const register = (folder: string, addon: Binding): Backend => {
  const { NodeJSKernelBackend, packageName } = requireParts(folder)
  tf.registerBackend(backendName, () => new NodeJSKernelBackend(addon, packageName), 0)
  // Makes the backend, which is not chosen by that.
  return tf.findBackend(backendName) as Backend
}

interface Parts {
  readonly NodeJSKernelBackend: new(addon: Binding, packageName: string) => Backend
  readonly packageName: string
}

/**
 * Loads the backend's class and registers its kernels. The package's main module would do more: choose the backend, look
 * for the addon by itself, and register handlers of files.
 *
 * The package has a copy of tfjs beside it, and kernels registered with that one would be of no use here: it is given the
 * one of this process. And it calls two functions of `util` that Node 22 warns of and Node 23 has no more: it is given
 * them. (https://github.com/tensorflow/tfjs/issues/8609)
 */
const requireParts = (folder: string): Parts => {
  const require = createRequire(import.meta.url)
  const requireBesideTfjs = createRequire(require.resolve("@tensorflow/tfjs"))
  const given: { readonly [specifier: string]: string } = {
    "@tensorflow/tfjs": pathToFileURL(require.resolve("@tensorflow/tfjs")).href,
    "@tensorflow/tfjs-core": pathToFileURL(requireBesideTfjs.resolve("@tensorflow/tfjs-core")).href,
    util: utilUrl
  }
  const inside = pathToFileURL(join(folder, "dist")).href
  const hooks = registerHooks({
    resolve: (specifier, context, next) => {
      const url = context.parentURL?.startsWith(inside) === true && Object.hasOwn(given, specifier)
        ? given[specifier]
        : undefined
      return url === undefined ? next(specifier, context) : { url, format: "commonjs", shortCircuit: true }
    },
    load: (url, context, next) =>
      url === utilUrl ? { format: "commonjs", source: utilSource, shortCircuit: true } : next(url, context)
  })
  try {
    const requirePart = createRequire(join(folder, "package.json"))
    const { NodeJSKernelBackend } = requirePart("./dist/nodejs_kernel_backend.js") as Parts
    requirePart("./dist/register_all_kernels.js")
    const { name: packageName } = requirePart("./package.json") as { name: string }
    return { NodeJSKernelBackend, packageName }
  } finally {
    hooks.deregister()
  }
}

const utilUrl = "effusion:util"

const utilSource = `
  exports.isNullOrUndefined = (value) => value === null || value === undefined
  exports.isArray = Array.isArray
`
