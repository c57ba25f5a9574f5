/**
 * Keeps long state vectors in blocks, so that what is computed on them element by element is computed block by block.
 *
 * The parameters of a model are one vector, as are the moments and the average that an optimiser keeps. A network of 36
 * million parameters makes of each pass over such a vector a trip to memory and back, and of each intermediate result
 * another 143 MB. In blocks, what one operation has written the next still finds in the cache. The parameters are cut
 * where the program splits them, each whole in one block, so that neither they nor their gradients are copied.
 *
 * Every element is computed by the same operations as before, and has the same bits; only sums over all elements become
 * sums of the blocks' sums. Whatever else takes such a vector is given the blocks joined.
 */
import { sizeOf } from "../../../tensor/HostTensor.ts"
import type { Binding, Graph, Node, Value } from "../Graph.ts"
import { GraphBuilder } from "../Graph.ts"
import type { Origin } from "../Origin.ts"
import type { Pass } from "../rewrite.ts"

/**
 * Elements of a block, 4 MB: measured, a training step of 36 million parameters took 8 and 12 % less time (minima of two
 * runs); with blocks of a quarter, a sixteenth and four times as much, 3, 1 and 4 %.
 */
export const blockElements = 1_048_576

/** The sizes of the blocks of vectors of a length, by that length. */
type Layouts = ReadonlyMap<number, ReadonlyArray<number>>

/**
 * The pass, with the elements that a block has at least. It changes nothing unless a state vector is split into enough
 * parts for two blocks. Dead code may be left: blocks and whole vectors that nothing takes.
 *
 * @example
 * blocks(blockElements)(graph)
 */
export const blocks = (elements: number): Pass => (graph) => {
  const layouts = layoutsOf(graph, elements)
  return layouts.size === 0 ? graph : inBlocks(graph, layouts)
}

const layoutsOf = (graph: Graph, elements: number): Layouts => {
  const vectors = new Set(graph.arguments.filter(isStateVector).map(({ value }) => value))
  const layouts = new Map<number, ReadonlyArray<number>>()
  for (const { inputs, operation } of graph.nodes) {
    if (operation.kind !== "split" || !vectors.has(inputs[0]!)) continue
    const length = inputs[0]!.shape[0]!
    const sizes = joinSmall(operation.sizes, elements)
    if (sizes.length > 1 && !layouts.has(length)) layouts.set(length, sizes)
  }
  return layouts
}

const isStateVector = ({ role, value }: Binding): boolean =>
  role === "state" && value.shape.length === 1 && value.dtype === "float32"

/** Neighbours together until they have enough elements; what is left at the end goes with the last. */
const joinSmall = (sizes: ReadonlyArray<number>, elements: number): ReadonlyArray<number> => {
  const joined: Array<number> = []
  let open = 0
  for (const size of sizes) {
    open += size
    if (open < elements) continue
    joined.push(open)
    open = 0
  }
  return open === 0 ? joined : [...joined.slice(0, -1), (joined.at(-1) ?? 0) + open]
}

/** Which parts, one after the other, make each block; undefined where a part lies in two. */
const partsOfBlocks = (
  parts: ReadonlyArray<number>,
  blocks: ReadonlyArray<number>
): ReadonlyArray<readonly [begin: number, end: number]> | undefined => {
  let end = 0
  const ranges = blocks.map((block) => {
    const begin = end
    for (let size = 0; size < block && end < parts.length; end++) size += parts[end]!
    return [begin, end] as const
  })
  const exact = ranges.every(([begin, end], i) => sum(parts.slice(begin, end)) === blocks[i])
  return exact && end === parts.length ? ranges : undefined
}

const sum = (sizes: ReadonlyArray<number>): number => sizes.reduce((total, size) => total + size, 0)

