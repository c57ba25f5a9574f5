/**
 * Datasets, and the order in which training sees them.
 *
 * @example
 * import { batches, loadDigits } from "@effusion/core/data"
 *
 * const program = Effect.gen(function*() {
 *   const { train } = yield* loadDigits()
 *   yield* batches(train, { seed: 7, batchSize: 32 }).pipe(Stream.take(1000), Stream.runForEach(trainStep))
 * }).pipe(Effect.provide(NodeServices.layer))
 */
export { batchAt, batches, evaluationBatches } from "./Batches.ts"
export type { BatchOptions, BatchStreamOptions } from "./Batches.ts"
export * from "./DataError.ts"
export { fromArrays, split, take } from "./Dataset.ts"
export type { Batch, Dataset, TrainAndTest } from "./Dataset.ts"
export { loadDigits } from "./Digits.ts"
export { loadIdx } from "./Idx.ts"
export { loadImages } from "./Images.ts"
export type { ImagesOptions } from "./Images.ts"
export { pointKinds, points } from "./Points.ts"
export type { PointKind, PointsOptions } from "./Points.ts"
