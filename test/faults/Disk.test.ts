/**
 * Disks that are full, and folders that may not be written to.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, layer } from "@effect/vitest"
import { Checkpoint, CheckpointUnwritable, Training } from "@effusion/core/training"
import { Effect, FileSystem, Layer, Path, PlatformError, Stream } from "effect"
import * as fc from "fast-check"
import { execFileSync } from "node:child_process"
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { stateOf } from "../core/training/states.ts"
import { options } from "../core/training/tiny.ts"
import * as EagerEngine from "../support/EagerEngine.ts"
import { forAll } from "../support/properties.ts"

const namesIn = (folder: string) => Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readDirectory(folder))

const full = PlatformError.systemError({
  _tag: "Unknown",
  module: "FileSystem",
  method: "writeAll",
  syscall: "write",
  cause: Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" })
})

/** The real file system, on which only so many bytes more can be written: the last write that fits is cut off. */
const diskWith = (bytes: number): Layer.Layer<FileSystem.FileSystem, never, FileSystem.FileSystem> =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => {
      let left = bytes
      const limited = (file: FileSystem.File): FileSystem.File =>
        new Proxy(file, {
          get: (target, name) => {
            if (name !== "writeAll") return Reflect.get(target, name, target)
            return (buffer: Uint8Array) => {
              if (buffer.length <= left) {
                left -= buffer.length
                return target.writeAll(buffer)
              }
              const part = buffer.subarray(0, left)
              left = 0
              return Effect.andThen(target.writeAll(part), full)
            }
          }
        })
      return { ...fs, open: (path, options) => Effect.map(fs.open(path, options), limited) }
    })
  )

const bytesOf = Effect.fnUntraced(function*(folder: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  let bytes = 0
  for (const name of yield* fs.readDirectory(folder)) bytes += Number((yield* fs.stat(path.join(folder, name))).size)
  return bytes
})

layer(NodeServices.layer)("a full disk", (it) => {
  it.effect("fails a save by name, at whichever byte it is full, and leaves the folder as it was", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      const needed = yield* bytesOf(yield* Checkpoint.save({ folder, state: stateOf(1) }))
      yield* forAll(
        fc.nat(needed - 1),
        Effect.fnUntraced(function*(bytes) {
          const save = Checkpoint.save({ folder, state: stateOf(2), keep: 1 })
          const error = yield* Effect.flip(Effect.provide(save, diskWith(bytes)))
          assert(error instanceof CheckpointUnwritable)
          assert.strictEqual(
            error.message,
            `cannot write the checkpoint "${join(folder, "step-00000002")}": the disk is full; free some space, and ` +
              "resume. Earlier checkpoints are untouched"
          )
          assert.deepStrictEqual(yield* namesIn(folder), ["step-00000001"])
          assert.strictEqual((yield* Checkpoint.latest(folder)).checkpoint?.state.step, 1)
        }),
        { numRuns: 60 }
      )
      yield* Effect.provide(Checkpoint.save({ folder, state: stateOf(2), keep: 1 }), diskWith(needed))
      assert.deepStrictEqual(yield* namesIn(folder), ["step-00000002"])
    }))

  it.effect("ends a run with the save's error; the checkpoint before it is whole", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      const run = Training.run({ ...options, checkpoints: Checkpoint.policy({ folder, every: 2 }) })
      const error = yield* Stream.runDrain(run).pipe(Effect.provide(diskWith(6_000)), Effect.flip)
      assert(error instanceof CheckpointUnwritable)
      const { checkpoint, damaged } = yield* Checkpoint.latest(folder)
      assert.deepStrictEqual(damaged, [])
      assert.isAbove(checkpoint!.state.step, 0)
      assert.strictEqual(error.path, join(folder, `step-0000000${checkpoint!.state.step + 2}`))
    }).pipe(Effect.provide(EagerEngine.layer)))
})

/** A file system of 64 KiB, where this process may mount one; the reason, where it may not. */
const mountSmallDisk = (): { readonly folder: string } | { readonly reason: string } => {
  const folder = mkdtempSync(join(tmpdir(), "effusion-disk-"))
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "effusion-test", folder], { stdio: "pipe" })
    return { folder }
  } catch (error) {
    rmSync(folder, { recursive: true })
    return { reason: String(error).split("\n")[0]! }
  }
}

