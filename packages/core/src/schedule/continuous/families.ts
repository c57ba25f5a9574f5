/**
 * The families of continuous schedules.
 */
import { Result } from "effect"
import { throughJson } from "../internal/json.ts"
import { positiveAtFault } from "../internal/options.ts"
import { InvalidSchedule } from "../InvalidSchedule.ts"
import { type ContinuousSchedule, onUnitInterval, rangeAtFault } from "./ContinuousSchedule.ts"

/** Options of {@link linear}. */
export interface LinearOptions {
  /** ln(SNR) at u = 0, at most 30; 13.3 unless given. */
  readonly logSnrMax?: number | undefined
  /** ln(SNR) at u = 1, at least -30; -5 unless given. */
  readonly logSnrMin?: number | undefined
}

/**
 * logSnr falls along a line (Kingma et al. 2021, appendix D: the fixed schedule of their ablations). The defaults are
 * those of their code.
 *
 * Fails with `InvalidSchedule` when an option is out of range.
 *
 * @example
 * Result.getOrThrow(Continuous.linear()).logSnr(0.5) // => 4.15
 */
export const linear = (
  { logSnrMax = 13.3, logSnrMin = -5 }: LinearOptions = {}
): Result.Result<ContinuousSchedule, InvalidSchedule> => {
  const fault = rangeAtFault({ logSnrMax, logSnrMin })
  if (fault !== undefined) return Result.fail(new InvalidSchedule({ schedule: "linear", reason: fault }))
  return Result.succeed({
    name: "linear",
    config: throughJson({ logSnrMax, logSnrMin }),
    logSnr: onUnitInterval((u) => u === 1 ? logSnrMin : logSnrMax + u * (logSnrMin - logSnrMax)),
    derivative: onUnitInterval(() => logSnrMin - logSnrMax)
  })
}

/** Options of {@link cosine}. */
export interface CosineOptions {
  /** ln(SNR) at u = 0 before it is shifted, at most 30; 15 unless given. */
  readonly logSnrMax?: number | undefined
  /** ln(SNR) at u = 1 before it is shifted, at least -30; -15 unless given. */
  readonly logSnrMin?: number | undefined
  /**
   * The factor of sqrt(SNR), positive; 1 unless given. For images whose side is n times that of the images that the
   * schedule suits, 1 / n: averaged over n x n pixels they have the same SNR then.
   */
  readonly shift?: number | undefined
}

/**
 * The cosine schedule with its ends cut off, alphaBar = cos^2 of an angle that goes evenly from where ln(SNR) is
 * `logSnrMax` to where it is `logSnrMin`, and shifted for the size of images (Hoogeboom, Heek and Salimans, "simple
 * diffusion: End-to-end diffusion for high resolution images", 2023, section 2.1 and appendix A):
 *
 *     logSnr(u) = -2 ln tan(a + u (b - a)) + 2 ln shift        a = atan(exp(-logSnrMax / 2)), b = atan(exp(-logSnrMin / 2))
 *
 * Fails with `InvalidSchedule` when an option is out of range.
 *
 * @example
 * // For images of 256x256, where the cosine schedule suits 32x32.
 * const schedule = Result.getOrThrow(Continuous.cosine({ shift: 32 / 256 }))
 */
export const cosine = (
  { logSnrMax = 15, logSnrMin = -15, shift = 1 }: CosineOptions = {}
): Result.Result<ContinuousSchedule, InvalidSchedule> => {
  const fault = rangeAtFault({ logSnrMax, logSnrMin }) ?? positiveAtFault({ shift })
  if (fault !== undefined) return Result.fail(new InvalidSchedule({ schedule: "cosine", reason: fault }))
  const [a, b] = [Math.atan(Math.exp(-logSnrMax / 2)), Math.atan(Math.exp(-logSnrMin / 2))]
  const angle = (u: number) => a + u * (b - a)
  return Result.succeed({
    name: "cosine",
    config: throughJson({ logSnrMax, logSnrMin, shift }),
    logSnr: onUnitInterval((u) => 2 * Math.log(shift) - 2 * Math.log(Math.tan(angle(u)))),
    derivative: onUnitInterval((u) => -4 * (b - a) / Math.sin(2 * angle(u)))
  })
}
