/**
 * The choice of an engine: on machines that are folders, between engines that say what became of them.
 */
import { Engine, EngineUnavailable, ExecutionFailed } from "@effusion/core/engine"
import { AutoEngine, EngineChoice } from "@effusion/core/engine/auto"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, assert, describe, it } from "vitest"
import type { Engines } from "../../../../packages/core/src/engine/auto/engines.ts"
import * as EagerEngine from "../../../support/EagerEngine.ts"

const root = mkdtempSync(join(tmpdir(), "effusion-auto-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

let folders = 0

const folderWith = (files: { readonly [path: string]: string }): string => {
  const folder = join(root, String(++folders))
  mkdirSync(folder)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return folder
}

const withGpu = () => folderWith({ "proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: NVIDIA A100\n" })
const withoutGpu = () => folderWith({})

const installed = () =>
  folderWith({
    "package.json": JSON.stringify({ name: "@tensorflow/tfjs-node-gpu", version: "4.22.0" }),
    "lib/napi-v8/tfjs_binding.node": ""
  })

/** Engines that note when they are made and gone; the layers given here are what they compute with. */
const notingEngines = (layers: { readonly tensorflow?: Layer.Layer<Engine, EngineUnavailable> } = {}) => {
  const events: Array<string> = []
  const noting = (name: "onnx" | "tensorflow", layer: Layer.Layer<Engine, EngineUnavailable>) =>
    Layer.merge(
      layer,
      Layer.effectDiscard(Effect.acquireRelease(
        Effect.sync(() => void events.push(`${name} is made`)),
        () => Effect.sync(() => void events.push(`${name} is gone`))
      ))
    )
  const engines: Engines = {
    onnx: () => noting("onnx", EagerEngine.layer),
    tensorflow: ({ device }) => {
      events.push(`tensorflow is asked for device ${device}`)
      return noting("tensorflow", layers.tensorflow ?? EagerEngine.layer)
    }
  }
  return { engines, events }
}

const choose = (
  options: AutoEngine.Options,
  { environment = {}, ...surroundings }: AutoEngine.Surroundings
) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    // No test finds what this machine has.
    const variables = { EFFUSION_ENGINES: root, ...environment }
    const layer = AutoEngine.layer(options, { workingDirectory: root, ...surroundings, environment: variables })
    const exit = yield* Effect.exit(Layer.buildWithScope(layer, scope))
    return { exit, close: Scope.close(scope, Exit.void) }
  })

const chosen = async (options: AutoEngine.Options, surroundings: AutoEngine.Surroundings) => {
  const { exit } = await Effect.runPromise(choose(options, surroundings))
  if (Exit.isFailure(exit)) throw new Error(String(exit.cause))
  return Context.get(exit.value, EngineChoice)
}

const refused = (options: AutoEngine.Options, surroundings: AutoEngine.Surroundings): Promise<EngineUnavailable> =>
  Effect.runPromise(
    Effect.flatMap(
      choose(options, surroundings),
      ({ exit }) => Effect.flip(exit as Exit.Exit<never, EngineUnavailable>)
    )
  )

const failing = (tensorflow: Layer.Layer<Engine, EngineUnavailable>) => notingEngines({ tensorflow })

const unavailable = new EngineUnavailable({ engine: "tensorflow", reason: "it is broken", remedy: "mend it" })

/** An engine whose convolutions fail. */
const brokenConvolutions = Layer.effect(
  Engine,
  Effect.map(Engine, (engine): Engine["Service"] => ({
    ...engine,
    compile: ({ name }) =>
      Effect.fail(new ExecutionFailed({ program: name, engine: "tensorflow", reason: "no cuDNN" })) as never
  }))
).pipe(Layer.provide(EagerEngine.layer))

