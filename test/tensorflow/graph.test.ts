/**
 * The tensorflow engine in mode graph, held to the conformance suite, to the tolerance and the memory of the onnx engine.
 */
import { TensorflowEngine } from "@effusion/core/engine/tensorflow"
import { engineConformance } from "../conformance/suite.ts"

engineConformance("tensorflow, graph", TensorflowEngine.layer({ mode: "graph" }), {
  tolerance: { relative: 1e-5 },
  memory: { cycles: 1000, megabytes: 32 }
})
