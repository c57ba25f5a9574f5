/**
 * The packages install and work outside the workspace: packed, installed in an empty project, run as compiled JavaScript.
 */
import { assert, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "..")
const pnpm = "pnpm@12.21.0"

const run = (cwd: string, command: string, ...args: ReadonlyArray<string>): string => {
  const { status, stderr, stdout } = spawnSync(command, args, { cwd, encoding: "utf8" })
  assert.strictEqual(status, 0, `${command} ${args.join(" ")}\n${stdout}\n${stderr}`)
  return stdout
}

/** Noises a batch with the packages of the project it stands in. */
const program = `
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { Denoiser, forwardNoising, Pipeline, scheduleSampling, TimestepSampler } from "@effusion/core/pipeline"
import { NoiseSchedule } from "@effusion/core/schedule"
import { float32 } from "@effusion/core/tensor"
import { MLP } from "@effusion/models"
import { presets } from "@effusion/cli"
import { Effect, Layer, Stream } from "effect"

const program = Effect.gen(function*() {
  const denoiser = yield* Denoiser
  const pipeline = yield* Pipeline.make(scheduleSampling, forwardNoising)
  const [batch] = yield* Stream.make({ x0: float32([2, 2], [1, 2, 3, 4]) }).pipe(
    Pipeline.through(Pipeline.fuse(pipeline), { seed: 7 }),
    Stream.runCollect
  )
  console.log(denoiser.name, Object.keys(presets).length > 0, batch.xt.data.every(Number.isFinite))
})
const layers = Layer.mergeAll(
  NoiseSchedule.cosine({ steps: 100 }),
  TimestepSampler.uniform,
  MLP.layer(MLP.Config.make({ dimensions: 2 })),
  OnnxEngine.layer({ threads: 1 })
)
await program.pipe(Effect.scoped, Effect.provide(layers), Effect.runPromise)
`

const mine = `
import { fromAlphaBar } from "@effusion/core/schedule"

export const mine = fromAlphaBar((u: number) => 1 - u ** 2, { steps: 100 })
`

it("gives packages that install and run in an empty project", () => {
  const folder = mkdtempSync(join(tmpdir(), "effusion-packages-"))
  try {
    const names = ["core", "models", "cli"]
    for (const name of names) {
      run(join(root, "packages", name), "npx", "--yes", pnpm, "pack", "--pack-destination", folder)
    }
    const tarballs = Object.fromEntries(names.map((name) => {
      const file = readdirSync(folder).find((file) => file.startsWith(`effusion-${name}-`))
      assert.isDefined(file)
      return [`@effusion/${name}`, `file:${join(folder, file!)}`]
    }))
    const project = join(folder, "project")
    mkdirSync(project)
    const manifest = { name: "project", private: true, type: "module", dependencies: { ...tarballs, effect: "4.1.0" } }
    writeFileSync(join(project, "package.json"), JSON.stringify(manifest))
    // The packages are not in the registry; their dependencies on each other are met by the tarballs too.
    const overrides = Object.entries(tarballs).map(([name, file]) => `  "${name}": "${file}"\n`).join("")
    writeFileSync(join(project, "pnpm-workspace.yaml"), `overrides:\n${overrides}`)
    writeFileSync(join(project, "main.js"), program)
    run(project, "npx", "--yes", pnpm, "install", "--prefer-offline", "--ignore-scripts")
    assert.match(run(project, process.execPath, "main.js"), /true true/)
    const effusion = (...args: ReadonlyArray<string>) =>
      run(project, process.execPath, "node_modules/@effusion/cli/dist/main.js", ...args)
    assert.match(effusion("train", "--help"), /preset/)
    // A module of the project's own is held to the laws: TypeScript, as Node runs it.
    writeFileSync(join(project, "mine.ts"), mine)
    assert.match(effusion("verify", "--module", "mine.ts"), /^the schedule "mine"\n.*\n\n12 laws hold/s)
  } finally {
    rmSync(folder, { recursive: true })
  }
}, 180_000)
