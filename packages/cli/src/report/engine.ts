/**
 * What is told of the engine that computes: in data, and in words.
 */
import type { Engine } from "@effusion/core/engine"

/** An engine in data: what JSON says of it. */
export type EngineFields = {
  readonly engine: string
  /** How it computes, of an engine that has several ways. */
  readonly mode?: string
  readonly device: string
  readonly deviceKind: "cpu" | "gpu"
  /** What it computes with, with versions. */
  readonly software?: string
  readonly threads: number
}

/** The fields of an engine. */
export const engineFields = ({ device, mode, name }: Engine["Service"]): EngineFields => ({
  engine: name,
  ...(mode === undefined ? {} : { mode }),
  device: device.description,
  deviceKind: device.kind,
  ...(device.software === undefined ? {} : { software: device.software }),
  threads: device.threads
})

/**
 * An engine in words.
 *
 * @example
 * describeEngine(engineFields(engine)) // => "onnx (ONNX Runtime 1.30.0) on AMD EPYC 9R14, 2 threads"
 */
export const describeEngine = (
  { device, deviceKind, engine, mode, software, threads }: EngineFields
): string => {
  const details = [...(mode === undefined ? [] : [`mode ${mode}`]), ...(software === undefined ? [] : [software])]
  return [
    engine,
    ...(details.length === 0 ? [] : [`(${details.join(", ")})`]),
    `on ${device}`
  ].join(" ") + (deviceKind === "cpu" ? `, ${threads} ${threads === 1 ? "thread" : "threads"}` : "")
}
