/**
 * Registers the tracing backend and its kernels with tfjs, once.
 */
import * as tf from "@tensorflow/tfjs"
import { composites } from "./kernels/composites.ts"
import { elementwise } from "./kernels/elementwise.ts"
import type { Attributes, RecordKernel } from "./kernels/kernel.ts"
import { linear } from "./kernels/linear.ts"
import { reductions } from "./kernels/reductions.ts"
import { shapes } from "./kernels/shapes.ts"
import { backendName, TraceBackend } from "./Tracer.ts"

const recorded: { readonly [kernelName: string]: RecordKernel } = {
  ...elementwise,
  ...shapes,
  ...reductions,
  ...linear,
  ...composites
}

/** The one tracing backend. */
export const backend = new TraceBackend()

tf.registerBackend(backendName, () => backend, 0)

for (const [kernelName, record] of Object.entries(recorded)) {
  tf.registerKernel({
    kernelName,
    backendName,
    kernelFunc: ({ attrs, inputs }) => {
      const recorder = backend.active()
      const outputs = record({
        recorder,
        input: (name) => recorder.value(inputs[name] as tf.TensorInfo),
        inputs: Array.isArray(inputs) ? inputs.map((info: tf.TensorInfo) => recorder.value(info)) : [],
        attributes: (attrs ?? {}) as Attributes
      })
      const infos = (Array.isArray(outputs) ? outputs : [outputs]).map((value): tf.TensorInfo => ({
        dataId: backend.identify(value),
        shape: [...value.shape],
        dtype: value.dtype
      }))
      return Array.isArray(outputs) ? infos : infos[0]!
    }
  })
}
