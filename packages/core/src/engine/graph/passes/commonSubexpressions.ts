/**
 * Computes what is computed twice once: nodes with the same operation on the same values become one.
 */
import type { Node, Value } from "../Graph.ts"
import type { Pass } from "../rewrite.ts"
import { rewrite } from "../rewrite.ts"

/** Constants above this size are compared by identity: tables repeat, weights do not. */
const comparedElements = 65_536

export const commonSubexpressions: Pass = (graph) =>
  rewrite(graph, () => {
    const numbers = new Map<Value, number>()
    const numberOf = (value: Value): number => {
      const known = numbers.get(value)
      if (known !== undefined) return known
      numbers.set(value, numbers.size)
      return numbers.size - 1
    }
    const seen = new Map<string, Node>()

    return (node) => {
      if (node.operation.kind === "constant" && node.operation.data.length > comparedElements) return undefined
      const key = [
        describe(node),
        node.inputs.map(numberOf).join(),
        ...node.outputs.map(({ dtype, shape }) => `${dtype}[${shape.join()}]`)
      ].join("|")
      const twin = seen.get(key)
      if (twin !== undefined) return twin.outputs
      seen.set(key, node)
      return undefined
    }
  })

const describe = ({ operation }: Node): string =>
  operation.kind === "constant"
    ? `constant ${
      Buffer.from(operation.data.buffer, operation.data.byteOffset, operation.data.byteLength).toString("base64")
    }`
    : JSON.stringify(operation, (_, value: unknown) => typeof value === "number" ? numeral(value) : value)

/** JSON has no NaN, infinities or -0. */
const numeral = (value: number): string | number =>
  Number.isFinite(value) && !Object.is(value, -0) ? value : `#${Object.is(value, -0) ? "-0" : value}`
