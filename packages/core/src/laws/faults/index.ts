/**
 * All planted faults.
 */
import type { Fault } from "../Fault.ts"
import { continuousFaults } from "./continuous.ts"
import { guidanceFaults } from "./guidance.ts"
import { inversionFaults } from "./inversion.ts"
import { lossFaults } from "./loss.ts"
import { noisingFaults } from "./noising.ts"
import { samplerFaults } from "./sampler.ts"
import { scheduleFaults } from "./schedule.ts"
import { timestepFaults } from "./timesteps.ts"
import { weightingFaults } from "./weighting.ts"

/**
 * Subjects with one mistake each, every one of which a law catches.
 *
 * @example
 * for (const { caughtBy, mistake } of Laws.faults) console.log(`${mistake}: ${caughtBy}`)
 */
export const faults: ReadonlyArray<Fault> = [
  ...scheduleFaults,
  ...continuousFaults,
  ...noisingFaults,
  ...weightingFaults,
  ...lossFaults,
  ...samplerFaults,
  ...inversionFaults,
  ...guidanceFaults,
  ...timestepFaults
]
