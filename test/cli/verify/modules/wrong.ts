/**
 * A module of a user's with slips in it.
 */
import { Laws } from "@effusion/core/laws"
import { fromBetas, type Schedule } from "@effusion/core/schedule"
import { Result } from "effect"
import * as fc from "fast-check"

/** alphaBar that rises. */
export const rising = { name: "rising", steps: 2, beta: [0.5, 0.5], alphaBar: [0.25, 0.5] }

/** A family that leaves out the last factor from the second timestep on. */
const slips: fc.Arbitrary<Schedule> = fc.array(fc.double({ min: 0.01, max: 0.5, noNaN: true }), {
  minLength: 1,
  maxLength: 20
})
  .map((betas) => {
    const schedule = Result.getOrThrow(fromBetas(betas))
    return {
      ...schedule,
      name: "slip",
      alphaBar: schedule.alphaBar.map((value, t) =>
        t === 0 ? value : value / (1 - schedule.beta[t]!) * (1 - schedule.beta[t]! / 2)
      )
    }
  })

export const families = Laws.schedules(slips, { subject: "families" })
