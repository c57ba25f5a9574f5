/**
 * Has ONNX Runtime run nodes in the order in which they are listed, where that matters.
 *
 * ONNX Runtime begins with the nodes whose results nobody reads, with the one that is listed last, and runs before each what it
 * needs and what has not run. So the order is told by nodes that nobody reads, one behind each node that is to come in its
 * place, listed backwards. They compute the empty shape of a tensor, and take a microsecond.
 *
 * What nobody reads at all is kept until a run ends, so that it is given a reader.
 */
import type { OnnxModel, OnnxNode } from "../Model.ts"

/**
 * The model whose nodes run in their order, as far as they are to.
 *
 * @param isPlaced which nodes are; the others run when one of them needs what they make
 * @param source says which node an added one stands for
 * @example
 * asListed(model, ({ op }) => op === "Conv").nodes.at(-1) // => { op: "Shape", inputs: ["Conv_0"], ... }
 */
export const asListed = (
  model: OnnxModel,
  isPlaced: (node: OnnxNode) => boolean,
  source: (added: OnnxNode, node: OnnxNode) => void = () => {}
): OnnxModel => {
  const read = new Set([...model.nodes.flatMap(({ inputs }) => inputs), ...model.outputs.map(({ name }) => name)])
  const ends = model.nodes.filter((node) => !isView(node)).toReversed().flatMap((node) => {
    const unread = node.outputs.filter((output) => output !== "" && !read.has(output))
    const ended = unread.length === 0 && isPlaced(node) ? node.outputs.slice(0, 1) : unread
    return ended.map((output): OnnxNode => {
      const end = endOf(output)
      source(end, node)
      return end
    })
  })
  return { ...model, nodes: [...model.nodes, ...ends] }
}

/** Whether a node hands its operand on: it has run as soon as that is there, and what reads it reads the operand. */
export const isView = ({ domain, op }: OnnxNode): boolean => domain === "" && (op === "Identity" || op === "Reshape")

const endOf = (output: string): OnnxNode => ({
  name: `${output}.end`,
  domain: "",
  op: "Shape",
  inputs: [output],
  outputs: [`${output}.end`],
  attributes: { start: { type: "int", value: 0 }, end: { type: "int", value: 0 } }
})
