/**
 * Where a state comes from, and to whom it belongs: arrays that are copied, and arrays that are given away.
 */
import { expect } from "@effect/vitest"
import { Engine, type Program, type Tensor } from "@effusion/core/engine"
import { float32, int32 } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect, Exit } from "effect"
import * as fc from "fast-check"
import { uncollected } from "../support/collect.ts"
import { property } from "./check.ts"
import { bits, type EngineTests, f32, i32, type NamedHost } from "./tests.ts"

type State = { a: Tensor; b: Tensor; n: Tensor; m: Tensor }

/** Four states, of both types, which a step makes of each other. */
const mix: Program<State, { x: Tensor }, { sum: Tensor; n: Tensor }> = {
  name: "mix",
  state: { a: f32(5), b: f32(5), n: i32(3), m: i32(3) },
  input: { x: f32(5) },
  apply: ({ a, b, m, n }, { x }) => ({
    state: { a: tf.add(a, x), b: tf.mul(a, b), n: tf.add(n, m), m: n },
    output: { sum: tf.add(a, b), n }
  })
}

/** How an array lies in memory. */
const layouts = ["its own", "a part of a larger one", "shared with other threads", "the one before"] as const
type Layout = (typeof layouts)[number]

interface Placement {
  readonly seed: number
  readonly layouts: readonly [Layout, Layout, Layout, Layout]
}

const layout = fc.constantFrom(...layouts)
const placements: fc.Arbitrary<Placement> = fc.record({
  seed: fc.integer({ min: 1, max: 1000 }),
  layouts: fc.tuple(layout, layout, layout, layout)
})

/** The state of a placement, and all that lies in the buffers of which its arrays are parts. */
const lay = ({ layouts, seed }: Placement) => {
  const around: Array<Float32Array | Int32Array> = []
  const array = <A extends Float32Array | Int32Array>(
    type: { new(buffer: ArrayBufferLike, offset?: number, length?: number): A },
    length: number,
    i: number,
    before: A | undefined
  ): A => {
    const layout = layouts[i]!
    if (layout === "the one before" && before !== undefined) return before
    const [offset, size] = layout === "a part of a larger one" ? [2, length + 3] : [0, length]
    const buffer = layout === "shared with other threads" ? new SharedArrayBuffer(size * 4) : new ArrayBuffer(size * 4)
    const whole = new type(buffer)
    for (let k = 0; k < size; k++) whole[k] = (seed * (i + 3) * (k + 7)) % 11 - 5
    if (layout === "a part of a larger one" || layout === "shared with other threads") around.push(whole)
    return new type(buffer, offset * 4, length)
  }
  const a = array<Float32Array>(Float32Array, 5, 0, undefined)
  const b = array<Float32Array>(Float32Array, 5, 1, a)
  const n = array<Int32Array>(Int32Array, 3, 2, undefined)
  const m = array<Int32Array>(Int32Array, 3, 3, n)
  return { state: { a: float32([5], a), b: float32([5], b), n: int32([3], n), m: int32([3], m) }, around }
}

const x = { x: float32([5], [1, -1, 2, 0, 0.5]) }

/** Three steps from a state, and what it has become. */
const take = Effect.fnUntraced(function*(state: ReturnType<typeof lay>["state"], donate: boolean | undefined) {
  const executable = yield* (yield* Engine).compile(mix)
  const instance = yield* executable.start(state, donate === undefined ? {} : { donate })
  return yield* outcome(instance)
}, Effect.scoped)

const outcome = Effect.fnUntraced(function*<E, R>(
  { read, step }: {
    readonly step: (input: typeof x) => Effect.Effect<NamedHost, E, R>
    readonly read: Effect.Effect<NamedHost, E, R>
  }
) {
  const begun = bits(yield* read)
  const outputs = [bits(yield* step(x)), bits(yield* step(x)), bits(yield* step(x))]
  return { begun, outputs, ended: bits(yield* read) }
})

const bytes = (arrays: ReadonlyArray<Float32Array | Int32Array>) => arrays.map((array) => Array.from(array))

const own: Placement = { seed: 1, layouts: ["its own", "its own", "its own", "its own"] }

/** Registers the tests. */
export const donationTests = (it: EngineTests): void => {
  it.effect("a donated state computes what a copied one does, however its arrays lie in memory", () =>
    property(
      placements,
      Effect.fnUntraced(function*(placement: Placement) {
        const given = lay(placement)
        const before = { state: bits(given.state), around: bytes(given.around) }
        const copied = yield* take(given.state, undefined)
        expect(copied.begun).toEqual(before.state)
        // What is not donated is as it was, and can be used again.
        expect(yield* take(given.state, false)).toEqual(copied)
        expect({ state: bits(given.state), around: bytes(given.around) }).toEqual(before)

        expect(yield* take(given.state, true)).toEqual(copied)
        // Only what is an array's own is given away with it.
        expect(bytes(given.around)).toEqual(before.around)
      }),
      {
        numRuns: 20,
        examples: [
          [own],
          [{ seed: 2, layouts: ["its own", "the one before", "its own", "the one before"] }],
          [{ seed: 3, layouts: Array(4).fill("a part of a larger one") as unknown as Placement["layouts"] }],
          [{ seed: 4, layouts: Array(4).fill("shared with other threads") as unknown as Placement["layouts"] }]
        ]
      }
    ))

  it.effect("a state that is copied is not held on the host", () =>
    Effect.gen(function*() {
      const executable = yield* (yield* Engine).compile(mix)
      const begin = Effect.fnUntraced(function*() {
        const { state } = lay(own)
        const names = Object.entries(state).map(([name, { data }]) => [name, new WeakRef(data.buffer)] as const)
        return { instance: yield* executable.start(state), references: Object.fromEntries(names) }
      })
      const { instance, references } = yield* begin()
      yield* instance.step(x)
      expect(yield* uncollected(references)).toEqual([])
      yield* instance.step(x)
    }).pipe(Effect.scoped))

  it.effect("a state that is donated twice is refused the second time, or was copied: it is never an empty one", () =>
    Effect.gen(function*() {
      const expected = yield* take(lay(own).state, false)
      const executable = yield* (yield* Engine).compile(mix)
      const { state } = lay(own)
      const first = yield* executable.start(state, { donate: true })
      const second = yield* Effect.exit(executable.start(state, { donate: true }))
      if (Exit.isSuccess(second)) expect(yield* outcome(second.value)).toEqual(expected)
      else expect(String(second.cause)).toContain("SignatureMismatch")
      // ... and the other instance knows nothing of it.
      expect(yield* outcome(first)).toEqual(expected)
    }).pipe(Effect.scoped))

  it.effect("a state that is donated twice at once goes to one of the two whole", () =>
    Effect.gen(function*() {
      const expected = yield* take(lay(own).state, false)
      const executable = yield* (yield* Engine).compile(mix)
      const { state } = lay(own)
      const start = Effect.exit(executable.start(state, { donate: true }))
      const started = (yield* Effect.all([start, start], { concurrency: "unbounded" })).filter(Exit.isSuccess)
      expect(started.length).toBeGreaterThan(0)
      for (const { value } of started) expect(yield* outcome(value)).toEqual(expected)
    }).pipe(Effect.scoped))
}
