/**
 * What every test file starts with: properties are seeded, so that a run is repeatable,
 * and a failure can be replayed with `EFFUSION_TEST_SEED=<seed>`.
 */
import * as fc from "fast-check"
import { disableTelemetry } from "../packages/core/src/engine/onnx/internal/telemetry.ts"

// For the tests that load ONNX Runtime without its engine.
disableTelemetry()

// @effect-diagnostics-next-line processEnv:off
const seed = Number(process.env["EFFUSION_TEST_SEED"] ?? 20_260_101)

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed, numRuns: 100, includeErrorInReport: true })
