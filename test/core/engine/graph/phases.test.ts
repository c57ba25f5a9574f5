/**
 * Phases hold every element of every window that lies over the image, at its pixel, once.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { phasesOf } from "../../../../packages/core/src/engine/graph/phases.ts"

/** Along one axis; the other is a single pixel under windows of one. */
const axis = fc.record({
  length: fc.integer({ min: 1, max: 9 }),
  count: fc.integer({ min: 1, max: 6 }),
  size: fc.integer({ min: 1, max: 5 }),
  stride: fc.integer({ min: 1, max: 4 }),
  before: fc.nat(4)
})

describe("the phases of an image", () => {
  it("hold each element of each window at the pixel that it lies over", () =>
    fc.assert(fc.property(axis, fc.boolean(), ({ before, count, length, size, stride }, isDown) => {
      const pair = <A>(along: A, other: A): readonly [A, A] => isDown ? [along, other] : [other, along]
      const padding = isDown ? [before, 0, 0, 0] as const : [0, 0, before, 0] as const
      const phases = phasesOf(pair(length, 1), pair(count, 1), pair(size, 1), {
        strides: pair(stride, 1),
        dilations: [1, 1],
        padding
      })
      const found = Array.from({ length: stride }, (_, place) => {
        const landings = isDown ? phases.landings[place]![0]! : phases.landings[0]![place]!
        return landings.flatMap(({ around, element }) => {
          const [laidBefore, laidAfter] = isDown ? [around[0], around[1]] : [around[2], around[3]]
          assert.strictEqual(laidBefore + count + laidAfter, phases.size[isDown ? 0 : 1])
          return Array.from({ length: count }, (_, window) => window)
            .filter((window) => window + laidBefore >= 0 && window + laidBefore < phases.size[isDown ? 0 : 1])
            .map((window) => ({
              window,
              element: element[isDown ? 0 : 1],
              pixel: (window + laidBefore) * stride + place
            }))
            .filter(({ pixel }) => pixel < length)
        })
      }).flat()
      const expected = Array.from(
        { length: count },
        (_, window) =>
          Array.from({ length: size }, (_, element) => ({ window, element, pixel: window * stride + element - before }))
      )
        .flat().filter(({ pixel }) => pixel >= 0 && pixel < length)
      const sorted = (places: typeof expected) =>
        places.map(({ element, pixel, window }) => `${window} ${element} ${pixel}`).sort()
      assert.deepStrictEqual(sorted(found), sorted(expected))
    })))
})
