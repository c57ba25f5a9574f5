/**
 * The tensorflow engine in mode xla, held to the conformance suite, to the tolerance of the onnx engine. XLA compiles each of
 * its two thousand programs, which takes minutes, and a cycle of the memory test fifty times as long as on that engine.
 */
import { TensorflowEngine } from "@effusion/core/engine/tensorflow"
import { engineConformance } from "../conformance/suite.ts"

engineConformance("tensorflow, xla", TensorflowEngine.layer({ mode: "xla" }), {
  tolerance: { relative: 1e-5 },
  memory: { cycles: 200, megabytes: 32 }
})
