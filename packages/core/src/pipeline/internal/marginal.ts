import type { Tensor } from "../../engine/Program.ts"
import { type Schedule, sqrtAlphaBar, sqrtOneMinusAlphaBar, table } from "../../schedule/index.ts"
import { perTimestep } from "./perTimestep.ts"

/**
 * How much of x_0 and of the noise x_t is made of: sqrt(alphaBar_t) and sqrt(1 - alphaBar_t) (Ho et al. 2020, equation 4)
 * for each example, shaped to multiply a tensor like `like`: [batch, 1, ...].
 */
export const marginalOf = (
  schedule: Schedule
): {
  readonly signal: (t: Tensor, like: Tensor) => Tensor
  readonly spread: (t: Tensor, like: Tensor) => Tensor
} => ({
  signal: perTimestep(table(schedule, sqrtAlphaBar)),
  spread: perTimestep(table(schedule, sqrtOneMinusAlphaBar))
})
