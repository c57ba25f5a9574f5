import * as fc from "fast-check"
import type { Schedule } from "../../schedule/index.ts"

/** What laws are stated of: one value, or every value of an arbitrary. */
export interface Subject<A> {
  readonly values: fc.Arbitrary<A>
  readonly isOne: boolean
}

export const one = <A>(value: A): Subject<A> => ({ values: fc.constant(value), isOne: true })
export const every = <A>(values: fc.Arbitrary<A>): Subject<A> => ({ values, isOne: false })

/** A schedule as text: what it was made from, or its tables. */
export const showSchedule = ({ alphaBar, config, name, steps }: Schedule): string =>
  `${name} ${JSON.stringify(config)}, ${steps} timesteps, alphaBar from ${alphaBar[0]} to ${alphaBar[steps - 1]}`
