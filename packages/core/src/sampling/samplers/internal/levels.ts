/**
 * Levels of noise that solvers by sigma = spread / signal can take.
 */
import type { NoiseLevel } from "../../../schedule/index.ts"
import type { Leg } from "../../route.ts"

/** What solvers that need a finite sigma take for pure noise, as diffusers does: alphaBar = 2^-24, sigma = 4096. */
const noisiest = (timestep: number): NoiseLevel => ({
  timestep,
  signal: 2 ** -12,
  spread: Math.sqrt(1 - 2 ** -24)
})

const finite = (level: NoiseLevel): NoiseLevel => level.signal === 0 ? noisiest(level.timestep) : level

/** The same legs with pure noise (zero terminal signal-to-noise ratio) taken for a level with a trace of the data. */
export const finiteLegs = (legs: ReadonlyArray<Leg>): ReadonlyArray<Leg> =>
  legs.map((leg) => ({ ...leg, from: finite(leg.from), to: finite(leg.to) }))
