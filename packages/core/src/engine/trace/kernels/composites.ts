/**
 * The composite operations (`engine/operations`), recorded as one node each.
 */
import type { Node, Value } from "../../graph/Graph.ts"
import { kernelNames } from "../../operations/composite.ts"
import type { Recorder } from "../Tracer.ts"
import type { Attributes, Kernels } from "./kernel.ts"
import { numberOf } from "./kernel.ts"

export const composites: Kernels = {
  [kernelNames.silu]: ({ input, recorder }) => recorder.unary("silu", input("x")),

  [kernelNames.groupNorm]: ({ attributes, input, recorder }) => {
    const x = input("x")
    const options = groupNormOptions(attributes)
    const statistics: Value = { shape: [x.shape[0]!, options.groups], dtype: "float32" }
    const outputs = recorder.builder.appendMany(
      { kind: "groupNorm", ...options },
      [x, input("scale"), input("offset")],
      [x, x, x, statistics]
    )
    return outputs[0]!
  },

  [kernelNames.groupNormGradient]: ({ attributes, input, recorder }) => {
    const scale = input("scale")
    const forward = forwardNode(recorder, input("result"))
    return recorder.builder.appendMany(
      { kind: "groupNormGradient", ...groupNormOptions(attributes) },
      [input("dy"), scale, ...forward.outputs],
      [forward.outputs[0]!, scale, scale]
    )
  },

  [kernelNames.attention]: ({ attributes, input, recorder }) => {
    const q = input("q")
    const k = input("k")
    const probabilities: Value = { shape: [...q.shape.slice(0, 3), k.shape[2]!], dtype: "float32" }
    const outputs = recorder.builder.appendMany(
      { kind: "attention", scale: numberOf(attributes, "scale") },
      [q, k, input("v")],
      [q, probabilities]
    )
    return outputs[0]!
  },

  [kernelNames.attentionGradient]: ({ attributes, input, recorder }) => {
    const [q, k, v] = [input("q"), input("k"), input("v")]
    const forward = forwardNode(recorder, input("result"))
    return recorder.builder.appendMany(
      { kind: "attentionGradient", scale: numberOf(attributes, "scale") },
      [input("dy"), q, k, v, forward.outputs[1]!],
      [q, k, v]
    )
  },

  [kernelNames.upsampleNearest]: ({ attributes, input, recorder }) => {
    const x = input("x")
    const factor = numberOf(attributes, "factor")
    const [batch, height, width, channels] = x.shape as [number, number, number, number]
    const shape = [batch, height * factor, width * factor, channels]
    return recorder.append({ kind: "upsampleNearest", factor }, [x], shape, "float32")
  },

  [kernelNames.upsampleNearestGradient]: ({ attributes, input, recorder }) => {
    const gradient = input("dy")
    const factor = numberOf(attributes, "factor")
    const [batch, height, width, channels] = gradient.shape as [number, number, number, number]
    const shape = [batch, height / factor, width / factor, channels]
    return recorder.append({ kind: "upsampleNearestGradient", factor }, [gradient], shape, "float32")
  }
}

const groupNormOptions = (attributes: Attributes) => ({
  groups: numberOf(attributes, "groups"),
  epsilon: numberOf(attributes, "epsilon"),
  activation: attributes["activation"] as "none" | "silu"
})

const forwardNode = (recorder: Recorder, result: Value): Node => recorder.producer(result)!
