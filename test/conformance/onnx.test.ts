import { OnnxEngine } from "@effusion/core/engine/onnx"
import { engineConformance } from "./suite.ts"

engineConformance("onnx", OnnxEngine.layer(), {
  tolerance: { relative: 1e-5 },
  memory: { cycles: 1000, megabytes: 32 }
})
