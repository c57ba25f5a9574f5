/**
 * Tells programs whose weights are constants from those whose weights are state.
 */
import { sizeOf } from "../../../tensor/HostTensor.ts"
import type { OnnxInitializer, OnnxModel } from "../Model.ts"
import type { Optimizations } from "../Optimizations.ts"

/** Elements from which on a constant may be weights. */
export const largeConstant = 1024

/**
 * Whether a model's weights are constants: it has matrices of 1,024 elements or more that are, and none of its weights is
 * state.
 *
 * ONNX Runtime's own optimizer lays out weights that are constants, as those of a network that samples are: its
 * convolutions then take half the time. Where weights are state it finds nothing to gain, takes a tenth of a second to
 * a second to do so, and joins transposes that are faster apart.
 *
 * A matrix by itself says nothing: the gradient of resizing an image multiplies with one, whoever trains. Nor does a
 * state by itself, however long: that of a program that samples is the images. So it is asked what meets what. A weight is
 * what a convolution or a product takes beside something that depends on the input; it is state where it is made of
 * state, constants, and nothing else. Images that are sampled are scaled by an input before a network sees them, and if
 * they are not, they meet constants. A program that trains a part of a network beside a constant part counts as training.
 *
 * @example
 * computesWithConstants(lower(graph))
 */
export const computesWithConstants = (model: OnnxModel): boolean =>
  model.initializers.some(isLargeMatrix) && !hasStateForWeights(model)

const isLargeMatrix = ({ auxiliary, shape }: OnnxInitializer): boolean =>
  auxiliary !== true && shape.length >= 2 && sizeOf(shape) >= largeConstant

/**
 * Whether ONNX Runtime rewrites a model with its optimizer. It goes by shapes then, and moves nodes as it likes: neither is
 * there anything to hide, nor an order to count on.
 *
 * @example
 * isRewritten(lower(graph), Optimizations.all)
 */
export const isRewritten = (model: OnnxModel, { runtimeOptimizer }: Optimizations): boolean =>
  runtimeOptimizer && computesWithConstants(model)

/** What a tensor is made of: constants alone, state and perhaps constants, or the input with whatever else. */
type Origin = "constant" | "state" | "input"

const hasStateForWeights = ({ inputs, nodes }: OnnxModel): boolean => {
  const origins = new Map<string, Origin>(
    inputs.map(({ name }) => [name, name.startsWith("state.") ? "state" : "input"])
  )
  const originOf = (name: string): Origin => origins.get(name) ?? "constant"
  return nodes.some(({ inputs, op, outputs }) => {
    const found = inputs.map(originOf)
    for (const output of outputs) origins.set(output, broadest(found))
    return products.has(op) && found.includes("input") && found.includes("state")
  })
}

const broadest = (origins: ReadonlyArray<Origin>): Origin =>
  origins.includes("input") ? "input" : origins.includes("state") ? "state" : "constant"

const products: ReadonlySet<string> = new Set(["Conv", "ConvTranspose", "FusedMatMul", "MatMul"])
