import type { ScheduleConfig } from "../Schedule.ts"

/** A config as it is after a way through JSON, which knows no -0. */
export const throughJson = (config: ScheduleConfig): ScheduleConfig =>
  Object.fromEntries(
    Object.entries(config).map(([option, value]) => [
      option,
      typeof value === "number"
        ? value + 0
        : typeof value === "string"
        ? value
        : isNumbers(value)
        ? value.map((number) => number + 0)
        : throughJson(value)
    ])
  )

const isNumbers = (value: ReadonlyArray<number> | ScheduleConfig): value is ReadonlyArray<number> =>
  Array.isArray(value)
