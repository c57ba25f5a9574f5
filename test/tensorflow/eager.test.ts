/**
 * The tensorflow engine in its eager mode, held to the conformance suite.
 *
 * Measured on libtensorflow 2.21 (AVX-512, two threads): see the figures beside the tolerance.
 */
import { engineConformance } from "../conformance/suite.ts"
import { eagerLayer } from "./support/eager.ts"

engineConformance("tensorflow (eager)", eagerLayer, {
  tolerance: { relative: 1e-5 },
  memory: { cycles: 1000, megabytes: 32 }
})
