/**
 * Lowers matrix products. An operand that is kept with its last two axes exchanged is multiplied as it is.
 */
import type { Node, Value } from "../../graph/Graph.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"
import { float, microsoft } from "./ModelBuilder.ts"
import type { Order } from "./order.ts"
import { plainOrder, sameOrder } from "./order.ts"

/** What {@link product} multiplies, and how. */
export interface ProductOptions {
  readonly transposeA?: boolean
  readonly transposeB?: boolean
  /** Multiplies the product. */
  readonly scale?: number
}

/** scale * op(a) op(b) over the last two axes, the others broadcast. */
export const product = (model: ModelBuilder, a: string, b: string, options: ProductOptions = {}): string => {
  const { scale = 1, transposeA = false, transposeB = false } = options
  return !transposeA && !transposeB && scale === 1
    ? model.node("MatMul", [a, b])
    : model.node(
      "FusedMatMul",
      [a, b],
      { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0, alpha: float(scale) },
      microsoft
    )
}

export const lowerMatMul = (model: ModelBuilder, node: Node, transposeA: boolean, transposeB: boolean): void => {
  const [a, b] = node.inputs as [Value, Value]
  const left = operand(model, a)
  const right = operand(model, b)
  const result = product(model, left.name, right.name, {
    transposeA: transposeA !== left.exchanged,
    transposeB: transposeB !== right.exchanged
  })
  model.place(node.outputs[0]!, result)
}

const operand = (model: ModelBuilder, value: Value): { readonly name: string; readonly exchanged: boolean } => {
  const order = model.orderOf(value)
  const exchanged = order !== undefined && sameOrder(order, exchange(plainOrder(value.shape.length)))
  return { name: exchanged ? model.inOrder(value, order) : model.plain(value), exchanged }
}

const exchange = (order: Order): Order => [...order.slice(0, -2), order.at(-1)!, order.at(-2)!]
