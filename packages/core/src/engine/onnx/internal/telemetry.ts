/**
 * ONNX Runtime's telemetry, which is off. Since version 1.30 it would tell Microsoft what is run on Linux too, keep an
 * identifier of the machine in `~/.cache/Microsoft`, and leave a file `mat-debug-<process>.log` in the folder for temporary
 * files for every process.
 */
import { env } from "node:process"

/**
 * Turns the telemetry off, unless the variable `ORT_DISABLE_TELEMETRY` says something already (`0` leaves it on). ONNX Runtime
 * reads it when it is loaded, with C's `getenv`: a worker thread's own `process.env` does not reach that.
 */
export const disableTelemetry = (): void => {
  env["ORT_DISABLE_TELEMETRY"] ??= "1"
}
