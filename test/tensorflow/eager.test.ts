/**
 * The tensorflow engine in its eager mode, held to the conformance suite.
 *
 * Measured (libtensorflow 2.21, AVX-512, two threads): over five seeds none of the elements compared is further from the
 * reference than 6e-6, relative to the magnitude of its sums, but for gelu by erf in its tail, where 1 + erf cancels on
 * any engine.
 */
import { engineConformance } from "../conformance/suite.ts"
import { eagerLayer } from "./support/eager.ts"

engineConformance("tensorflow (eager)", eagerLayer, {
  tolerance: { relative: 1e-5 },
  memory: { cycles: 1000, megabytes: 32 }
})
