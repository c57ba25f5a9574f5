/**
 * Time and memory, as every command measures them.
 */
import { Clock, Effect } from "effect"
import { readFileSync } from "node:fs"

/** Milliseconds of a clock that only runs forwards. */
export const now: Effect.Effect<number> = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)

/** What an effect makes, and the milliseconds that it takes. */
export const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const begin = yield* now
    const value = yield* effect
    return { value, milliseconds: (yield* now) - begin }
  })

/** The middle one of some numbers, the mean of the two in the middle where they are even. */
export const median = (numbers: ReadonlyArray<number>): number => {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2
}

/** One decimal, as tables show it. */
export const round = (x: number, decimals = 1): number => Math.round(x * 10 ** decimals) / 10 ** decimals

/**
 * The most memory that this process has had resident, in MiB, its worker threads included.
 *
 * `getrusage` counts what the process that started this one had, where that was more; Linux knows better.
 */
export const peakMemory = Effect.sync((): number => {
  const kibibytes = highWaterMark() ?? process.resourceUsage().maxRSS
  return Math.round(kibibytes / 1024)
})

const highWaterMark = (): number | undefined => {
  try {
    const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))
    return match === null ? undefined : Number(match[1])
  } catch {
    return undefined
  }
}
