/**
 * Composite operations: costly compositions of tfjs operations that an engine may run as one.
 *
 * Each is a tfjs kernel of its own, with a gradient of its own. On a backend that does not have the kernel it is the
 * plain composition (its fallback), which is also its specification.
 */
import * as tf from "@tensorflow/tfjs"

/** Composite kernels, by their names in tfjs's registry. */
export const kernelNames = {
  groupNorm: "EffusionGroupNorm",
  groupNormGradient: "EffusionGroupNormGradient",
  attention: "EffusionAttention",
  attentionGradient: "EffusionAttentionGradient",
  upsampleNearest: "EffusionUpsampleNearest",
  upsampleNearestGradient: "EffusionUpsampleNearestGradient",
  silu: "EffusionSilu"
} as const

/** The kernels that {@link withoutKernels} withholds at present. */
let withheld: ReadonlySet<string> = new Set()

/** Runs a function with some composite operations as their fallbacks, whatever the backend has. */
export const withoutKernels = <A>(names: ReadonlyArray<string>, f: () => A): A => {
  const before = withheld
  withheld = new Set(names)
  try {
    return f()
  } finally {
    withheld = before
  }
}

/** Whether the present backend has a kernel. */
export const hasKernel = (name: string): boolean =>
  !withheld.has(name) && tf.getKernel(name, tf.getBackend()) !== undefined

/** Runs a kernel with one output, on the gradient tape if one is open. */
export const runKernel = (
  name: string,
  inputs: { readonly [name: string]: tf.Tensor },
  attributes: { readonly [name: string]: unknown }
): tf.Tensor => tf.engine().runKernel(name, inputs as tf.NamedTensorMap, attributes as tf.NamedAttrMap)

/** Runs a kernel with several outputs. */
export const runKernelMany = (
  name: string,
  inputs: { readonly [name: string]: tf.Tensor },
  attributes: { readonly [name: string]: unknown }
): ReadonlyArray<tf.Tensor> =>
  tf.engine().runKernel(name, inputs as tf.NamedTensorMap, attributes as tf.NamedAttrMap) as unknown as Array<tf.Tensor>
