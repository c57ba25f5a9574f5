import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { fillWords } from "../../../packages/core/src/random/philox.ts"
import fixture from "../../fixtures/philox.json" with { type: "json" }

const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const quadruple = fc.tuple(uint32, uint32, uint32, uint32)

const block = (counter: ReadonlyArray<number>, [word0, word1]: ReadonlyArray<number>): Array<number> => {
  const words = new Uint32Array(4)
  const [first, counter1, counter2, counter3] = counter
  fillWords(
    { word0: word0!, word1: word1! },
    { counter1: counter1!, counter2: counter2!, counter3: counter3! },
    first!,
    words
  )
  return Array.from(words)
}

// The generator as its paper writes it, in integers of any size.
const reference = (counter: ReadonlyArray<number>, key: ReadonlyArray<number>): Array<number> => {
  const mask = 0xFFFFFFFFn
  let [c0, c1, c2, c3] = counter.map(BigInt) as [bigint, bigint, bigint, bigint]
  let [k0, k1] = key.map(BigInt) as [bigint, bigint]
  for (let round = 0; round < 10; round++) {
    const product0 = 0xD2511F53n * c0
    const product1 = 0xCD9E8D57n * c2
    ;[c0, c1, c2, c3] = [(product1 >> 32n) ^ c1 ^ k0, product1 & mask, (product0 >> 32n) ^ c3 ^ k1, product0 & mask]
    k0 = (k0 + 0x9E3779B9n) & mask
    k1 = (k1 + 0xBB67AE85n) & mask
  }
  return [c0, c1, c2, c3].map(Number)
}

describe("Philox4x32-10", () => {
  const parse = (words: ReadonlyArray<string>) => words.map((word) => parseInt(word, 16))

  it.each(fixture.knownAnswers.vectors)("gives the known answer for counter $counter", ({ counter, key, words }) => {
    assert.deepStrictEqual(block(parse(counter), parse(key)), parse(words))
  })

  it("is the paper's function of any counter and key", () => {
    fc.assert(
      fc.property(quadruple, fc.tuple(uint32, uint32), (counter, key) => {
        assert.deepStrictEqual(block(counter, key), reference(counter, key))
      }),
      { numRuns: 1000 }
    )
  })

  it("fills consecutive blocks, and wraps after the last", () => {
    fc.assert(
      fc.property(quadruple, fc.tuple(uint32, uint32), fc.integer({ min: 1, max: 9 }), (counter, key, blocks) => {
        const [first, counter1, counter2, counter3] = counter
        const words = new Uint32Array(4 * blocks)
        fillWords({ word0: key[0], word1: key[1] }, { counter1, counter2, counter3 }, first, words)
        const expected = Array.from(
          { length: blocks },
          (_, b) => block([(first + b) % 2 ** 32, counter1, counter2, counter3], key)
        ).flat()
        assert.deepStrictEqual(Array.from(words), expected)
      }),
      { examples: [[[2 ** 32 - 1, 0, 0, 0], [1, 2], 3]] }
    )
  })
})
