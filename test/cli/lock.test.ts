/**
 * Locks: one process at a time, whatever ends it.
 */
import { NodeServices } from "@effect/platform-node"
import { Effect, Exit } from "effect"
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { afterAll, assert, describe, it } from "vitest"
import { acquire, type Holder } from "../../packages/cli/src/lock.ts"
import { start, temporaryFolder } from "./support/cli.ts"

const folder = temporaryFolder()
afterAll(folder.remove)

const newLock = (): string => join(mkdtempSync(join(folder.path, "lock-")), "run.lock")

/** Takes a lock for as long as an effect runs. */
const hold = (lock: string, use: Effect.Effect<void> = Effect.void) =>
  Effect.andThen(acquire(lock, (holder) => holder), use).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

const holderIn = (lock: string): Holder => JSON.parse(readFileSync(lock, "utf8"))

/** Holders that are gone, and those that may be there. */
const { gone, there } = await (async () => {
  const lock = newLock()
  let self = undefined as unknown as Holder
  await Effect.runPromise(hold(lock, Effect.sync(() => void (self = holderIn(lock)))))
  const { began: _, ...unknown } = self
  return {
    gone: [
      { ...self, pid: 999_999_999 },
      { ...unknown, pid: 999_999_999 },
      // A number that was given again: to this process, and to another one.
      unknown,
      ...(self.began === undefined ? [] : [
        { ...self, began: "another start of the machine 17" },
        { ...self, pid: process.ppid }
      ])
    ],
    there: [self, { ...unknown, pid: process.ppid }, { ...self, pid: 999_999_999, host: `not-${hostname()}` }].filter(
      ({ began, pid }) => pid !== process.pid || began !== undefined
    )
  }
})()

describe("a lock", () => {
  it("is there as long as it is held, also where that ends in failure, and nothing is left of it", async () => {
    const lock = newLock()
    for (const end of [Effect.void, Effect.die("an accident"), Effect.interrupt]) {
      const exit = await Effect.runPromiseExit(
        hold(lock, Effect.andThen(Effect.sync(() => assert.strictEqual(holderIn(lock).pid, process.pid)), end))
      )
      assert.strictEqual(Exit.isSuccess(exit), end === Effect.void)
      assert.deepStrictEqual(readdirSync(join(lock, "..")), [])
    }
  })

  it("of a process that may be there is refused, and left as it is", async () => {
    for (const holder of there) {
      const lock = newLock()
      writeFileSync(lock, JSON.stringify(holder))
      assert.deepStrictEqual(await Effect.runPromise(Effect.flip(hold(lock))), holder)
      assert.deepStrictEqual(holderIn(lock), holder)
    }
  })

  it("of a process that is gone, or that nobody can read, is taken over", async () => {
    for (const left of [...gone.map((holder) => JSON.stringify(holder)), "", "{", "17", "\0\0\0\0"]) {
      const lock = newLock()
      writeFileSync(lock, left)
      await Effect.runPromise(
        hold(lock, Effect.sync(() => assert.strictEqual(holderIn(lock).pid, process.pid, left)))
      )
      assert.deepStrictEqual(readdirSync(join(lock, "..")), [])
    }
  })

  it("that was removed by hand and taken by another process stays", async () => {
    const [lock, other] = [newLock(), JSON.stringify(there.at(-1))]
    await Effect.runPromise(hold(lock, Effect.sync(() => writeFileSync(lock, other))))
    assert.strictEqual(readFileSync(lock, "utf8"), other)
  })

  it("of a process that has ended, and that its parent has not asked for, is taken over", async () => {
    // The shell starts a process that ends, and becomes one that never asks for it.
    const parent = spawn("sh", ["-c", "sleep 0 & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "ignore"] })
    const pid = Number(await new Promise((resolve) => parent.stdout.once("data", (text) => resolve(String(text)))))
    try {
      await setTimeout(100)
      // Where the system does not show such processes, there is nothing to tell them by.
      if (!existsSync(`/proc/${pid}/stat`)) return
      const lock = newLock()
      writeFileSync(lock, JSON.stringify({ pid, host: hostname() }))
      await Effect.runPromise(hold(lock))
    } finally {
      parent.kill()
    }
  })

  it("is had by one of many processes that find the one of a dead process", async () => {
    const lock = newLock()
    const log = `${lock}.log`
    writeFileSync(lock, JSON.stringify(gone[0]))
    const script = fileURLToPath(new URL("support/holdLock.ts", import.meta.url))
    const all = Array.from({ length: 4 }, () => start(process.execPath, [script, lock, log]))
    for (const { ended } of all) assert.strictEqual((await ended).code, 0)
    const lines = readFileSync(log, "utf8").trimEnd().split("\n").map((line) => line.split(" "))
    assert.isAbove(lines.length, 1)
    for (let i = 0; i < lines.length; i += 2) {
      assert.deepStrictEqual([lines[i], lines[i + 1]], [["has", lines[i]![1]!], ["ends", lines[i]![1]!]])
    }
    assert.isFalse(existsSync(lock))
  })
})
