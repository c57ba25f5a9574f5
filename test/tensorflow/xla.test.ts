/**
 * The tensorflow engine in mode xla, held to the conformance suite.
 */
import { TensorflowEngine } from "@effusion/core/engine/tensorflow"
import { engineConformance } from "../conformance/suite.ts"

engineConformance("tensorflow, xla", TensorflowEngine.layer({ mode: "xla" }), {
  tolerance: { relative: 1e-5 },
  memory: { cycles: 1000, megabytes: 32 }
})
