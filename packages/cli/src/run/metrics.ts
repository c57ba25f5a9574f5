/**
 * The metrics of a run: a file of JSON objects, one a line, that grows while the run goes on.
 */
import { Effect, FileSystem, Result, Schema } from "effect"
import type { Path, Scope } from "effect"
import type { FileProblem } from "../files.ts"
import { fileProblem, writeWhole } from "../files.ts"

/** One line of the file: a training step, or an evaluation after a step. Steps count from 1. */
export const Metric = Schema.Union([
  Schema.Struct({
    step: Schema.Int,
    /** The loss of the step's batch; `null` where JSON has no number for it. */
    loss: Schema.NullOr(Schema.Finite),
    learningRate: Schema.optionalKey(Schema.Finite),
    /** The norm of the gradient over all parameters, before clipping. */
    gradientNorm: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
    /** Seconds since the run began, or was resumed. */
    seconds: Schema.Finite
  }),
  Schema.Struct({
    step: Schema.Int,
    /** The loss on held-out data, with averaged weights. */
    heldOutLoss: Schema.Finite,
    /** The standard error of that loss, as the mean over the examples; `null` where there is one example only. */
    standardError: Schema.NullOr(Schema.Finite)
  })
])

/** A line of a metrics file. */
export type Metric = typeof Metric.Type

/** A metrics file that is open for appending. */
export interface MetricsWriter {
  /** Adds a line. It reaches the file with the next flush. */
  readonly add: (metric: Metric) => Effect.Effect<void>
  /** Hands what was added to the file system. */
  readonly flush: Effect.Effect<void, FileProblem>
}

/**
 * Opens a metrics file for appending, after the lines of steps up to `after`; later ones, and a line that was cut off when
 * a process died, are dropped. What was not flushed is flushed when the scope closes, if it still can be.
 *
 * @param options.after the step that the run goes on after; 0 empties the file
 * @example
 * const metrics = yield* appendMetrics(folder.metrics, { after: checkpoint.step })
 */
export const appendMetrics = Effect.fnUntraced(
  function*(
    path: string,
    { after }: { readonly after: number }
  ): Effect.fn.Return<MetricsWriter, FileProblem, FileSystem.FileSystem | Path.Path | Scope.Scope> {
    const fs = yield* FileSystem.FileSystem
    const problem = Effect.mapError(fileProblem("write", path))
    yield* writeWhole(path, keepUpTo(yield* Effect.orElseSucceed(fs.readFileString(path), () => ""), after))
    const file = yield* fs.open(path, { flag: "a" }).pipe(problem)
    let waiting: Array<string> = []
    const flush = Effect.suspend(() => {
      if (waiting.length === 0) return Effect.void
      const text = waiting.join("")
      waiting = []
      return file.writeAll(new TextEncoder().encode(text)).pipe(problem)
    })
    yield* Effect.addFinalizer(() => Effect.ignore(flush))
    return {
      add: (metric) => Effect.sync(() => void waiting.push(`${JSON.stringify(metric)}\n`)),
      flush
    }
  }
)

/**
 * The metrics in a file, in its order. Lines that are no metrics are skipped, so that a file of which a process died in
 * the middle of a line can still be read. No file, no metrics.
 *
 * @example
 * const losses = (yield* readMetrics(folder.metrics)).filter((metric) => "loss" in metric)
 */
export const readMetrics = (path: string): Effect.Effect<ReadonlyArray<Metric>, never, FileSystem.FileSystem> =>
  FileSystem.FileSystem.use((fs) => fs.readFileString(path)).pipe(
    Effect.map((text) =>
      text.split("\n").flatMap((line) =>
        Result.match(parse(line), { onSuccess: (metric) => [metric], onFailure: () => [] })
      )
    ),
    Effect.orElseSucceed(() => [])
  )

const parse = Schema.decodeUnknownResult(Schema.fromJsonString(Metric))

const keepUpTo = (text: string, step: number): string =>
  text.split("\n")
    .filter((line) => Result.match(parse(line), { onSuccess: (metric) => metric.step <= step, onFailure: () => false }))
    .map((line) => `${line}\n`)
    .join("")
