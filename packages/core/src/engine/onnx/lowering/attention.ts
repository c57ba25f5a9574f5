/**
 * Lowers attention and its gradient to matrix products, the scale folded into them.
 */
import type { Node, Value } from "../../graph/Graph.ts"
import { product } from "./matMul.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"

export const lowerAttention = (model: ModelBuilder, node: Node, scale: number): void => {
  const [q, k, v] = node.inputs.map((input) => model.plain(input)) as [string, string, string]
  const [result, probabilities] = node.outputs as [Value, Value]
  const scores = product(model, q, k, { transposeB: true, scale })
  const p = model.node("Softmax", [scores], { axis: -1 })
  model.place(probabilities, p)
  model.place(result, product(model, p, v))
}

export const lowerAttentionGradient = (model: ModelBuilder, node: Node, scale: number): void => {
  const [dy, q, k, v, p] = node.inputs.map((input) => model.plain(input)) as [string, string, string, string, string]
  const [dq, dk, dv] = node.outputs as [Value, Value, Value]
  const dp = product(model, dy, v, { transposeB: true })
  const weighted = model.node("Mul", [p, dp])
  const total = model.node("ReduceSum", [weighted, model.integers([3])], { keepdims: 1 })
  const dScores = model.node("Sub", [weighted, model.node("Mul", [p, total])])
  model.place(dq, product(model, dScores, k, { scale }))
  model.place(dk, product(model, dScores, q, { transposeA: true, scale }))
  model.place(dv, product(model, p, dy, { transposeA: true }))
}
