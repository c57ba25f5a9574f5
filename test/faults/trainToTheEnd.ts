/**
 * Trains the tiny network to the end, with a checkpoint at every step, from the newest whole checkpoint of a folder on.
 *
 *     node trainToTheEnd.ts <folder> <steps>
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { Checkpoint, Training } from "@effusion/core/training"
import { Effect, Layer, Stream } from "effect"
import { options } from "../core/training/tiny.ts"

const [folder, steps] = process.argv.slice(2)

const train = Effect.gen(function*() {
  const { checkpoint, damaged } = yield* Checkpoint.latest(folder!)
  if (damaged.length > 0) return yield* damaged[0]!
  const run = yield* Training.start({
    ...options,
    steps: Number(steps),
    checkpoints: Checkpoint.policy({ folder: folder!, every: 1, keep: 2 }),
    ...(checkpoint && { resumeFrom: checkpoint.state })
  })
  yield* run.reports.pipe(Stream.runForEach(({ step }) => Effect.sync(() => process.stdout.write(`step ${step}\n`))))
}).pipe(Effect.scoped)

await Effect.runPromise(Effect.provide(train, Layer.merge(OnnxEngine.layer(), NodeServices.layer)))
