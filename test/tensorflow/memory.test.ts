/** The tensorflow engine in its eager mode, held to the memory suite, and to the addon's own count of tensors. */
import { Effect } from "effect"
import { engineMemory } from "../memory/suite.ts"
import { eagerLayer, handles } from "./support/eager.ts"

engineMemory("tensorflow, eager", eagerLayer, {
  checksIndices: true,
  interruptions: {
    steps: 2000,
    hidden: 1024,
    megabytes: 32,
    counts: Effect.sync(() => ({ ...handles() }))
  },
  races: { runs: 20 }
})
