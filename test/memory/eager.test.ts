/**
 * The engine of the tests, held to the memory suite: what is built on engines is tested with it. Its tensors are the
 * heap's; the resident memory of 200 steps says little.
 */
import * as EagerEngine from "../support/EagerEngine.ts"
import { engineMemory } from "./suite.ts"

engineMemory("eager", EagerEngine.layer, {
  checksIndices: true,
  interruptions: { steps: 200, hidden: 64, megabytes: 16 },
  races: { runs: 50 }
})
