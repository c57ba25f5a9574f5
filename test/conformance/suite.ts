/**
 * The engine conformance suite: what every engine must do, written once.
 *
 * An engine is held to a float64 reference written from each operation's definition (`reference/`), over random shapes
 * and elements, in values and in gradients; and to its contract on states, memory and errors
 * (`packages/core/src/engine/Engine.ts`). A new engine calls {@link engineConformance} in a test file of its own.
 */
import { describe, layer as withLayer } from "@effect/vitest"
import type { Engine, EngineUnavailable } from "@effusion/core/engine"
import type { Layer } from "effect"
import type { Case } from "./Case.ts"
import { chains } from "./cases/chains.ts"
import { composites } from "./cases/composites.ts"
import { elementwise } from "./cases/elementwise.ts"
import { linear } from "./cases/linear.ts"
import { movement } from "./cases/movement.ts"
import { networks } from "./cases/networks.ts"
import { reductions } from "./cases/reductions.ts"
import { checkCase } from "./check.ts"
import { donationTests } from "./donation.ts"
import { errorTests } from "./errors.ts"
import { expressions } from "./expressions.ts"
import { type MemoryBound, memoryTests } from "./memory.ts"
import { repeatabilityTests } from "./repeatability.ts"
import { stateTests } from "./state.ts"
import { sumTests } from "./sums.ts"
import type { ConformanceOptions } from "./tests.ts"
import { trainingTests } from "./training.ts"

/** What is checked of each case: how many programs, of up to how many instances. */
interface Effort {
  readonly runs: number
  readonly batch: number
}

const groups: ReadonlyArray<readonly [string, ReadonlyArray<Case>, Effort]> = [
  ["elementwise operations", elementwise, { runs: 6, batch: 8 }],
  ["reductions", reductions, { runs: 8, batch: 8 }],
  ["movement", movement, { runs: 8, batch: 8 }],
  ["linear operations", linear, { runs: 8, batch: 8 }],
  ["networks", networks, { runs: 4, batch: 4 }],
  ["composite operations", composites, { runs: 6, batch: 8 }],
  ["chains", chains, { runs: 4, batch: 4 }],
  ["random expressions", expressions, { runs: 80, batch: 8 }]
]

/**
 * Registers the tests that hold an engine to its contract.
 *
 * @param tolerance how near to the reference, relative to the magnitude of the sums involved
 * @param memory what compiling, running and releasing may cost in resident memory
 * @param effort the part of the random programs that are tried, all unless given; what has failed once is always tried
 * @example
 * engineConformance("onnx", OnnxEngine.layer(), {
 *   tolerance: { relative: 1e-5 },
 *   memory: { cycles: 1000, megabytes: 32 }
 * })
 */
export const engineConformance = (
  name: string,
  layer: Layer.Layer<Engine, EngineUnavailable>,
  options: ConformanceOptions & { readonly memory: MemoryBound; readonly effort?: number }
): void => {
  const { effort = 1, memory } = options
  const sums = "sums" in options ? options.sums : 2 ** -22
  describe(`the engine ${name}`, () => {
    withLayer(layer, { excludeTestServices: true })((it) => {
      for (const [group, cases, { batch, runs }] of groups) {
        describe(group, () => {
          for (const one of cases) {
            it.effect(one.name, () => checkCase(one, { batch, runs: Math.ceil(effort * runs), ...options }))
          }
        })
      }
      if (sums !== undefined) describe("sums of many elements", () => sumTests(it, sums))
      describe("training", () => trainingTests(it, options))
      describe("repeatability", () => repeatabilityTests(it))
      describe("state", () => stateTests(it))
      describe("donation", () => donationTests(it))
      describe("errors", () => errorTests(it))
      describe("memory", () => memoryTests(it, layer, memory))
    })
  })
}
