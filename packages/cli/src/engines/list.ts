/**
 * `effusion engine list`: a table of the engines.
 */
import { Engine } from "@effusion/core/engine"
import { AutoEngine, EngineChoice, engines } from "@effusion/core/engine/auto"
import { Console, Context, Effect, Layer, Result } from "effect"
import { type Examination, examine, type Fault } from "./examine.ts"

/** An engine, as the table has it. */
export interface EngineRow {
  readonly engine: "onnx" | "tensorflow"
  /** `auto` takes it. */
  readonly isTaken: boolean
  readonly works: boolean
  /** What computes: ONNX Runtime or libtensorflow, with its version. */
  readonly software: string | undefined
  readonly device: string | undefined
  /** The folder it was installed to; undefined for what comes with Effusion, or is nowhere. */
  readonly folder: string | undefined
  /** Why it does not work, or not on the GPU that is there, and what to do. */
  readonly problem: string | undefined
}

/**
 * Prints the engines.
 *
 * @example
 * yield* listEngines({ json: false })
 */
export const listEngines = Effect.fnUntraced(function*({ json }: { readonly json: boolean }) {
  const onnx = yield* Effect.result(built(engines.onnx({})))
  const taken = yield* Effect.result(built(AutoEngine.layer()))
  const choice = Result.isSuccess(taken) ? Context.get(taken.success, EngineChoice) : undefined
  const rows = [
    onnxRow(Result.map(onnx, (context) => Context.get(context, Engine).device), choice?.name === "onnx"),
    tensorflowRow(yield* examine(), choice?.name === "tensorflow")
  ]
  if (json) return yield* Console.log(JSON.stringify({ engines: rows, auto: choice ?? null }))
  yield* Console.log([
    ...table(rows),
    "",
    choice === undefined ? "auto takes none." : `auto takes ${choice.name}: ${choice.reason}.`
  ].join("\n"))
})

const built = <A, E>(layer: Layer.Layer<A, E>): Effect.Effect<Context.Context<A>, E> =>
  Effect.scoped(Layer.build(layer))

const onnxRow = (
  device: Result.Result<Engine["Service"]["device"], { readonly message: string }>,
  isTaken: boolean
): EngineRow => ({
  engine: "onnx",
  isTaken,
  works: Result.isSuccess(device),
  software: Result.isSuccess(device) ? device.success.software : undefined,
  device: Result.isSuccess(device) ? device.success.description : undefined,
  folder: undefined,
  problem: Result.isFailure(device) ? device.failure.message : undefined
})

/**
 * The row of the tensorflow engine.
 *
 * @example
 * tensorflowRow(yield* examine(), false).works // => true
 */
export const tensorflowRow = ({ computed, found, gpu, loaded }: Examination, isTaken: boolean): EngineRow => {
  const results: ReadonlyArray<Result.Result<unknown, Fault> | undefined> = [found, loaded, computed]
  const faults = results.flatMap((result) => result !== undefined && Result.isFailure(result) ? [result.failure] : [])
  const fault = faults[0] ?? gpu.fault
  const state = loaded !== undefined && Result.isSuccess(loaded) ? loaded.success : undefined
  return {
    engine: "tensorflow",
    isTaken,
    works: faults.length === 0,
    software: state === undefined ? undefined : `libtensorflow ${state.version}`,
    device: state === undefined ? undefined : state.usesGpu ? gpu.models.join(", ") || "a GPU" : "the CPU",
    folder: Result.isSuccess(found) ? found.success.folder : undefined,
    problem: fault === undefined ? undefined : `${fault.problem}; ${fault.remedy}`
  }
}

/**
 * The rows as lines of text: a column each, and what is wrong below.
 *
 * @example
 * table(rows).join("\n")
 */
export const table = (rows: ReadonlyArray<EngineRow>): ReadonlyArray<string> => {
  const cells = [
    ["engine", "works", "with", "on", "where"],
    ...rows.map(({ device, engine, folder, software, works }) => [
      engine,
      works ? "yes" : "no",
      software ?? "-",
      device ?? "-",
      folder ?? (engine === "onnx" ? "comes with effusion" : "-")
    ])
  ]
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)))
  const lines = cells.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd())
  return [
    lines[0]!,
    ...rows.flatMap(({ problem }, i) => [lines[i + 1]!, ...problem === undefined ? [] : [`  ${problem}`]])
  ]
}
