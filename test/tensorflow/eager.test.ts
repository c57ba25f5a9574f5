import { engineConformance } from "../conformance/suite.ts"
import { eagerLayer } from "./support/eager.ts"

engineConformance("tensorflow (eager)", eagerLayer, {
  tolerance: { relative: 1e-5 },
  memory: { cycles: 1000, megabytes: 32 }
})
