/**
 * tfjs kernels that stand for several others, as tfjs's layers call them.
 */
import type { Value } from "../../graph/Graph.ts"
import { depthwise } from "./depthwise.ts"
import { elementwise } from "./elementwise.ts"
import type { Kernels, RecordKernel } from "./kernel.ts"
import { numberOf, record } from "./kernel.ts"
import { linear } from "./linear.ts"

/** A product or convolution, a bias, and an activation. */
const withActivation = (kernel: RecordKernel): RecordKernel => (call) => {
  const { attributes, optional, recorder } = call
  const result = kernel(call) as Value
  const bias = optional("bias")
  const x = bias === undefined ? result : recorder.binary("add", result, bias)
  const name = (attributes["activation"] ?? "linear") as string
  const activation = activations[name]
  if (activation === undefined) throw new RangeError(`the activation "${name}" is not one of tfjs's`)
  return record(activation, recorder, { x, alpha: optional("preluActivationWeights") }, {
    alpha: attributes["leakyreluAlpha"] ?? 0.2
  })
}

/** tfjs: tfjs-core/src/ops/fused_util.ts. */
const activations: Kernels = {
  linear: ({ input }) => input("x"),
  relu: elementwise["Relu"]!,
  relu6: elementwise["Relu6"]!,
  elu: elementwise["Elu"]!,
  prelu: elementwise["Prelu"]!,
  leakyrelu: elementwise["LeakyRelu"]!,
  sigmoid: elementwise["Sigmoid"]!
}

export const fused: Kernels = {
  _FusedMatMul: withActivation(linear["BatchMatMul"]!),
  FusedConv2D: withActivation(linear["Conv2D"]!),
  FusedDepthwiseConv2D: withActivation(depthwise["DepthwiseConv2dNative"]!),

  FusedBatchNorm: ({ attributes, input, recorder }) => {
    const epsilon = recorder.fill(numberOf(attributes, "varianceEpsilon") ?? 0.001, [], "float32")
    const reciprocal = recorder.unary("rsqrt", recorder.binary("add", input("variance"), epsilon))
    const factor = recorder.binary("mul", reciprocal, input("scale"))
    const normal = recorder.binary("mul", recorder.binary("sub", input("x"), input("mean")), factor)
    return recorder.binary("add", normal, input("offset"))
  }
}
