import { assert, describe, it } from "@effect/vitest"
import { Key } from "@effusion/core/random"
import * as fc from "fast-check"
import fixture from "../../fixtures/philox.json" with { type: "json" }

const hex = (key: Key.Key): Array<string> => [key.word0, key.word1].map((word) => word.toString(16).padStart(8, "0"))
const datum = fc.oneof(fc.maxSafeInteger(), fc.string({ unit: "binary", maxLength: 20 }))

describe("Key", () => {
  it("is the two's complement of its seed", () => {
    assert.deepStrictEqual(Key.make(7), { word0: 7, word1: 0 })
    assert.deepStrictEqual(Key.make(-1), { word0: 2 ** 32 - 1, word1: 2 ** 32 - 1 })
    fc.assert(fc.property(fc.maxSafeInteger(), (seed) => {
      const { word0, word1 } = Key.make(seed)
      assert.strictEqual(BigInt.asIntN(64, (BigInt(word1) << 32n) | BigInt(word0)), BigInt(seed))
    }))
  })

  it.each(fixture.derivation.cases)("folds $data into seed $seed", ({ data, key, seed }) => {
    assert.deepStrictEqual(hex(Key.fold(Key.make(seed), data)), key)
  })

  it("derives the same key from the same data, and another from other data or another key", () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.maxSafeInteger(), datum, datum, (seed, otherSeed, data, otherData) => {
        const derived = Key.fold(Key.make(seed), data)
        assert.deepStrictEqual(Key.fold(Key.make(seed), data), derived)
        if (data !== otherData) assert.notDeepEqual(Key.fold(Key.make(seed), otherData), derived)
        if (seed !== otherSeed) assert.notDeepEqual(Key.fold(Key.make(otherSeed), data), derived)
      }),
      { numRuns: 1000 }
    )
  })

  it("tells apart strings that only their ends or their padding set apart, and numbers from their digits", () => {
    const texts = ["", "\0", "\0\0", "\0\0\0\0", "\0\0\0\0\0", "abcd", "abcd\0", "abcde", "abcdabcd", "1", "\uD800"]
    const keys = [...texts, 0, 1].map((data) => hex(Key.fold(Key.make(0), data)).join())
    assert.strictEqual(new Set(keys).size, keys.length)
  })

  it("gives no key twice among the derivations of a long run", () => {
    const root = Key.make(7)
    const keys = new Set<string>()
    for (let step = 0; step < 20_000; step++) {
      const key = Key.fold(root, step)
      for (const name of ["schedule sampling", "forward noising", "dropout"]) keys.add(hex(Key.fold(key, name)).join())
    }
    assert.strictEqual(keys.size, 60_000)
  })

  it.each([0.5, NaN, Infinity, 2 ** 53])("refuses %d, which is no safe integer", (value) => {
    assert.throws(() => Key.make(value), RangeError, String(value))
    assert.throws(() => Key.fold(Key.make(0), value), RangeError, String(value))
  })
})
