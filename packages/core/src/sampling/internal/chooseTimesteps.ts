/**
 * Which timesteps of a schedule a sampler visits.
 */
import { Result } from "effect"
import { InvalidTimesteps, type Schedule, Timesteps } from "../../schedule/index.ts"

/** How `steps` timesteps are spread over a schedule; see `Timesteps` of the schedule. */
export type TimestepSpacing = "leading" | "linspace" | "trailing"

/** So many timesteps, evenly spaced, or these timesteps. */
export type TimestepChoice =
  | {
    /** How many timesteps to visit, from 1 to the schedule's. */
    readonly steps: number
    /** `"leading"` unless given. */
    readonly spacing?: TimestepSpacing | undefined
    readonly timesteps?: undefined
  }
  | {
    /** The timesteps to visit, strictly falling. */
    readonly timesteps: ReadonlyArray<number>
    readonly steps?: undefined
    readonly spacing?: undefined
  }

/** The timesteps in the order in which they are visited. */
export const chooseTimesteps = (
  schedule: Schedule,
  choice: TimestepChoice
): Result.Result<ReadonlyArray<number>, InvalidTimesteps> => {
  if (choice.timesteps !== undefined) return strictlyFalling(choice.timesteps)
  const evenly = { steps: schedule.steps, count: choice.steps }
  switch (choice.spacing ?? "leading") {
    case "leading":
      return Timesteps.leading(evenly)
    case "linspace":
      return Timesteps.linspaced(evenly)
    case "trailing":
      return Timesteps.trailing(evenly)
  }
}

const strictlyFalling = (timesteps: ReadonlyArray<number>): Result.Result<ReadonlyArray<number>, InvalidTimesteps> => {
  const at = timesteps.findIndex((t, i) => i > 0 && !(t < timesteps[i - 1]!))
  return at === -1 ? Result.succeed(timesteps) : Result.fail(
    new InvalidTimesteps({
      reason: `${timesteps[at]} comes after ${timesteps[at - 1]}; give them strictly falling, the noisiest first`
    })
  )
}
