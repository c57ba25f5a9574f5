/**
 * The i-th of `count` numbers evenly spaced from `start` to `end`, both included; `start` alone when there is one.
 * Rounded as NumPy's `linspace` is: the stride is rounded first, and the last number is exactly `end`.
 */
export const linspace = (start: number, end: number, count: number, i: number): number =>
  i === 0 ? start : i === count - 1 ? end : i * ((end - start) / (count - 1)) + start
