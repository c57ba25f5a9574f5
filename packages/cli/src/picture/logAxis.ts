/**
 * Logarithmic axes whose marks can be read: the plotting library marks powers of ten, of which there may be one, or none.
 */

/** More marks than these would be in each other's way. */
const most = 8

/** So many marks tell a reader what lies between them. */
const fewest = 3

/**
 * The values to mark between two others, both included: 1, 2 and 5 in every decade; where those would be more than eight,
 * powers of ten, each, or every second, third, and so on; and where they would be less than three, 3 and 7 besides, or else
 * multiples of a round number. That makes three to eight of them.
 *
 * @param min above 0
 * @param max above `min`
 * @example
 * logTicks(0.17, 1.1) // => [0.2, 0.5, 1]
 */
export const logTicks = (min: number, max: number): ReadonlyArray<number> => {
  const isInside = (value: number) => value >= min && value <= max
  const powers = range(Math.floor(Math.log10(min)), Math.ceil(Math.log10(max)))
  const digits = (leading: ReadonlyArray<number>) =>
    powers.flatMap((power) => leading.map((digit) => Number(`${digit}e${power}`))).filter(isInside)
  const usual = digits([1, 2, 5])
  if (usual.length > most) {
    const whole = powers.filter((power) => isInside(Number(`1e${power}`)))
    const stride = Math.ceil(whole.length / most)
    return whole.filter((power) => power % stride === 0).map((power) => Number(`1e${power}`))
  }
  if (usual.length >= fewest) return usual
  const more = digits([1, 2, 3, 5, 7])
  return more.length >= fewest ? more : multiples(min, max)
}

/** Multiples of the largest of 1, 2 and 5 times a power of ten that has enough of them. */
const multiples = (min: number, max: number): ReadonlyArray<number> => {
  for (let power = Math.ceil(Math.log10(max - min));; power--) {
    for (const factor of [5, 2, 1]) {
      const step = factor * 10 ** power
      const found = range(Math.ceil(min / step), Math.floor(max / step)).map((i) => Number(`${i * factor}e${power}`))
      if (found.length >= fewest) return found
    }
  }
}

const range = (from: number, to: number): ReadonlyArray<number> =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)

/** How an axis is laid out. */
export interface LogAxisOptions {
  /** The ends, as powers of ten: `decades`; or a little beyond the values: `values`. */
  readonly ends: "decades" | "values"
  readonly format: (value: number) => string
}

/**
 * A logarithmic axis for some values, for the plotting library. Values that are not positive and finite do not count.
 *
 * @example
 * render(size, { yAxis: { ...logAxis(losses, { ends: "values", format: String }), name: "loss" }, ... })
 */
export const logAxis = (values: ReadonlyArray<number>, { ends, format }: LogAxisOptions) => {
  const logs = values.filter((value) => value > 0 && Number.isFinite(value)).map(Math.log10)
  const low = logs.reduce((a, b) => Math.min(a, b), logs.length === 0 ? 0 : Infinity)
  const high = logs.reduce((a, b) => Math.max(a, b), logs.length === 0 ? 0 : -Infinity)
  // What is of one size lies in the middle, and curves do not run along the frame.
  const margin = Math.max(0.03 * (high - low), 0.02)
  const [min, max] = ends === "decades"
    ? [10 ** Math.floor(low), 10 ** (Math.max(Math.ceil(high - 1e-5), Math.floor(low) + 1))]
    : [10 ** (low - margin), 10 ** (high + margin)]
  const customValues = logTicks(min, max)
  return {
    type: "log" as const,
    min,
    max,
    axisTick: { customValues },
    axisLabel: { customValues, formatter: format }
  }
}
