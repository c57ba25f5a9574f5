/**
 * Sums of linear combinations.
 */
import type { Combination } from "../../Sampler.ts"

type Term = readonly [factor: number, combination: Combination]

/** The sum of combinations, each times a factor. What is left out counts for nothing, whatever its factor. */
export const sumOf = (...terms: ReadonlyArray<Term>): Combination => {
  const sum = (part: (combination: Combination) => number | undefined): number =>
    terms.reduce((total, [factor, combination]) => total + times(factor, part(combination) ?? 0), 0)
  const names = new Set(terms.flatMap(([, { memory = {} }]) => Object.keys(memory)))
  return {
    x: sum(({ x }) => x),
    sample: sum(({ sample }) => sample),
    epsilon: sum(({ epsilon }) => epsilon),
    noise: sum(({ noise }) => noise),
    memory: Object.fromEntries(Array.from(names, (name) => [name, sum(({ memory }) => memory?.[name])]))
  }
}

const times = (factor: number, value: number): number => value === 0 ? 0 : factor * value

/** What the sampler remembers under a name. */
export const recalled = (name: string): Combination => ({ memory: { [name]: 1 } })
