/**
 * Registers the tracing backend and its kernels with tfjs, once.
 */
import * as tf from "@tensorflow/tfjs"
import { type BatchNormInputs, complete } from "./batchNorm.ts"
import { padLines, padsLines } from "./conv1d.ts"
import { registerGradients } from "./gradients.ts"
import { composites } from "./kernels/composites.ts"
import { depthwise } from "./kernels/depthwise.ts"
import { einsum } from "./kernels/einsum.ts"
import { elementwise } from "./kernels/elementwise.ts"
import { fused } from "./kernels/fused.ts"
import { indexing } from "./kernels/indexing.ts"
import type { Attributes, RecordKernel } from "./kernels/kernel.ts"
import { linear } from "./kernels/linear.ts"
import { pooling } from "./kernels/pooling.ts"
import { reductions } from "./kernels/reductions.ts"
import { resizing } from "./kernels/resizing.ts"
import { shapes } from "./kernels/shapes.ts"
import { backendName, TraceBackend } from "./Tracer.ts"

const recorded: { readonly [kernelName: string]: RecordKernel } = {
  ...elementwise,
  ...shapes,
  ...reductions,
  ...indexing,
  ...linear,
  ...depthwise,
  ...pooling,
  ...resizing,
  ...einsum,
  ...fused,
  ...composites
}

/** The one tracing backend. */
export const backend = new TraceBackend()

tf.registerBackend(backendName, () => backend, 0)

registerGradients()

for (const [kernelName, record] of Object.entries(recorded)) {
  tf.registerKernel({
    kernelName,
    backendName,
    kernelFunc: ({ attrs, inputs }) => {
      const recorder = backend.active()
      if (kernelName === "FusedBatchNorm") complete(inputs as unknown as BatchNormInputs)
      if (kernelName === "Conv2D" && padsLines(attrs!)) padLines(attrs!)
      const outputs = record({
        recorder,
        input: (name) => recorder.value(inputs[name] as tf.TensorInfo),
        optional: (name) => {
          const info = inputs[name] as tf.TensorInfo | null | undefined
          return info === null || info === undefined ? undefined : recorder.value(info)
        },
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
