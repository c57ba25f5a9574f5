import type { Violation } from "../Law.ts"

/** The distance from 1 to the next number of float64. */
export const epsilon = 2 ** -52

/**
 * What is wrong where two numbers should agree within a distance; NaN agrees with nothing.
 *
 * @param reference what the expected value is: `the product of two Gaussians gives`
 */
export const near = (
  what: string,
  actual: number,
  reference: string,
  expected: number,
  tolerance: number
): Violation =>
  actual === expected || Math.abs(actual - expected) <= tolerance
    ? undefined
    : `${what} is ${actual}, but ${reference} ${expected} (they may differ by ${brief(tolerance)})`

/** A number in few digits, for tolerances. */
export const brief = (value: number): string => String(Number(value.toPrecision(3)))

/** The first violation of several. */
export const first = (...violations: ReadonlyArray<Violation>): Violation =>
  violations.find((violation) => violation !== undefined)

/** The violation at the first timestep that has one. */
export const atSomeT = (from: number, steps: number, violation: (t: number) => Violation): Violation => {
  for (let t = from; t < steps; t++) {
    const found = violation(t)
    if (found !== undefined) return `at t = ${t}: ${found}`
  }
  return undefined
}

/** The violation of the first item that has one. */
export const among = <A>(items: Iterable<A>, violation: (item: A) => Violation): Violation => {
  for (const item of items) {
    const found = violation(item)
    if (found !== undefined) return found
  }
  return undefined
}

/** What is wrong where two lists of numbers should be the same, bit for bit. */
export const same = (
  what: string,
  actual: ArrayLike<number>,
  reference: string,
  expected: ArrayLike<number>
): Violation => {
  if (actual.length !== expected.length) {
    return `${what} has ${actual.length} elements, but ${reference} ${expected.length}`
  }
  for (let i = 0; i < actual.length; i++) {
    if (!Object.is(actual[i], expected[i])) return `${what} has ${actual[i]} at ${i}, but ${reference} ${expected[i]}`
  }
  return undefined
}

/** What is wrong where two lists of numbers should agree within a distance. */
export const allNear = (
  what: string,
  actual: ArrayLike<number>,
  reference: string,
  expected: ArrayLike<number>,
  tolerance: number
): Violation => {
  if (actual.length !== expected.length) {
    return `${what} has ${actual.length} elements, but ${reference} ${expected.length}`
  }
  for (let i = 0; i < actual.length; i++) {
    const found = near(`element ${i} of ${what}`, actual[i]!, reference, expected[i]!, tolerance)
    if (found !== undefined) return found
  }
  return undefined
}
