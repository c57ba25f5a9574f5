/** The default engine, held to the memory suite. */
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { engineMemory } from "./suite.ts"

engineMemory("onnx", OnnxEngine.layer({ threads: 1 }), {
  checksIndices: true,
  interruptions: { steps: 2000, hidden: 8192, megabytes: 16 },
  races: { runs: 50 }
})
