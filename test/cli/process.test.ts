/**
 * What only a process of its own can show: exit codes, signals, sudden death, full disks.
 */
import { spawnSync } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { afterAll, assert, describe, it } from "vitest"
import { unsupportedNode } from "../../packages/cli/src/internal/nodeVersion.ts"
import { cli, cliCommand, start, startCli, temporaryFolder, tinyConfig } from "./support/cli.ts"

const folder = temporaryFolder()
chmodSync(folder.path, 0o755)
afterAll(folder.remove)

const steps = 400
// Timesteps that depend on the losses so far are the most that a run has to remember.
const config = tinyConfig(folder.path, {
  steps,
  checkpoints: { every: 25, keep: 2 },
  timesteps: { type: "loss-second-moment", history: 3, spread: "stratified" }
})

const stepsOf = (run: string): ReadonlyArray<number> =>
  readFileSync(join(run, "metrics.jsonl"), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line).step)

/** All that decides how a run goes on: the files of its last checkpoint, but for the manifest's. */
const endOf = (run: string) => {
  const checkpoint = join(run, "checkpoints", `step-${String(steps).padStart(8, "0")}`)
  return readdirSync(checkpoint).filter((file) => file.endsWith(".safetensors")).sort()
    .map((file) => [file, readFileSync(join(checkpoint, file)).toString("base64")])
}

/** The same run, never stopped. */
const uninterrupted = join(folder.path, "uninterrupted")

const firstToLast = [...Array.from({ length: steps }, (_, i) => i + 1), steps]

describe("a run that is stopped", () => {
  it("by Ctrl-C ends in order with its last step saved, and goes on as if nothing had been", async () => {
    const whole = await cli("train", "--config", config, "--out", uninterrupted)
    assert.strictEqual(whole.code, 0, whole.stderr)
    assert.deepStrictEqual(stepsOf(uninterrupted), firstToLast)

    const run = join(folder.path, "interrupted")
    const running = startCli(["train", "--config", config, "--out", run, "--json"])
    await running.shows(/"step":12,/)
    running.process.kill("SIGINT")
    // npm passes on the Ctrl-C that the terminal has sent already.
    running.process.kill("SIGINT")
    const { code, stderr, stdout } = await running.ended
    assert.strictEqual(code, 130)
    assert.strictEqual(stderr, "")
    const events = stdout.trimEnd().split("\n").map((line) => JSON.parse(line))
    const end = events.at(-1)
    assert.deepStrictEqual([end.event, end.reason], ["end", "interrupted"])
    assert.isAtLeast(end.step, 12)
    assert.isBelow(end.step, steps)
    assert.match(end.next, new RegExp(`train --resume ${run}$`))
    assert.include(readdirSync(join(run, "checkpoints")), `step-${String(end.step).padStart(8, "0")}`)
    assert.deepStrictEqual(stepsOf(run), firstToLast.slice(0, end.step))
    assert.include(readdirSync(run), "loss.svg")

    const resumed = await cli("train", "--resume", run)
    assert.strictEqual(resumed.code, 0, resumed.stderr)
    assert.include(resumed.stdout, `going on after step ${end.step}.`)
    assert.deepStrictEqual(stepsOf(run), firstToLast)
    assert.deepStrictEqual(endOf(run), endOf(uninterrupted))
  })

  it("by sudden death goes on from its last checkpoint, to the same end", async () => {
    const run = join(folder.path, "killed")
    let previous = 0
    for (const at of [60, 130]) {
      const running = startCli(
        previous === 0 ? ["train", "--config", config, "--out", run, "--json"] : ["train", "--resume", run, "--json"]
      )
      await running.shows(new RegExp(`"step":${at},`))
      running.process.kill("SIGKILL")
      const { stdout } = await running.ended
      const { from } = JSON.parse(stdout.slice(0, stdout.indexOf("\n")))
      assert.isAtLeast(from, previous)
      previous = at - at % 25 - 25
    }
    const resumed = await cli("train", "--resume", run)
    assert.strictEqual(resumed.code, 0, resumed.stderr)
    assert.deepStrictEqual(stepsOf(run), firstToLast)
    assert.deepStrictEqual(endOf(run), endOf(uninterrupted))
  })

  it("by Ctrl-C in the middle of a preview does not finish the preview", async () => {
    const run = join(folder.path, "preview")
    const slow = tinyConfig(join(folder.path, "uninterrupted"), { previews: { every: 3, count: 1_000_000, steps: 50 } })
    const running = startCli(["train", "--config", slow, "--out", run, "--json"])
    await running.shows(/"step":3,/)
    await setTimeout(100)
    running.process.kill("SIGINT")
    const { code, stdout } = await running.ended
    assert.strictEqual(code, 130)
    assert.include(stdout, `"event":"end","reason":"interrupted","step":3,`)
    assert.notInclude(stdout, `"event":"preview"`)
    assert.deepStrictEqual(readdirSync(join(run, "checkpoints")), ["step-00000003"])
  })

  it("before its first checkpoint begins anew", async () => {
    const run = join(folder.path, "young")
    const running = startCli(["train", "--config", config, "--out", run, "--json"])
    await running.shows(/"event":"start"/)
    running.process.kill("SIGKILL")
    await running.ended
    const resumed = await cli("train", "--resume", run)
    assert.strictEqual(resumed.code, 0, resumed.stderr)
    assert.deepStrictEqual(stepsOf(run), firstToLast)
    assert.deepStrictEqual(endOf(run), endOf(uninterrupted))
  })
})

