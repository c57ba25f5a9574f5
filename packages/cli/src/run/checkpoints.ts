/**
 * The checkpoints of a run, for commands that need one.
 */
import type { Sampling } from "@effusion/core/sampling"
import type { CheckpointDamaged, CheckpointUnreadable } from "@effusion/core/training"
import { Checkpoint } from "@effusion/core/training"
import { Data, Effect } from "effect"
import type { FileSystem, Path } from "effect"
import type { RunConfig } from "../configuration/config.ts"
import { quote } from "../invocation.ts"
import { Reporter } from "../report/Reporter.ts"
import type { RunFolder } from "./RunFolder.ts"

/** A run has no checkpoint yet. */
export class NoCheckpoint extends Data.TaggedError("NoCheckpoint")<{ readonly path: string }> {
  override get message() {
    return `the run "${this.path}" has no checkpoint yet, so there are no weights to use; ` +
      `train it first (effusion train --resume ${this.path})`
  }
}

/** All checkpoints of a run are damaged. */
export class NoWholeCheckpoint extends Data.TaggedError("NoWholeCheckpoint")<{
  readonly path: string
  /** The newest first. */
  readonly damaged: ReadonlyArray<CheckpointDamaged>
}> {
  override get message() {
    const [newest, ...others] = this.damaged
    const path = quote(this.path)
    const older = others.length === 0
      ? ""
      : `, and so ${others.length === 1 ? "is the older one" : "are the older ones"}`
    return `the run "${this.path}" has no whole checkpoint: "${newest?.path}" is damaged (${newest?.file} ` +
      `${newest?.reason})${older}; train it anew (effusion train --config ${path}/config.json --out ${path} --overwrite)`
  }
}

/** The early state of a run that its samples are to be steered away from is not there. */
export class NoGuide extends Data.TaggedError("NoGuide")<{ readonly reason: string }> {
  override get message() {
    return `there is no guide to draw with: ${this.reason}; draw without one (--guidance 1)`
  }
}

/** Warns that samples are drawn without the guide that the configuration asks for. */
export const withoutGuide = Effect.fnUntraced(function*(reason: string) {
  const { report } = yield* Reporter
  yield* report({ event: "warning", message: `the samples are drawn without a guide: ${reason}` })
  return undefined
})

/**
 * What samples of a run are steered away from: the averaged weights of an early checkpoint, which the run keeps. None
 * where the configuration asks for none, nor, with a warning, where the run has not got past that step.
 *
 * Fails with {@link NoGuide} when the checkpoint is missing or damaged.
 *
 * @param step how far the run is
 * @example
 * const guide = yield* guideOf(folder, config.guidance, weights.step)
 */
export const guideOf = Effect.fnUntraced(function*(
  folder: RunFolder,
  guidance: RunConfig["guidance"],
  step: number
): Effect.fn.Return<
  Sampling.Guide | undefined,
  NoGuide | CheckpointUnreadable,
  FileSystem.FileSystem | Path.Path | Reporter
> {
  if (guidance === null || guidance.scale === 1) return undefined
  if (guidance.step >= step) {
    return yield* withoutGuide(`the run is at step ${step}, and its guide would be that of ${guidance.step}`)
  }
  const path = yield* Checkpoint.pathOf(folder.checkpoints, guidance.step)
  const { parameters } = yield* Checkpoint.loadWeights(path).pipe(
    Effect.catchTags({
      CheckpointNotFound: (error) => new NoGuide({ reason: error.message }),
      CheckpointDamaged: (error) => new NoGuide({ reason: error.message })
    })
  )
  return { parameters, scale: guidance.scale }
})

/**
 * The newest whole checkpoint of a run, and the damaged ones that were passed over for it. A run that has damaged ones
 * only fails with {@link NoWholeCheckpoint}.
 *
 * @example
 * const { checkpoint, damaged } = yield* latestCheckpoint(folder)
 */
export const latestCheckpoint = (
  folder: RunFolder
): Effect.Effect<Checkpoint.Latest, NoWholeCheckpoint | CheckpointUnreadable, FileSystem.FileSystem | Path.Path> =>
  Effect.filterOrFail(
    Checkpoint.latest(folder.checkpoints),
    ({ checkpoint, damaged }) => checkpoint !== undefined || damaged.length === 0,
    ({ damaged }) => new NoWholeCheckpoint({ path: folder.path, damaged })
  )

/**
 * The weights of {@link latestCheckpoint}, for commands that use them. Damaged checkpoints that were passed over are reported
 * as warnings; a run that has no checkpoint fails with {@link NoCheckpoint}, one that has damaged ones only with
 * {@link NoWholeCheckpoint}.
 *
 * @param path the run, as the user called it
 * @example
 * const { parameters, step } = yield* latestWeights(folder, input.run)
 */
export const latestWeights = Effect.fnUntraced(function*(
  folder: RunFolder,
  path: string
): Effect.fn.Return<
  Checkpoint.Weights,
  NoWholeCheckpoint | CheckpointUnreadable | NoCheckpoint,
  FileSystem.FileSystem | Path.Path | Reporter
> {
  const { report } = yield* Reporter
  const { damaged, weights } = yield* Checkpoint.latestWeights(folder.checkpoints)
  if (weights === undefined) {
    return yield* damaged.length === 0 ? new NoCheckpoint({ path }) : new NoWholeCheckpoint({ path, damaged })
  }
  yield* Effect.forEach(damaged, ({ message }) => report({ event: "warning", message }), { discard: true })
  return weights
})
