/**
 * The checkpoints of a run, for commands that need one.
 */
import type { CheckpointDamaged, CheckpointUnreadable } from "@effusion/core/training"
import { Checkpoint } from "@effusion/core/training"
import { Data, Effect } from "effect"
import type { FileSystem, Path } from "effect"
import type { RunFolder } from "./RunFolder.ts"

/** A run has no checkpoint yet. */
export class NoCheckpoint extends Data.TaggedError("NoCheckpoint")<{ readonly path: string }> {
  override get message() {
    return `the run "${this.path}" has no checkpoint yet, so there is nothing to draw with; ` +
      `train it first (effusion train --resume ${this.path})`
  }
}

/**
 * The newest whole checkpoint of a run, and the damaged ones that were passed over for it. A run that has damaged ones
 * only fails with the newest of them.
 *
 * @example
 * const { checkpoint, damaged } = yield* latestCheckpoint(folder)
 */
export const latestCheckpoint = (
  folder: RunFolder
): Effect.Effect<Checkpoint.Latest, CheckpointDamaged | CheckpointUnreadable, FileSystem.FileSystem | Path.Path> =>
  Effect.filterOrFail(
    Checkpoint.latest(folder.checkpoints),
    ({ checkpoint, damaged }) => checkpoint !== undefined || damaged.length === 0,
    ({ damaged }) => damaged[0]!
  )
