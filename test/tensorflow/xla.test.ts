/**
 * The tensorflow engine in mode xla, held to the conformance suite, to the tolerance of the onnx engine. XLA compiles each of
 * its two thousand programs, which takes five minutes: a part of them is tried, and all where the variable
 * `EFFUSION_TEST_WHOLE` is set. A cycle of the memory test takes fifty times as long as on the onnx engine.
 */
import { TensorflowEngine } from "@effusion/core/engine/tensorflow"
import { env } from "node:process"
import { engineConformance } from "../conformance/suite.ts"

const whole = env["EFFUSION_TEST_WHOLE"] !== undefined

engineConformance("tensorflow, xla", TensorflowEngine.layer({ mode: "xla" }), {
  tolerance: { relative: 1e-5 },
  memory: { cycles: whole ? 200 : 20, megabytes: 32 },
  effort: whole ? 1 : 1 / 8,
  // XLA adds the elements of a row one after the other.
  sums: 2 ** -21
})