describe("a run that is being trained", () => {
  const run = join(folder.path, "busy")
  const long = tinyConfig(mkdtempSync(join(folder.path, "long-")), { steps: 1_000_000 })

  it("is left alone by whoever else would train it, and can be drawn with; killed, it goes on", async () => {
    const running = startCli(["train", "--config", long, "--out", run, "--json"])
    await running.shows(/"event":"checkpoint"/)
    const before = readFileSync(join(run, "config.json"), "utf8")
    for (const args of [["--config", config, "--out", run, "--overwrite"], ["--resume", run]]) {
      const { code, stderr } = await cli("train", ...args)
      assert.strictEqual(code, 1)
      assert.strictEqual(
        stderr,
        `effusion: process ${running.process.pid} is training the run in "${run}"; wait for it, or stop it (Ctrl-C)`
      )
    }
    assert.strictEqual(readFileSync(join(run, "config.json"), "utf8"), before)
    for (const args of [["sample", run, "--count", "2"], ["evaluate", "bound", run, "--examples", "2"]]) {
      const { code, stderr } = await cli(...args)
      assert.strictEqual(code, 0, stderr)
    }
    running.process.kill("SIGKILL")
    const { stdout } = await running.ended
    assert.include(readdirSync(run), "run.lock")

    const done = stdout.trimEnd().split("\n").length + 1000
    const resumed = await cli("train", "--resume", run, "--steps", String(done))
    assert.strictEqual(resumed.code, 0, resumed.stderr)
    assert.notInclude(readdirSync(run), "run.lock")
  })

  it("lets go of its folder when it is stopped", async () => {
    const stopped = join(folder.path, "stopped")
    const running = startCli(["train", "--config", long, "--out", stopped, "--json"])
    await running.shows(/"step":3,/)
    assert.include(readdirSync(stopped), "run.lock")
    running.process.kill("SIGINT")
    assert.strictEqual((await running.ended).code, 130)
    assert.notInclude(readdirSync(stopped), "run.lock")
  })
})

describe("signals", () => {
  const script = fileURLToPath(new URL("support/uninterruptible.ts", import.meta.url))

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it.concurrent(`a second ${signal} ends the process at once, unless it is an echo of the first`, async () => {
      const running = start(process.execPath, [script])
      await running.shows(/ready/)
      running.process.kill(signal)
      running.process.kill(signal)
      await setTimeout(1000)
      assert.isNull(running.process.exitCode)
      running.process.kill(signal)
      assert.strictEqual((await running.ended).code, 130)
    })
  }
})

