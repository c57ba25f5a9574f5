/**
 * Modes graph and xla of the tensorflow engine, held to the memory suite; for the eager mode see `eager-memory.test.ts`. What
 * the addon counts, tensors and sessions, and the engine does not know of is part of what the engine says that it holds.
 */
import { TensorflowEngine } from "@effusion/core/engine/tensorflow"
import { engineMemory } from "../memory/suite.ts"

engineMemory("tensorflow, graph", TensorflowEngine.layer({ mode: "graph", device: "cpu", threads: 1 }), {
  checksIndices: true,
  interruptions: { steps: 2000, hidden: 4096, megabytes: 64 },
  races: { runs: 20 }
})

// XLA does not check indices, and compiles each program when it is first run, which takes most of the time.
engineMemory("tensorflow, xla", TensorflowEngine.layer({ mode: "xla", device: "cpu", threads: 1 }), {
  checksIndices: false,
  interruptions: { steps: 400, hidden: 4096, megabytes: 64 },
  races: { runs: 5 }
})
