/** The books of the addon's tensors, over an addon that only counts. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Binding } from "../../../../packages/core/src/engine/tensorflow/Binding.ts"
import { Ledger } from "../../../../packages/core/src/engine/tensorflow/eager/Ledger.ts"

/** An addon with no elements, whose tensors are numbers; it refuses to delete what is not there, as the addon does. */
const countingAddon = (first = 0) => {
  const alive = new Set<number>()
  let next = first
  const make = () => {
    alive.add(next)
    const id = next
    next = (next + 1) | 0
    return id
  }
  const addon = {
    TF_FLOAT: 1,
    TF_INT32: 3,
    TF_INT64: 9,
    TF_BOOL: 10,
    createTensor: make,
    executeOp: (_: string, __: unknown, ___: unknown, outputs: number) =>
      Array.from({ length: outputs }, () => ({ id: make(), shape: [2, 3], dtype: 1 })),
    deleteTensor: (id: number) => {
      // The addon takes numbers modulo 2^32.
      if (!alive.delete(id | 0)) throw new Error(`Delete called on a Tensor not referenced (tensor_id: ${id})`)
    },
    getNumOfTensors: () => alive.size
  } as unknown as Binding
  return { addon, alive, comeRoundTo: (id: number) => void (next = id) }
}

const create = (ledger: Ledger) => ledger.binding.createTensor([2], 1, new Float32Array(2))
const run = (ledger: Ledger, outputs: number) => ledger.binding.executeOp("Split", [], [], outputs).map(({ id }) => id)

/** What happens in a step, by the place of a tensor among those there are. */
const events = fc.array(
  fc.oneof(
    fc.record({ event: fc.constant("create" as const) }),
    fc.record({ event: fc.constant("run" as const), outputs: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ event: fc.constantFrom("hold", "release", "delete"), place: fc.nat() }),
    fc.record({ event: fc.constant("throw" as const) })
  ),
  { maxLength: 40 }
)

describe("Ledger", () => {
  it("after a step, what is held is there and nothing else, however it ended", () => {
    fc.assert(fc.property(fc.array(events, { maxLength: 6 }), fc.constantFrom(0, 2 ** 31 - 5, -3), (steps, first) => {
      const { addon, alive } = countingAddon(first)
      const ledger = new Ledger(addon)
      const holds = new Map<number, number>()
      const seen: Array<number> = []
      for (const step of steps) {
        try {
          ledger.during(() => {
            for (const happening of step) {
              if (happening.event === "create") seen.push(create(ledger))
              else if (happening.event === "run") seen.push(...run(ledger, happening.outputs))
              else if (happening.event === "throw") throw new Error("in the middle")
              else if (seen.length > 0) {
                const id = seen[happening.place % seen.length]!
                const held = holds.get(id) ?? 0
                if (happening.event === "delete") ledger.binding.deleteTensor(id)
                else if (happening.event === "hold" && alive.has(id | 0)) {
                  ledger.hold(id)
                  holds.set(id, held + 1)
                } else if (happening.event === "release" && held > 0) {
                  ledger.release(id)
                  holds.set(id, held - 1)
                }
              }
            }
          })
        } catch {
          // As a program's function does.
        }
        const expected = [...holds].filter(([, held]) => held > 0).map(([id]) => id | 0)
        assert.deepStrictEqual([...alive].sort(), expected.sort())
        assert.strictEqual(ledger.total().tensors, expected.length)
        assert.strictEqual(ledger.unaccounted(), 0)
      }
      for (const [id, held] of holds) for (let i = 0; i < held; i++) ledger.release(id)
      assert.deepStrictEqual([...alive], [])
      assert.deepStrictEqual(ledger.total(), { tensors: 0, bytes: 0 })
    }))
  })

  it("knows the bytes of what is made and of what operations give", () => {
    const ledger = new Ledger(countingAddon().addon)
    const made = create(ledger)
    const [result] = run(ledger, 1)
    assert.strictEqual(ledger.bytesOf(made), 8)
    assert.strictEqual(ledger.bytesOf(result!), 24)
    assert.deepStrictEqual(ledger.total(), { tensors: 2, bytes: 32 })
  })

  it("leaves to others what they made before, outside of steps, or delete twice", () => {
    const { addon, alive } = countingAddon()
    const before = addon.createTensor([2], 1, new Float32Array(2))
    const ledger = new Ledger(addon)
    const outside = create(ledger)
    let swept: number | undefined
    ledger.during(() => {
      swept = create(ledger)
    })
    assert.deepStrictEqual([...alive], [before, outside])
    ledger.binding.deleteTensor(swept!)
    ledger.binding.deleteTensor(before)
    assert.strictEqual(ledger.unaccounted(), 0)
    ledger.binding.deleteTensor(outside)
    assert.deepStrictEqual([...alive], [])
    assert.strictEqual(ledger.unaccounted(), 0)
  })

  it("sees tensors that were made past it", () => {
    const { addon } = countingAddon()
    const ledger = new Ledger(addon)
    addon.createTensor([2], 1, new Float32Array(2))
    assert.strictEqual(ledger.unaccounted(), 1)
  })

  it("gives tensors numbers without a sign, which tfjs takes for tensors on the device", () => {
    const { addon, alive } = countingAddon(2 ** 31 - 2)
    const ledger = new Ledger(addon)
    const ids = [create(ledger), create(ledger), ...run(ledger, 2)]
    assert.deepStrictEqual(ids, [2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 31 + 2])
    for (const id of ids) ledger.binding.deleteTensor(id)
    assert.deepStrictEqual([...alive], [])
  })

  it("gives no number twice, when those of the addon come round to what is still held", () => {
    const { addon, alive, comeRoundTo } = countingAddon()
    const ledger = new Ledger(addon)
    const held = [create(ledger), create(ledger), create(ledger)]
    for (const id of held) ledger.hold(id)
    ledger.binding.deleteTensor(held[1]!)
    comeRoundTo(held[0]! - 1)
    const made = [...run(ledger, 2), create(ledger), ...run(ledger, 3)]
    assert.strictEqual(new Set([...held, ...made]).size, 9)
    assert.strictEqual(alive.size, 9)
    assert.strictEqual(ledger.unaccounted(), 0)
    for (const id of made) ledger.binding.deleteTensor(id)
    for (const id of held) ledger.release(id)
    assert.deepStrictEqual([...alive], [])
  })
})
