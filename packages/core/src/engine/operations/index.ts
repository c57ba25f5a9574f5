/**
 * Operations beyond tfjs's own, for models: each runs on every backend, and as one operation on engines that can.
 */
import { attentionFallback } from "./attention.ts"
import { groupNormFallback } from "./groupNorm.ts"
import { siluFallback } from "./silu.ts"
import { upsampleNearestFallback } from "./upsampleNearest.ts"

export { attention } from "./attention.ts"
export { groupNorm } from "./groupNorm.ts"
export type { GroupNormOptions } from "./groupNorm.ts"
export { silu } from "./silu.ts"
export { stopGradient, withoutGradient } from "./stopGradient.ts"
export { upsampleNearest } from "./upsampleNearest.ts"

/** The plain compositions that specify the operations. */
export const fallback = {
  attention: attentionFallback,
  groupNorm: groupNormFallback,
  silu: siluFallback,
  upsampleNearest: upsampleNearestFallback
}
