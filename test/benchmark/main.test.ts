/**
 * The benchmark's command line, each command at its smallest. What it measures is never asserted.
 */
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "vitest"

const main = fileURLToPath(new URL("main.ts", import.meta.url))

const run = (...args: ReadonlyArray<string>) =>
  new Promise<{ readonly code: number | null; readonly output: string; readonly complaints: string }>((resolve) => {
    const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "pipe"] })
    const text = { output: "", complaints: "" }
    child.stdout.setEncoding("utf8").on("data", (part: string) => (text.output += part))
    child.stderr.setEncoding("utf8").on("data", (part: string) => (text.complaints += part))
    child.on("close", (code) => resolve({ code, ...text }))
  })

const succeed = async (...args: ReadonlyArray<string>): Promise<string> => {
  const { code, complaints, output } = await run(...args)
  assert.strictEqual(code, 0, complaints)
  return output
}

const rows = async (...args: ReadonlyArray<string>): Promise<ReadonlyArray<Record<string, number | string>>> =>
  (await succeed(...args, "--json")).trimEnd().split("\n").map((line) => JSON.parse(line))

const assertPositive = (row: Record<string, number | string>, ...columns: ReadonlyArray<string>): void => {
  for (const column of columns) assert.isAbove(row[column] as number, 0, column)
}

describe.concurrent("bench", { timeout: 120_000 }, () => {
  it("training-step: a row for people, without some optimizations", async () => {
    const flags = [
      "--config",
      "small",
      "--steps",
      "1",
      "--threads",
      "1",
      "--without",
      "blockedConvolutions,stateBlocks"
    ]
    assert.match(
      await succeed("training-step", ...flags),
      /\n\s*small\s+1112801\s+32(\s+[\d.]+){5}\s*$/
    )
  })

  it("sampling", async () => {
    const [row] = await rows("sampling", "--config", "small", "--steps", "2", "--rounds", "1", "--threads", "1")
    assert.include(row, { config: "small", parameters: 1_112_801, batch: 16, steps: 2 })
    assertPositive(row!, "ms_per_image", "ms_per_step", "min_step_ms", "peak_rss_mib", "first_step_ms")
    assert.approximately(16 * (row!["ms_per_image"] as number), 2 * (row!["ms_per_step"] as number), 1)
  })

  it("pipeline: parts that add up to the step, and to the first step", async () => {
    const flags = ["--config", "small", "--steps", "2", "--threads", "1", "--without", "stateBlocks,algebra"]
    const [row] = await rows("pipeline", ...flags) as ReadonlyArray<Record<string, number>>
    const { loop_ms, session_ms, step_ms, transfer_ms } = row as Record<string, number>
    assertPositive(row!, "step_ms", "session_ms", "transfer_ms", "loop_ms", "outside_percent", "batch_ms", "draws_ms")
    assert.approximately(session_ms! + transfer_ms! + loop_ms!, step_ms!, 0.2)
    const parts = ["trace", "passes", "lowering", "encoding", "create_session", "first_run", "rest"]
    const sum = parts.reduce((sum, part) => sum + row![`${part}_ms`]!, 0)
    assertPositive(row!, ...parts.map((part) => `${part}_ms`), "engine_ms")
    assert.approximately(sum, row!["first_step_ms"]!, 0.5)
  })

  it("memory: each work in a process of its own", async () => {
    const [training, sampling, ...others] = await rows("memory", "--config", "small", "--threads", "1")
    assert.lengthOf(others, 0)
    assert.include(training, { config: "small", work: "training", batch: 32 })
    assert.include(sampling, { config: "small", work: "sampling", batch: 16 })
    assert.isAbove(training!["peak_rss_mib"] as number, sampling!["peak_rss_mib"] as number)
  })

  it("scaling: a table relative to its best", async () => {
    const flags = ["--config", "small", "--sizes", "4", "--batches", "1,2", "--steps", "1", "--threads", "1"]
    const [, columns, ofBatches] = (await succeed("scaling", ...flags)).split("\n")
    assert.match(columns!, /^\s*size\s+best_ms\s+batch 1\s+batch 2$/)
    const relative = ofBatches!.trim().split(/\s+/).slice(2).map(Number)
    assert.strictEqual(Math.min(...relative), 1)
  })

  it("optimizations: all on beside all off", async () => {
    const smallest = ["--batch", "1", "--rounds", "1", "--block", "1", "--threads", "1"]
    const [row, ...others] = await rows("optimizations", "--config", "small", "--only", "all", ...smallest)
    assert.lengthOf(others, 0)
    assert.include(row, { config: "small", work: "training", without: "all", batch: 1, steps: 1 })
    assertPositive(row!, "median_ms", "ratio", "min_ratio", "peak_rss_mib", "all_median_ms", "all_peak_rss_mib")
    const { all_median_ms, median_ms, ratio } = row as Record<string, number>
    assert.approximately(ratio!, median_ms! / all_median_ms!, 0.02)
  })

  it("compare: one of our own engines with itself", async () => {
    const smallest = ["--batch", "1", "--ddim-steps", "2", "--rounds", "1", "--block", "1", "--threads", "1"]
    const [ours, peer, ...steps] = await rows("compare", "--config", "small", "--peers", "onnx", ...smallest)
    for (const roofline of [ours!, peer!]) assertPositive(roofline, "sgemm_gflops", "convolution_gflops")
    assert.deepStrictEqual(
      steps.map(({ peer, work }) => `${work}: ${peer}`),
      ["training: effusion", "training: onnx", "sampling: effusion", "sampling: onnx"]
    )
    for (const step of steps) {
      assert.include(step, { config: "small", batch: 1, parameters: 1_112_801, steps: 1 })
      assertPositive(
        step,
        "threads",
        "median_ms",
        "ms_per_image",
        "ratio",
        "peak_rss_mib",
        "gflops",
        "roofline_percent"
      )
    }
  })

  it("compare: says what to install where there is no peer", async () => {
    const { code, complaints } = await run("compare", "--python", "/nonexistent/python")
    assert.notStrictEqual(code, 0)
    assert.match(
      complaints,
      /^bench: torch: "\/nonexistent\/python" cannot be started\. Left out: torch, torch-tuned, torch-compile\.$/m
    )
    assert.match(complaints, /^bench: no peer runs on .*pip install torch numpy jax.*--python or EFFUSION_PYTHON$/m)
  })

  it("compare: says which peer came to a bad end", async () => {
    // A program that is no Python.
    const { code, complaints } = await run("compare", "--python", process.execPath, "--peers", "jax")
    assert.notStrictEqual(code, 0)
    assert.match(complaints, /^bench: the peer jax failed: it ended with code 1 /m)
  })

  it("refuses what it cannot do, in a line", async () => {
    const mode = await run("training-step", "--config", "small", "--mode", "xla")
    assert.notStrictEqual(mode.code, 0)
    assert.match(mode.complaints, /^bench: the engine "onnx" .*omit --mode$/m)
    const elsewhere = await run("training-step", "--config", "small", "--engine", "tensorflow", "--without", "algebra")
    assert.notStrictEqual(elsewhere.code, 0)
    assert.match(elsewhere.complaints, /^bench: the engine "tensorflow" .* without algebra; .*omit --without$/m)
    const unknown = await run("memory", "--without", "algebra,speed")
    assert.notStrictEqual(unknown.code, 0)
    assert.match(unknown.complaints, /--without.*"algebra,speed".*some of .*, stateBlocks, /)
    const peers = await run("compare", "--peers", "torch,cafe")
    assert.notStrictEqual(peers.code, 0)
    assert.match(peers.complaints, /some of torch, torch-tuned/)
  })
})
