/**
 * The native addon of `@tensorflow/tfjs-node` and `@tensorflow/tfjs-node-gpu` (`tfjs_binding.node`), as far as the engine
 * uses it. Both packages have the same one; it calls TensorFlow's C API. Every function blocks its thread until it is done.
 *
 * Tensors and models are numbers that the addon hands out; what nobody deletes stays until the addon's thread ends. Numbers
 * are of 32 bits with a sign and come round after 2^32 tensors, which is days of steps operation by operation; calls of
 * sessions make a few each and keep none. The array of a tensor that is created is shared with TensorFlow, not copied: it
 * must not be changed afterwards.
 */

/** TensorFlow's number for float64, which the addon has no name for. */
export const float64 = 2

/** A tensor that an operation or a model gave back. */
export interface TensorHandle {
  readonly id: number
  readonly shape: ReadonlyArray<number>
  /** TensorFlow's number for the element type. */
  readonly dtype: number
}

/** An attribute of an operation that is run by itself. */
export interface OperationAttribute {
  readonly name: string
  readonly type: number
  readonly value: unknown
}

export interface Binding {
  readonly TF_Version: string
  readonly TF_FLOAT: number
  readonly TF_INT32: number
  readonly TF_INT64: number
  readonly TF_BOOL: number
  readonly TF_ATTR_STRING: number
  readonly TF_ATTR_INT: number
  readonly TF_ATTR_FLOAT: number
  readonly TF_ATTR_BOOL: number
  readonly TF_ATTR_TYPE: number
  readonly TF_ATTR_SHAPE: number
  readonly isUsingGpuDevice: () => boolean
  /** Makes a tensor on the device (`int32` stays with the host). */
  readonly createTensor: (
    shape: ReadonlyArray<number>,
    dtype: number,
    values: Float32Array | Int32Array | Uint8Array
  ) => number
  readonly deleteTensor: (id: number) => void
  /** Copies a tensor's elements to the host. */
  readonly tensorDataSync: (id: number) => Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>
  /** Runs one operation by itself. */
  readonly executeOp: (
    operation: string,
    attributes: ReadonlyArray<OperationAttribute>,
    inputs: ReadonlyArray<number>,
    outputs: number
  ) => ReadonlyArray<TensorHandle>
  /** Loads the SavedModel in a folder into a session of its own; gives the session's number. */
  readonly loadSavedModel: (folder: string, tags: string) => number
  /** Runs a session: feeds and fetches are names as `node:0`, joined by commas. Results are on the host. */
  readonly runSavedModel: (
    id: number,
    inputs: ReadonlyArray<number>,
    feeds: string,
    fetches: string
  ) => ReadonlyArray<TensorHandle>
  readonly deleteSavedModel: (id: number) => void
  /** Tensors that were made and not deleted. */
  readonly getNumOfTensors: () => number
  /** Sessions that were loaded and not deleted. */
  readonly getNumOfSavedModels: () => number
}
