/**
 * What samplers remember from one step to the next.
 */
import { type DenoisingStep, type Plan, sampleOnHost, startOnHost, stepOnHost } from "@effusion/core/sampling"
import { dataLevel } from "@effusion/core/schedule"
import { assert, describe, it } from "vitest"

describe("the memory of a plan", () => {
  const step: DenoisingStep = {
    timestep: 0,
    inputScale: 1,
    from: { timestep: 0, signal: 0.6, spread: 0.8 },
    to: dataLevel,
    sample: { xt: 0, prediction: 1 },
    epsilon: { xt: 1, prediction: -2 },
    next: { x: 2, memory: { a: 1 } },
    remember: { a: { x: 1, noise: 3 }, b: { sample: 1, epsilon: 1, memory: { a: 10, b: 100 } } }
  }
  const plan: Plan = {
    sampler: "test",
    clip: "none",
    initialNoiseSigma: 5,
    memory: ["a", "b", "c"],
    steps: [step, step]
  }

  it("is empty at first; every part of a step sees what the step found; what is not named stays", () => {
    const start = startOnHost(plan, [1])
    assert.deepStrictEqual(start, { examples: 1, x: Float64Array.of(5), memory: zero(["a", "b", "c"]) })
    const first = stepOnHost(plan, step, start, [7], [0.5])
    assert.deepStrictEqual(first, {
      examples: 1,
      x: Float64Array.of(10),
      memory: { a: Float64Array.of(6.5), b: Float64Array.of(7 + 5 - 14), c: Float64Array.of(0) }
    })
    const second = stepOnHost(plan, step, { ...first, memory: { ...first.memory, c: Float64Array.of(4) } }, [0])
    assert.deepStrictEqual(second, {
      examples: 1,
      x: Float64Array.of(26.5),
      memory: { a: Float64Array.of(10), b: Float64Array.of(10 + 65 - 200), c: Float64Array.of(4) }
    })
  })

  it("draws noise for a step that only remembers it", () => {
    const positions: Array<number> = []
    sampleOnHost(plan, { noise: [1], predict: (x) => x, stepNoise: (position) => (positions.push(position), [0]) })
    assert.deepStrictEqual(positions, [0, 1])
  })

  it("takes prediction and noise of the length of x only", () => {
    const start = startOnHost(plan, [1, 2])
    assert.throws(() => stepOnHost(plan, step, start, [1]), RangeError, "prediction has 1")
    assert.throws(() => stepOnHost(plan, step, start, [1, 2], [1, 2, 3]), RangeError, "noise has 3")
  })

  it("has every name that a step uses", () => {
    const uses = (combination: DenoisingStep["next"]) => ({ ...step, next: combination })
    assert.throws(() => stepOnHost(plan, uses({ memory: { d: 1 } }), startOnHost(plan, [1]), [1]), /"d"/)
    assert.throws(
      () => stepOnHost(plan, { ...step, remember: { e: { x: 1 } } }, startOnHost(plan, [1]), [1]),
      /"e"/
    )
  })
})

const zero = (names: ReadonlyArray<string>) => Object.fromEntries(names.map((name) => [name, new Float64Array(1)]))
