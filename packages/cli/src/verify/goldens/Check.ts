/**
 * A number that came out against one that is to come out.
 */

/** One number that is to come out. */
export interface Check {
  /** What the number is of, as the file calls it. */
  readonly what: string
  readonly expected: number
  readonly got: number
  /** How far apart the two may be. */
  readonly tolerance: number
}

/**
 * A check whose tolerance is 1e-4 of the expected value, or else `atLeast`.
 *
 * @example
 * near("abs_sum", 258.9611, 258.9591, 0).tolerance // => 0.0259
 */
export const near = (what: string, expected: number, got: number, atLeast: number): Check => ({
  what,
  expected,
  got,
  tolerance: Math.max(1e-4 * Math.abs(expected), atLeast)
})

/** Whether the two numbers are as near as they must be; what is no number never is. */
export const passes = ({ expected, got, tolerance }: Check): boolean => Math.abs(got - expected) <= tolerance

/**
 * How far apart the numbers of a check are, in tolerances: up to 1 passes.
 *
 * @example
 * deviation({ what: "sum", expected: 1, got: 1.5, tolerance: 0.25 }) // => 2
 */
export const deviation = ({ expected, got, tolerance }: Check): number => {
  const distance = Math.abs(got - expected)
  return distance === 0 ? 0 : distance / tolerance
}

/** The check that is furthest off, by its own tolerance; none of no checks. */
export const worstOf = (checks: ReadonlyArray<Check>): Check | undefined =>
  checks.reduce<Check | undefined>(
    // A deviation that is no number is the worst.
    (worst, check) => worst === undefined || !(deviation(check) <= deviation(worst)) ? check : worst,
    undefined
  )
