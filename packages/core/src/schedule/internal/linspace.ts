/**
 * `count` numbers evenly spaced from `start` to `end`, both included; `start` alone when there is one. Rounded as
 * NumPy's `linspace` is: the step is rounded first, and the last number is exactly `end`.
 */
export const linspace = (start: number, end: number, count: number): Float64Array => {
  const step = (end - start) / (count - 1)
  return Float64Array.from({ length: count }, (_, i) => i === 0 ? start : i === count - 1 ? end : i * step + start)
}
