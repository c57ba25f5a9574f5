/**
 * Where a run's batches come from.
 */
import type { Stream } from "effect"
import { batches } from "../data/index.ts"
import type { BatchError, Dataset } from "../data/index.ts"
import type { HostOf, Tensors } from "../engine/Program.ts"
import type { FieldsOf, Labelled } from "../pipeline/index.ts"

/**
 * The batches of a run from number `from` on, counted from 0. What batch k holds must depend on k alone, or a resumed run
 * is another run. All batches have the same shapes.
 *
 * @example
 * const ofFiles: BatchSource<Clean, PlatformError.PlatformError, FileSystem.FileSystem> = (from) =>
 *   readShards(folder).pipe(Stream.drop(from))
 */
export type BatchSource<In extends Tensors, E, R> = (from: number) => Stream.Stream<HostOf<In>, E, R>

/** A dataset, where its batches have what the pipeline needs; or a source of one's own. */
export type TrainingData<In extends Tensors, E, R> =
  | BatchSource<In, E, R>
  | (Labelled extends In ? Dataset : never)

/**
 * What is known of the fields of a dataset, besides how many examples are in a batch: their shapes, and how many classes the
 * labels tell apart.
 */
export const fieldsOf = <In extends Tensors>({ classes, exampleShape }: Dataset): FieldsOf<In> => {
  const fields: FieldsOf<Labelled> = {
    x0: { shape: [1, ...exampleShape], dtype: "float32" },
    label: { shape: [1], dtype: "int32", classes }
  }
  // Data is a dataset only where what flows in has no other fields: see `TrainingData`.
  return fields as FieldsOf<Tensors> as FieldsOf<In>
}

/** The batches of a run, from either. */
export const batchSource = <In extends Tensors, E, R>(
  data: TrainingData<In, E, R>,
  options: { readonly seed: number; readonly batchSize: number }
): BatchSource<In, E | BatchError, R> => {
  if (typeof data === "function") return data
  // The loop makes batches ahead together with their draws, so there is no need for a second buffer.
  const dataset = data as Dataset
  return (from) =>
    batches(dataset, { ...options, from, prefetch: 0 }) as unknown as Stream.Stream<HostOf<In>, BatchError>
}
