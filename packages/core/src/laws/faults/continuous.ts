/**
 * Mistakes in continuous time.
 */
import { Result } from "effect"
import { Continuous, type ContinuousSchedule, fromAlphaBars, type Schedule } from "../../schedule/index.ts"
import { continuous, type ContinuousLawOptions, interpolation } from "../continuous.ts"
import type { Fault } from "../Fault.ts"

const right = Result.getOrThrow(Continuous.cosine({ logSnrMax: 10, logSnrMin: -10 }))

const fault = (
  name: string,
  caughtBy: string,
  mistake: string,
  wrong: Partial<ContinuousSchedule>,
  options: ContinuousLawOptions = {}
): Fault => ({
  name,
  mistake,
  caughtBy: `continuous/${caughtBy}`,
  wrong: continuous({ ...right, ...wrong }, options),
  right: continuous(right)
})

const interpolating = (
  name: string,
  caughtBy: string,
  mistake: string,
  wrong: (schedule: Schedule, right: ContinuousSchedule) => Partial<ContinuousSchedule>
): Fault => ({
  name,
  mistake,
  caughtBy: `interpolation/${caughtBy}`,
  wrong: interpolation((schedule) =>
    Result.map(Continuous.interpolate(schedule), (right) => ({ ...right, ...wrong(schedule, right) }))
  ),
  right: interpolation()
})

/** Continuous schedules with one mistake each. */
export const continuousFaults: ReadonlyArray<Fault> = [
  fault("time-backwards", "falls", "time goes from noise to data", { logSnr: (u) => right.logSnr(1 - u) }),
  fault("derivative-of-half", "derivative", "the derivative is that of half the log-SNR, ln(signal / spread)", {
    derivative: (u) => right.derivative(u) / 2
  }),
  fault("derivative-sign", "derivative", "the derivative is that of gamma, which rises", {
    derivative: (u) => -right.derivative(u)
  }),
  fault(
    "discretized-from-zero",
    "discretized",
    "timestep t is at u = t / T, so that the first has hardly any noise",
    {},
    {
      discretize: ({ logSnr }, { steps }) =>
        fromAlphaBars(Array.from({ length: steps }, (_, t) => 1 / (1 + Math.exp(-logSnr(t / steps)))))
    }
  ),
  interpolating("time-of-previous", "passes-through", "timestep t stands at u = t / T", ({ steps }, { logSnr }) => ({
    logSnr: (u) => logSnr(Math.min(1, u + 1 / steps))
  })),
  interpolating("steps-for-lines", "lines", "the log-SNR stays until the next timestep", ({ steps }, { logSnr }) => ({
    logSnr: (u) => logSnr(Math.min(1, Math.floor(u * steps + 1e-9) / steps))
  }))
]
