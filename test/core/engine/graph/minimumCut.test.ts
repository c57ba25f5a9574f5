/**
 * Minimum cuts, held to the best of all cuts of small networks.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { type FlowNetwork, sinkSide } from "../../../../packages/core/src/engine/graph/minimumCut.ts"

const capacityInto = ({ edges }: FlowNetwork, side: ReadonlySet<number>): number =>
  edges.reduce((sum, { capacity, from, to }) => sum + (!side.has(from) && side.has(to) ? capacity : 0), 0)

/** All sets of nodes with the sink and without the source. */
const sinkSides = ({ nodes, sink, source }: FlowNetwork): ReadonlyArray<ReadonlySet<number>> => {
  const others = Array.from({ length: nodes }, (_, i) => i).filter((i) => i !== sink && i !== source)
  return Array.from(
    { length: 2 ** others.length },
    (_, bits) => new Set([sink, ...others.filter((__, i) => (bits >> i) % 2 === 1)])
  )
}

const networks = fc.integer({ min: 2, max: 7 }).chain((nodes) =>
  fc.array(
    fc.record({
      from: fc.nat(nodes - 1),
      to: fc.nat(nodes - 1),
      capacity: fc.oneof({ weight: 9, arbitrary: fc.nat(9) }, { weight: 1, arbitrary: fc.constant(Infinity) })
    }),
    { maxLength: 16 }
  ).map((edges): FlowNetwork => ({ nodes, source: 0, sink: nodes - 1, edges }))
)

describe("sinkSide", () => {
  it("is the smallest cut, and of the smallest the one nearest to the sink", () =>
    fc.assert(fc.property(networks, (network) => {
      const cuts = sinkSides(network).map((side) => ({ side, capacity: capacityInto(network, side) }))
      const least = Math.min(...cuts.map(({ capacity }) => capacity))
      if (least === Infinity) {
        assert.throws(() => sinkSide(network), /infinite capacity/)
        return
      }
      const side = sinkSide(network)
      assert.strictEqual(capacityInto(network, side), least)
      for (const cut of cuts) if (cut.capacity === least) assert.isTrue([...side].every((node) => cut.side.has(node)))
    })))
})
