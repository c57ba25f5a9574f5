/**
 * Minimum cuts of flow networks.
 */

/** A network whose nodes are 0 to `nodes - 1`. */
export interface FlowNetwork {
  readonly nodes: number
  readonly source: number
  readonly sink: number
  /** Capacities are 0 or more; `Infinity` for what must not be cut. */
  readonly edges: ReadonlyArray<{ readonly from: number; readonly to: number; readonly capacity: number }>
}

/**
 * The nodes on the sink's side of the minimum cut that lies nearest to the sink: those from which the sink can still be
 * reached once as much flows as can. The edges that lead into them from the others are the cut.
 *
 * By the method of Edmonds and Karp (1972), which augments along shortest paths; the largest flow is the smallest cut (Ford
 * and Fulkerson 1956).
 *
 * @throws RangeError when a path of infinite capacity leads from the source to the sink: there is no cut.
 * @example
 * const edges = [{ from: 0, to: 1, capacity: 5 }, { from: 1, to: 2, capacity: 3 }]
 * sinkSide({ nodes: 3, source: 0, sink: 2, edges }) // => Set { 2 }
 */
export const sinkSide = (network: FlowNetwork): ReadonlySet<number> => {
  const { nodes, sink, source } = network
  // Edge 2i is edge i of the network and 2i + 1 its reverse: what flows can be taken back. The edges that leave a node are a
  // chain: the first, and for each the next.
  const heads = new Int32Array(2 * network.edges.length)
  const rest = new Float64Array(2 * network.edges.length)
  const first = new Int32Array(nodes).fill(-1)
  const next = new Int32Array(2 * network.edges.length)
  const leave = (edge: number, from: number, to: number): void => {
    heads[edge] = to
    next[edge] = first[from]!
    first[from] = edge
  }
  network.edges.forEach(({ capacity, from, to }, i) => {
    rest[2 * i] = capacity
    leave(2 * i, from, to)
    leave(2 * i + 1, to, from)
  })

  const reachedBy = new Int32Array(nodes)
  const queue = [source]

  /** The edge by which each node is reached first from the source; undefined when the sink is not. */
  const shortestPath = (): Int32Array | undefined => {
    reachedBy.fill(-1)
    queue.length = 1
    for (const node of queue) {
      for (let edge = first[node]!; edge !== -1; edge = next[edge]!) {
        const head = heads[edge]!
        if (rest[edge] === 0 || head === source || reachedBy[head] !== -1) continue
        reachedBy[head] = edge
        if (head === sink) return reachedBy
        queue.push(head)
      }
    }
    return undefined
  }

  for (let path = shortestPath(); path !== undefined; path = shortestPath()) {
    const edges: Array<number> = []
    for (let node = sink; node !== source; node = heads[edges.at(-1)! ^ 1]!) edges.push(path[node]!)
    const flow = Math.min(...edges.map((edge) => rest[edge]!))
    if (flow === Infinity) throw new RangeError("a path of infinite capacity leads from the source to the sink")
    for (const edge of edges) {
      rest[edge]! -= flow
      rest[edge ^ 1]! += flow
    }
  }

  const side = new Set([sink])
  for (const node of side) {
    for (let edge = first[node]!; edge !== -1; edge = next[edge]!) if (rest[edge ^ 1]! > 0) side.add(heads[edge]!)
  }
  return side
}
