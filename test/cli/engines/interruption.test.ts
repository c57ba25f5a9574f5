import { assert, describe, it } from "@effect/vitest"
import { environment } from "@effusion/core/engine/tensorflow/installation"
import { Deferred, Effect, Fiber } from "effect"
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readlinkSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { cliCommand, start } from "../support/cli.ts"
import { assertInstalled, folder, install, installed, newEngines, stagesOf, tools } from "./support/installing.ts"
import { tensorflowFiles, writeWheel } from "./support/wheels.ts"

describe("an installation that is interrupted", () => {
  /** Interrupts an installation when it has told of so many things; gives how many there were. */
  const interruptAt = (engines: string, count: number, archive: string) =>
    Effect.gen(function*() {
      let told = 0
      const reached = yield* Deferred.make<void>()
      const report = () =>
        Effect.suspend(() =>
          ++told > count ? Effect.andThen(Deferred.succeed(reached, undefined), Effect.never) : Effect.void
        )
      const running = yield* Effect.forkChild(install({ engines, wheels: [archive] }, { report }))
      yield* Effect.raceFirst(Deferred.await(reached), Effect.exit(Fiber.join(running)))
      yield* Fiber.interrupt(running)
      return told
    })

  it.effect("wherever that is, goes on afterwards, and leaves what was there before in place", () =>
    Effect.gen(function*() {
      const engines = newEngines()
      yield* install({ engines })
      const newer = yield* Effect.promise(() => writeWheel(join(folder.path, "newer-3.whl"), { version: "2.23.0" }))
      const before = readlinkSync(join(engines, "tensorflow"))
      let count = 0
      while ((yield* interruptAt(engines, count, newer)) > count) {
        // The last thing that is told is that all is done.
        const isDone = readlinkSync(join(engines, "tensorflow")) !== before
        assert.isTrue("addon" in installed(engines))
        assert.isFalse(existsSync(join(engines, "tensorflow.lock")))
        if (isDone) break
        count++
      }
      assert.isAtLeast(count, 4)
      yield* install({ engines, wheels: [newer] })
      assertInstalled(engines)
    }))

  const script = fileURLToPath(new URL("./support/installProcess.ts", import.meta.url))
  const run = (engines: string, waits: string, archive: string) =>
    start(process.execPath, [script, engines, archive], {
      env: { ...environment(), ...tools.environment, STAND_IN_WAITS: waits }
    })

  for (const [signal, stages] of [["SIGKILL", ["package", "addon"]], ["SIGINT", ["addon"]]] as const) {
    it(`by ${signal} with npm or a compiler at work goes on afterwards`, async () => {
      const engines = newEngines()
      await Effect.runPromise(install({ engines }))
      const before = readlinkSync(join(engines, "tensorflow"))
      const newer = await writeWheel(join(folder.path, `newer-${signal}.whl`), { version: "2.22.0" })
      for (const stage of stages) {
        const running = run(engines, stage, newer)
        await running.shows(new RegExp(`"stage":"${stage}"`))
        running.process.kill(signal)
        await running.ended
        assert.strictEqual(readlinkSync(join(engines, "tensorflow")), before)
        assert.isTrue("addon" in installed(engines))
      }
      const last = await Effect.runPromise(install({ engines, wheels: [newer] }))
      assert.deepStrictEqual(stagesOf(last), ["libraries (there)", "package (there)", "addon", "check"])
      assertInstalled(engines)
    })
  }

  /** Whether this machine lets us mount file systems in a namespace of our own. */
  const canMount = spawnSync("unshare", ["-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]).status === 0

  it.skipIf(!canMount)("by a full disk names it, and goes on when there is room", async () => {
    const large = Buffer.alloc(2_000_000, "not the same anywhere")
    const files = { ...tensorflowFiles, "tensorflow/libtensorflow_cc.so.2": large }
    const archive = await writeWheel(join(folder.path, "large.whl"), { files })
    const place = mkdtempSync(join(folder.path, "mounted-"))
    const steps = [
      `mount -t tmpfs -o size=1m tmpfs "${place}"`,
      `${cliCommand} engine install tensorflow --wheel "${archive}"; echo "code $?"`,
      `mount -o remount,size=16m "${place}"`,
      `"${process.execPath}" "${script}" "${place}" "${archive}"`,
      `ls "${place}"`
    ]
    const { code, stderr, stdout } = await start("unshare", ["-rm", "sh", "-c", steps.join(" && ")], {
      env: { ...environment(), ...tools.environment, EFFUSION_ENGINES: place }
    }).ended
    assert.strictEqual(code, 0, stderr)
    assert.include(stdout, "code 1")
    assert.match(stderr, /^effusion: cannot unpack .*libtensorflow_cc\.so\.2": the disk is full; make room.*\n$/)
    assert.match(stdout, /"event":"installed".*\ntensorflow\ntensorflow-1\n$/)
  })
})