describe("the engine that suits the machine", () => {
  it("is tensorflow where it is installed and a GPU works", async () => {
    const { engines, events } = notingEngines()
    const { close, exit } = await Effect.runPromise(choose({ package: installed() }, { engines, root: withGpu() }))
    if (Exit.isFailure(exit)) throw new Error(String(exit.cause))
    assert.deepStrictEqual(Context.get(exit.value, EngineChoice), {
      name: "tensorflow",
      reason: "TensorFlow is installed, and a GPU works"
    })
    assert.deepStrictEqual(events, ["tensorflow is asked for device gpu", "tensorflow is made"])
    await Effect.runPromise(close)
    assert.strictEqual(events.at(-1), "tensorflow is gone")
  })

  it("is onnx, and tensorflow is not touched, where that is not installed or there is no GPU for it", async () => {
    const packaged = installed()
    const cases: ReadonlyArray<readonly [AutoEngine.Options, AutoEngine.Surroundings, string]> = [
      [{}, { root: withGpu() }, "TensorFlow is not installed"],
      [{ package: packaged }, { root: withoutGpu() }, "there is no NVIDIA GPU in this machine"],
      [
        { package: packaged },
        { root: withGpu(), environment: { CUDA_VISIBLE_DEVICES: "-1" } },
        "CUDA_VISIBLE_DEVICES=\"-1\" hides every GPU"
      ],
      [{ package: packaged, device: "cpu" }, { root: withGpu() }, "the processor was asked for"]
    ]
    for (const [options, surroundings, reason] of cases) {
      const { engines, events } = notingEngines()
      // As things are here, which is nothing to be warned of.
      assert.deepStrictEqual(await chosen(options, { ...surroundings, engines }), { name: "onnx", reason })
      assert.deepStrictEqual(events, ["onnx is made"])
    }
  })

  it("is told all that was asked for, whichever it is", async () => {
    const packaged = installed()
    for (const [root, name, device] of [[withoutGpu(), "onnx", undefined], [withGpu(), "tensorflow", "gpu"]] as const) {
      const told: Array<unknown> = []
      const noting = (name: string) => (options: unknown) => {
        told.push([name, options])
        return EagerEngine.layer
      }
      const options = { package: packaged, threads: 3, rematerialize: true }
      await chosen(options, { root, engines: { onnx: noting("onnx"), tensorflow: noting("tensorflow") } })
      assert.deepStrictEqual(told, [[name, device === undefined ? options : { ...options, device }]])
    }
  })

  it("is onnx with a warning where tensorflow should work and does not", async () => {
    const { engines, events } = failing(Layer.effect(Engine, Effect.fail(unavailable)))
    assert.deepStrictEqual(await chosen({ package: installed() }, { engines, root: withGpu() }), {
      name: "onnx",
      reason: "it is broken",
      warning: "it is broken; mend it"
    })
    assert.strictEqual(events.at(-1), "onnx is made")

    const unbuilt = folderWith({
      "package.json": JSON.stringify({ name: "@tensorflow/tfjs-node", version: "4.22.0" })
    })
    const { warning } = await chosen({ package: unbuilt }, { engines: notingEngines().engines, root: withGpu() })
    assert.include(warning, "is not built; build it anew with")
  })

  it("is onnx where a GPU is found and cannot convolve, and nothing of tensorflow is left", async () => {
    const { engines, events } = failing(brokenConvolutions)
    const diagnose = () =>
      Effect.succeed({
        version: "2.21.0",
        usesGpu: true,
        log: "E0000 cuda_dnn.cc:522] Loaded runtime CuDNN library: 9.1.0 but source was compiled with: 9.3.0. "
      })
    const choice = await chosen({ package: installed() }, { engines, diagnose, root: withGpu() })
    assert.strictEqual(choice.name, "onnx")
    assert.match(choice.warning!, /^cuDNN 9\.1\.0 is installed, and libtensorflow was built with 9\.3\.0; /)
    assert.deepStrictEqual(events.slice(1), ["tensorflow is made", "tensorflow is gone", "onnx is made"])

    // Where the log has nothing of it, the failure speaks for itself.
    const silent = () => Effect.succeed({ version: "2.21.0", usesGpu: true, log: "" })
    const { warning } = await chosen({ package: installed() }, { engines, diagnose: silent, root: withGpu() })
    assert.match(warning!, /^TensorFlow does not use NVIDIA A100: .*no cuDNN/)
  })
})

describe("device gpu", () => {
  it("is a GPU or an error", async () => {
    const { engines, events } = failing(Layer.effect(Engine, Effect.fail(unavailable)))
    const options = { device: "gpu" as const, package: installed() }
    assert.include((await refused(options, { engines, root: withGpu() })).message, "it is broken; mend it")
    assert.match((await refused(options, { engines, root: withoutGpu() })).message, /there is no NVIDIA GPU/)
    const missing = await refused({ device: "gpu" }, { engines, root: withGpu() })
    assert.strictEqual(
      missing.message,
      "the engine \"tensorflow\" does not work here: TensorFlow is not installed; install it with \"effusion engine " +
        "install tensorflow --gpu\" (docs/engines.md)"
    )
    assert.deepInclude(missing.cause, { _tag: "PackageMissing" })
    assert.notInclude(events, "onnx is made")
  })
})