const unmount = (folder: string): void => {
  execFileSync("umount", [folder])
  rmSync(folder, { recursive: true })
}

layer(NodeServices.layer)("a real disk of 64 KiB", (it) => {
  it.effect("fails a save by name when it is full, and goes on when there is space again", ({ skip }) =>
    Effect.gen(function*() {
      const disk = mountSmallDisk()
      if ("reason" in disk) return skip(`no small disk can be mounted here: ${disk.reason}`)
      yield* Effect.addFinalizer(() => Effect.sync(() => unmount(disk.folder)))
      const folder = join(disk.folder, "checkpoints")
      // Three tensors of 4 KiB a checkpoint: four fit, with their folders and manifests.
      let error: CheckpointUnwritable | undefined
      let last = 0
      while (error === undefined && last < 20) {
        const result = yield* Effect.result(Checkpoint.save({ folder, state: stateOf(last + 1, 1024) }))
        if (result._tag === "Failure") error = result.failure
        else last++
      }
      assert.isAbove(last, 0)
      assert.include(error!.message, "the disk is full")
      assert.strictEqual((yield* Checkpoint.latest(folder)).checkpoint?.state.step, last)
      assert.strictEqual((yield* namesIn(folder)).length, last)

      const fs = yield* FileSystem.FileSystem
      yield* fs.remove(join(folder, "step-00000001"), { recursive: true })
      yield* Checkpoint.save({ folder, state: stateOf(last + 1, 1024), keep: 2 })
      assert.strictEqual((yield* Checkpoint.latest(folder)).checkpoint?.state.step, last + 1)
    }))
})

/** Runs as a user without rights, where this process is root: nothing is forbidden to root. */
const unprivileged = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  process.geteuid?.() !== 0
    ? effect
    : Effect.acquireUseRelease(
      Effect.sync(() => process.seteuid!(65_534)),
      () => effect,
      () => Effect.sync(() => process.seteuid!(0))
    )

describe("a folder that may not be written to", () => {
  layer(NodeServices.layer)((it) => {
    it.effect("fails a save by name, and says what to do", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const parent = yield* fs.makeTempDirectoryScoped()
        const folder = join(parent, "checkpoints")
        yield* Checkpoint.save({ folder, state: stateOf(1) })
        chmodSync(parent, 0o755)
        chmodSync(folder, 0o555)
        const error = yield* Effect.flip(unprivileged(Checkpoint.save({ folder, state: stateOf(2) })))
        chmodSync(folder, 0o755)
        assert.strictEqual(
          error.message,
          `cannot write the checkpoint "${join(folder, "step-00000002")}": permission is denied; make the folder ` +
            "writable, or choose another. Earlier checkpoints are untouched"
        )
        assert.deepStrictEqual(yield* namesIn(folder), ["step-00000001"])
      }))

    it.effect("fails a save when the folder is a file", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const folder = join(yield* fs.makeTempDirectoryScoped(), "checkpoints")
        yield* fs.writeFileString(folder, "a file")
        for (const target of [folder, join(folder, "below")]) {
          const error = yield* Effect.flip(Checkpoint.save({ folder: target, state: stateOf(2) }))
          assert.include(error.message, "there is a file where a folder should be; choose another folder")
        }
        assert.isTrue(existsSync(folder))
      }))

    it.effect("fails a search by name when it may not be read either", () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const parent = yield* fs.makeTempDirectoryScoped()
        const folder = join(parent, "checkpoints")
        const path = yield* Checkpoint.save({ folder, state: stateOf(1) })
        chmodSync(parent, 0o755)
        chmodSync(join(path, "average.safetensors"), 0o000)
        const error = yield* Effect.flip(unprivileged(Checkpoint.latest(folder)))
        assert.strictEqual(error._tag, "CheckpointUnreadable")
        assert.include(error.message, join(path, "average.safetensors"))
      }))
  })
})