const inBlocks = (graph: Graph, layouts: Layouts): Graph => {
  let origin: Origin | undefined
  const builder = new GraphBuilder(() => origin)
  /** What stands for the values of the old graph: blocks, one value, or both. */
  const blocked = new Map<Value, ReadonlyArray<Value>>()
  const joined = new Map<Value, Value>()

  const layoutOf = ({ shape }: Value): ReadonlyArray<number> | undefined =>
    shape.length === 1 ? layouts.get(shape[0]!) : undefined

  const whole = (value: Value): Value => {
    const known = joined.get(value)
    if (known !== undefined) return known
    const parts = blocked.get(value)
    if (parts === undefined) return value
    const join = builder.append({ kind: "concat", axis: 0 }, parts, value.shape, value.dtype)
    joined.set(value, join)
    return join
  }

  const split = (value: Value): ReadonlyArray<Value> => {
    const sizes = layoutOf(value)!
    const outputs = sizes.map((size): Value => ({ shape: [size], dtype: value.dtype }))
    return builder.appendMany({ kind: "split", axis: 0, sizes }, [whole(value)], outputs)
  }

  /** The node for each block; undefined where it cannot be. */
  const inEachBlock = (node: Node): ReadonlyArray<Value> | undefined => {
    const { inputs, operation } = node
    const [output] = node.outputs as [Value]
    const sizes = layoutOf(output)
    if (sizes === undefined) return undefined
    switch (operation.kind) {
      case "fill":
        return sizes.map((size) => builder.append(operation, [], [size], output.dtype))
      case "unary":
      case "binary":
      case "select":
      case "cast": {
        if (!inputs.every((input) => blocked.has(input) || sizeOf(input.shape) === 1)) return undefined
        const operands = (block: number) => inputs.map((input) => blocked.get(input)?.[block] ?? whole(input))
        return sizes.map((size, block) => builder.append(operation, operands(block), [size], output.dtype))
      }
      case "concat": {
        const ranges = partsOfBlocks(inputs.map(({ shape }) => shape[0]!), sizes)
        return ranges?.map(([begin, end], block) =>
          end - begin === 1
            ? whole(inputs[begin]!)
            : builder.append(operation, inputs.slice(begin, end).map(whole), [sizes[block]!], output.dtype)
        )
      }
      default:
        return undefined
    }
  }

  /** What is made of the blocks of a vector, each by itself; undefined where it cannot be. */
  const ofEachBlock = (node: Node): ReadonlyArray<Value> | undefined => {
    const { operation, outputs } = node
    const [input] = node.inputs as [Value]
    const parts = blocked.get(input)
    const sizes = parts === undefined ? undefined : layoutOf(input)!
    if (parts === undefined || sizes === undefined) return undefined
    switch (operation.kind) {
      case "split":
        return partsOfBlocks(operation.sizes, sizes)?.flatMap(([begin, end], block) =>
          end - begin === 1
            ? [parts[block]!]
            : builder.appendMany(
              { ...operation, sizes: operation.sizes.slice(begin, end) },
              [parts[block]!],
              outputs.slice(begin, end)
            )
        )
      case "reduce": {
        const { function: name } = operation
        if ((name !== "sum" && name !== "max" && name !== "min") || operation.axes.length === 0) return undefined
        const [output] = outputs as [Value]
        const partial = parts.map((part) => builder.append({ ...operation, keepDims: true }, [part], [1], input.dtype))
        const all = builder.append({ kind: "concat", axis: 0 }, partial, [parts.length], input.dtype)
        return [builder.append(operation, [all], output.shape, output.dtype)]
      }
      default:
        return undefined
    }
  }

  const bindings = (binding: Binding, values: ReadonlyArray<Value>): ReadonlyArray<Binding> => {
    let end = 0
    return values.map((value) => {
      const offset = end
      end += value.shape[0]!
      return { ...binding, value, offset }
    })
  }

  const kept = new Set(
    graph.arguments.filter((argument) => isStateVector(argument) && layoutOf(argument.value) !== undefined)
      .map(({ name }) => name)
  )
  const isKept = ({ name, role }: Binding): boolean => role === "state" && kept.has(name)
  const arguments_ = graph.arguments.flatMap((argument) => {
    if (!isKept(argument)) return [argument]
    const { dtype } = argument.value
    const values = layoutOf(argument.value)!.map((size): Value => ({ shape: [size], dtype }))
    blocked.set(argument.value, values)
    return bindings(argument, values)
  })

  for (const node of graph.nodes) {
    origin = node.origin
    const inEach = inEachBlock(node)
    if (inEach !== undefined) {
      blocked.set(node.outputs[0]!, inEach)
      continue
    }
    const ofEach = ofEachBlock(node)
    if (ofEach !== undefined) node.outputs.forEach((output, i) => joined.set(output, ofEach[i]!))
    else builder.nodes.push({ ...node, inputs: node.inputs.map(whole) })
  }

  const results = graph.results.flatMap((result) =>
    isKept(result)
      ? bindings(result, blocked.get(result.value) ?? split(result.value))
      : [{ ...result, value: whole(result.value) }]
  )
  return { ...graph, arguments: arguments_, nodes: builder.nodes, results }
}
