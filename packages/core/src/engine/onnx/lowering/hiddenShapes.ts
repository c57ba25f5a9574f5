/**
 * Hides shapes from the runtime until it runs.
 *
 * From shapes that it knows beforehand ONNX Runtime plans which tensor takes the place of which other one that is not needed
 * any more, and it keeps the place in between, be it for half a step. Without them it asks for room as it goes, and gives
 * it back: that takes less memory, and less time, for what was given back last is what the cache still has.
 *
 * A reshape is told its shape by a kernel that may leave out any of the numbers it is given, and leaves out none, so that
 * not even the rank of the result is known: the ranks alone would have the runtime look for a place for every tensor, in
 * vain.
 */
import type { OnnxInitializer, OnnxModel, OnnxNode } from "../Model.ts"

/**
 * The model with the shapes of its reshapes hidden.
 *
 * @param source says which node an added one stands for
 * @example
 * hideShapes(model).nodes[0] // => { op: "Compress", inputs: ["constant_3", "all.4"], outputs: ["hidden.constant_3"], ... }
 */
export const hideShapes = (
  model: OnnxModel,
  source: (added: OnnxNode, reshape: OnnxNode) => void = () => {}
): OnnxModel => {
  const initializers = new Map(model.initializers.map((initializer) => [initializer.name, initializer]))
  const hidden = new Map<OnnxInitializer, OnnxNode>()
  const nodes = model.nodes.map((node): OnnxNode => {
    const [x, shape] = node.inputs
    const numbers = node.op === "Reshape" ? initializers.get(shape!) : undefined
    if (numbers === undefined) return node
    if (!hidden.has(numbers)) {
      const added = hide(numbers)
      hidden.set(numbers, added)
      source(added, node)
    }
    return { ...node, inputs: [x!, hiddenName(numbers.name)] }
  })
  const lengths = new Set(Array.from(hidden.keys(), ({ data }) => data.length))
  return {
    ...model,
    initializers: [...model.initializers, ...Array.from(lengths, all)],
    nodes: [...hidden.values(), ...nodes]
  }
}

const hiddenName = (name: string): string => `hidden.${name}`
const allName = (length: number): string => `all.${length}`

/** Which of so many numbers to take: all. */
const all = (length: number): OnnxInitializer => ({
  name: allName(length),
  dtype: "bool",
  shape: [length],
  data: Array.from({ length }, () => 1)
})

const hide = ({ data, name }: OnnxInitializer): OnnxNode => ({
  name: hiddenName(name),
  domain: "",
  op: "Compress",
  inputs: [name, allName(data.length)],
  outputs: [hiddenName(name)],
  attributes: {}
})