describe("a process", () => {
  it("that fails ends with code 1, and says why in one line on standard error", async () => {
    const { code, stderr, stdout } = await startCli(["train", "--preset", "nope"]).ended
    assert.strictEqual(code, 1)
    assert.strictEqual(stdout, "")
    assert.match(stderr, /^effusion: there is no preset "nope"; choose one of .*\n$/)
  })

  it("prints its version, and short help with examples", async () => {
    const { code, stdout } = await startCli(["--version"]).ended
    assert.strictEqual(code, 0)
    assert.match(stdout, /^effusion v\d+\.\d+\.\d+\n$/)
    const help = await cli("train", "--help")
    for (const text of ["--preset", "--dry-run", "--resume", "EXAMPLES", "effusion train --preset points"]) {
      assert.include(help.stdout, text)
    }
  })

  it("needs Node 22.19 or newer, and says so", () => {
    for (const version of ["22.19.0", "22.23.3", "23.0.0", "24.21.0", "100.0.0"]) {
      assert.isUndefined(unsupportedNode(version))
    }
    for (const version of ["18.20.0", "20.20.2", "22.18.9"]) {
      assert.match(
        unsupportedNode(version)!,
        new RegExp(`^Node ${version} is too old; it needs 22.19 or newer: install`)
      )
    }
  })
})

/** Whether this machine lets us mount file systems in a namespace of our own. */
const canMount = spawnSync("unshare", ["-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]).status === 0

/** Runs a command in a file system of its own, which is gone with the process. */
const inFileSystem = (options: string, args: string) => {
  const place = join(folder.path, "mounted")
  mkdirSync(place, { recursive: true })
  return start("unshare", [
    "-rm",
    "sh",
    "-c",
    `mount -t tmpfs -o ${options} tmpfs "${place}" && exec ${cliCommand} ${args}`
  ])
}

describe.concurrent("a disk", () => {
  it.skipIf(!canMount)("that is full is named, with what to do", async () => {
    const run = join(folder.path, "mounted", "run")
    const { code, stderr, stdout } = await inFileSystem("size=96k", `train --config "${config}" --out "${run}"`).ended
    assert.strictEqual(code, 1)
    assert.match(stderr, /^effusion: cannot write .*: the disk is full; (make room|free some space)/)
    assert.isAtMost(stderr.trimEnd().split("\n").length, 2, stderr)
    assert.notInclude(stderr, "    at ")
    assert.include(stdout, "step")
  })

  it.skipIf(!canMount)("that is full from the beginning is named, with what to do", async () => {
    const run = join(folder.path, "mounted", "run")
    const { code, stderr } = await inFileSystem("size=4k,nr_inodes=2", `train --config "${config}" --out "${run}"`)
      .ended
    assert.strictEqual(code, 1)
    assert.match(stderr, /^effusion: cannot (write|make the folder) .*: the disk is full; make room/)
  })

  it.skipIf(!canMount)(
    "that is full when a run is stopped is named, and nobody is told that all is saved",
    async () => {
      const run = join(folder.path, "mounted", "run")
      const lazy = tinyConfig(mkdtempSync(join(folder.path, "lazy-")), { checkpoints: { every: 10_000, keep: 1 } })
      const running = inFileSystem("size=24k", `train --config "${lazy}" --out "${run}" --json`)
      await running.shows(/"step":3,/)
      running.process.kill("SIGINT")
      const { code, stdout } = await running.ended
      assert.strictEqual(code, 130)
      const end = JSON.parse(stdout.trimEnd().split("\n").at(-1)!)
      assert.strictEqual(end.reason, "interrupted")
      assert.match(end.problem, /^cannot write the checkpoint .*: the disk is full; free some space/)
    }
  )

  it.skipIf(!canMount)("that is read-only is named, with what to do", async () => {
    const run = join(folder.path, "mounted", "run")
    const { code, stderr } = await inFileSystem("ro", `train --config "${config}" --out "${run}"`).ended
    assert.strictEqual(code, 1)
    assert.match(
      stderr,
      /^effusion: cannot make the folder ".*run": the file system is read-only; choose another place\n$/
    )
  })
})

describe("a folder", () => {
  it("that must not be written to is named, with what to do", async () => {
    const locked = join(folder.path, "locked")
    mkdirSync(locked)
    chmodSync(locked, 0o555)
    // The superuser may write anywhere, so the process is nobody's.
    const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
    const { code, stderr } = await startCli(["train", "--config", config, "--out", join(locked, "run")], nobody).ended
    assert.strictEqual(code, 1)
    assert.match(
      stderr,
      /^effusion: cannot make the folder ".*locked\/run": you have no permission; choose another place, or change the permissions\n$/
    )
  })
})
