/**
 * Lowers matrix products, and attention and its gradient to them.
 */
import type { Node, Value } from "../../graph/Graph.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"
import { sum } from "./reductions.ts"

interface Transposed {
  readonly a?: boolean
  readonly b?: boolean
}

export const lowerMatMul = (model: ModelBuilder, node: Node, transposed: Transposed): void => {
  const [a, b] = node.inputs as [Value, Value]
  const plain = a.shape.length === 2 && b.shape.length === 2
  const multiply = plain ? product : batchProduct
  model.place(node.outputs[0]!, multiply(model, model.tensor(a), model.tensor(b), transposed))
}

const product = (model: ModelBuilder, a: string, b: string, transposed: Transposed): string =>
  model.node("MatMul", [a, b], {
    T: "float32",
    transpose_a: transposed.a ?? false,
    transpose_b: transposed.b ?? false
  })

/** Over the last two axes; the others are broadcast. */
const batchProduct = (model: ModelBuilder, a: string, b: string, transposed: Transposed = {}): string =>
  model.node("BatchMatMulV2", [a, b], { T: "float32", adj_x: transposed.a ?? false, adj_y: transposed.b ?? false })

/** The scale is applied to the queries, which are fewer than the products of all positions with all. */
export const lowerAttention = (model: ModelBuilder, node: Node, scale: number): void => {
  const [q, k, v] = node.inputs.map((input) => model.tensor(input)) as [string, string, string]
  const [result, probabilities] = node.outputs as [Value, Value]
  const scores = batchProduct(model, scaled(model, q, scale), k, { b: true })
  const p = model.node("Softmax", [scores], { T: "float32" })
  model.place(probabilities, p)
  model.place(result, batchProduct(model, p, v))
}

export const lowerAttentionGradient = (model: ModelBuilder, node: Node, scale: number): void => {
  const [dy, q, k, v, p] = node.inputs.map((input) => model.tensor(input)) as [string, string, string, string, string]
  const [dq, dk, dv] = node.outputs as [Value, Value, Value]
  const dp = batchProduct(model, dy, v, { b: true })
  const total = sum(model, model.node("Mul", [p, dp], { T: "float32" }), [3], true)
  const dScores = model.node("Mul", [p, model.node("Sub", [dp, total], { T: "float32" })], { T: "float32" })
  model.place(dq, batchProduct(model, dScores, scaled(model, k, scale)))
  model.place(dk, batchProduct(model, dScores, scaled(model, q, scale), { a: true }))
  model.place(dv, batchProduct(model, p, dy, { a: true }))
}

const scaled = (model: ModelBuilder, name: string, scale: number): string =>
  scale === 1 ? name : model.node("Mul", [name, model.scalar(scale)], { T: "float32" })
