/**
 * A worker whose machine adds in plain JavaScript: the state `sum` grows by the input `x`, element by element.
 * What it is told when it starts says what goes wrong with it.
 */
import type { Machine } from "../../../../../packages/core/src/engine/worker/Machine.ts"
import { work } from "../../../../../packages/core/src/engine/worker/serve.ts"

export interface Source {
  readonly refused?: string
}

export interface Data {
  /** Why the machine does not load. */
  readonly unavailable?: string
  /** What a step throws when it is given a negative number. */
  readonly negative?: string
  /** How many states' releases fail, as a runtime's might. */
  readonly stuck?: number
}

work(async (data): Promise<Machine<Source>> => {
  const { negative = "negative", stuck = 0, unavailable } = data as Data
  if (unavailable !== undefined) throw new Error(unavailable)
  let [lost, alive] = [0, 0]
  return {
    facts: { base: 10 },
    compile: async ({ refused }) => {
      if (refused !== undefined) throw new Error(refused)
      return {
        start: async ({ sum }) => {
          let state = sum as Float32Array<ArrayBuffer>
          alive++
          return {
            tensors: 1,
            bytes: state.byteLength,
            step: async ({ x }) => {
              if (x!.some((element) => element < 0)) throw new Error(negative)
              state = state.map((element, i) => element + x![i]!)
              return { doubled: state.map((element) => 2 * element), alive: Int32Array.of(alive) }
            },
            read: async () => ({ sum: state.slice() }),
            write: async ({ sum }) => {
              state = sum as Float32Array<ArrayBuffer>
            },
            release: async () => {
              if (lost < stuck) {
                lost++
                throw new Error("this state cannot be released")
              }
              alive--
            }
          }
        },
        release: async () => {}
      }
    },
    lost: () => ({ instances: lost, tensors: lost })
  }
})
