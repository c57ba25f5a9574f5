import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Safetensors } from "@effusion/core/tensor"
import { Checkpoint, CheckpointDamaged } from "@effusion/core/training"
import { Effect, FileSystem, Path, Result } from "effect"
import * as fc from "fast-check"
import { isDeepStrictEqual } from "node:util"
import { forAll } from "../../support/properties.ts"
import { configs, stateOf, states } from "./states.ts"
import { bitsOf } from "./tiny.ts"

const temporaryFolder = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

const namesIn = (folder: string) => Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readDirectory(folder))

const bytesIn = (...path: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    return yield* (yield* FileSystem.FileSystem).readFile((yield* Path.Path).join(...path))
  })

layer(NodeServices.layer)("Checkpoint", (it) => {
  it.effect("reads back what was saved, bit for bit", () =>
    forAll(
      fc.record({ state: states, config: configs }),
      Effect.fnUntraced(function*({ config, state }) {
        const folder = yield* temporaryFolder
        const path = yield* Checkpoint.save({ folder, state, config })
        const loaded = yield* Checkpoint.load(path)
        assert.deepStrictEqual(bitsOf(loaded.state), bitsOf(state))
        assert.strictEqual(loaded.state.checkpoint, path)
        assert.strictEqual(loaded.path, path)
        assert.deepStrictEqual(loaded.config, config)
        const { checkpoint, damaged } = yield* Checkpoint.latest(folder)
        assert.deepStrictEqual(bitsOf(checkpoint!.state), bitsOf(state))
        assert.deepStrictEqual(damaged, [])

        const weights = yield* Checkpoint.loadWeights(path)
        const { average, parameters, step } = state
        const asState = (parameters: typeof state.parameters) => bitsOf({ step, parameters, optimizer: {} })
        assert.deepStrictEqual(asState(weights.parameters), asState(average ?? parameters))
        assert.deepStrictEqual([weights.path, weights.step], [path, step])
        assert.deepStrictEqual(yield* Checkpoint.latestWeights(folder), { weights, damaged: [] })
      }),
      { numRuns: 40 }
    ))

  it.effect("is files that other programs read: plain state dicts, and checksums as sha256sum writes them", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const state = stateOf(42)
      const path = yield* Checkpoint.save({ folder, state, config: { preset: "digits" } })
      assert.deepStrictEqual((yield* namesIn(path)).sort(), [
        "average.safetensors",
        "manifest.json",
        "manifest.json.sha256",
        "optimizer.adam.firstMoment.safetensors",
        "parameters.safetensors"
      ])
      const average = Result.getOrThrow(Safetensors.decode(yield* bytesIn(path, "average.safetensors")))
      assert.deepStrictEqual(average.tensors, { "a.weight": state.average!["a.weight"]! })
      assert.deepStrictEqual(average.metadata, { format: "pt" })
      const manifest: unknown = JSON.parse(new TextDecoder().decode(yield* bytesIn(path, "manifest.json")))
      assert.deepNestedInclude(manifest, { step: 42, version: 1, config: { preset: "digits" } })
      const sum = new TextDecoder().decode(yield* bytesIn(path, "manifest.json.sha256"))
      assert.match(sum, /^[0-9a-f]{64} {2}manifest\.json\n$/)
    }))

  it.effect("keeps the newest, as many as it was asked to, and the pinned ones", () =>
    forAll(
      fc.record({
        steps: fc.uniqueArray(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 6 }).map((steps) =>
          steps.sort((a, b) => a - b)
        ),
        keep: fc.constantFrom(1, 2, 3, Infinity),
        pinned: fc.subarray([0, 1, 2, 3, 4, 5])
      }),
      Effect.fnUntraced(function*({ keep, pinned: positions, steps }) {
        const folder = yield* temporaryFolder
        const pinned = positions.flatMap((position) => steps[position] ?? [])
        for (const step of steps) yield* Checkpoint.save({ folder, state: stateOf(step), keep, pinned })
        const others = steps.filter((step) => !pinned.includes(step))
        const newest = others.slice(-Math.min(keep, others.length || 1))
        const kept = steps.filter((step) => pinned.includes(step) || newest.includes(step))
        const expected = kept.map((step) => `step-${String(step).padStart(8, "0")}`)
        assert.deepStrictEqual((yield* namesIn(folder)).sort(), expected)
      }),
      { numRuns: 25 }
    ))

  it.effect("does not count what is newer than the step that it saves", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      yield* Checkpoint.save({ folder, state: stateOf(9) })
      yield* Checkpoint.save({ folder, state: stateOf(3) })
      yield* Checkpoint.save({ folder, state: stateOf(4), keep: 1 })
      assert.deepStrictEqual((yield* namesIn(folder)).sort(), ["step-00000004", "step-00000009"])
    }))

  it.effect("takes the place of one of the same step", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      yield* Checkpoint.save({ folder, state: stateOf(7), config: 1 })
      const path = yield* Checkpoint.save({ folder, state: stateOf(7), config: 2 })
      assert.deepStrictEqual(yield* namesIn(folder), ["step-00000007"])
      assert.strictEqual((yield* Checkpoint.load(path)).config, 2)
    }))

  it.effect("finds one that was stepping aside when the process was killed", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* temporaryFolder
      const path = yield* Checkpoint.save({ folder, state: stateOf(7) })
      yield* fs.rename(path, `${path}.replaced`)
      const { checkpoint } = yield* Checkpoint.latest(folder)
      assert.strictEqual(checkpoint?.state.step, 7)
      yield* Checkpoint.save({ folder, state: stateOf(7) })
      assert.deepStrictEqual(yield* namesIn(folder), ["step-00000007"])
    }))

  it.effect("is refused by name when any bit of any of its files is another", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { join } = yield* Path.Path
      const folder = yield* temporaryFolder
      yield* Checkpoint.save({ folder, state: stateOf(1) })
      const path = yield* Checkpoint.save({ folder, state: stateOf(2), config: { size: 5 } })
      const files = yield* namesIn(path)
      yield* forAll(
        fc.record({
          file: fc.constantFrom(...files),
          position: fc.nat(10_000),
          bits: fc.integer({ min: 1, max: 255 })
        }),
        Effect.fnUntraced(function*({ bits, file, position }) {
          const whole = yield* bytesIn(path, file)
          const flipped = Uint8Array.from(whole)
          flipped[position % flipped.length]! ^= bits
          yield* Effect.addFinalizer(() => Effect.orDie(fs.writeFile(join(path, file), whole)))
          yield* fs.writeFile(join(path, file), flipped)
          yield* assertRefused(path, file)
        }),
        { numRuns: 100 }
      )
      assert.strictEqual((yield* Checkpoint.load(path)).state.step, 2)
    }))

  it.effect("is refused by name when any of its files is cut off, longer, or missing", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { join } = yield* Path.Path
      const folder = yield* temporaryFolder
      yield* Checkpoint.save({ folder, state: stateOf(1) })
      const path = yield* Checkpoint.save({ folder, state: stateOf(2) })
      const files = yield* namesIn(path)
      yield* forAll(
        fc.record({ file: fc.constantFrom(...files), length: fc.nat(10_000) }),
        Effect.fnUntraced(function*({ file, length }) {
          const whole = yield* bytesIn(path, file)
          yield* Effect.addFinalizer(() => Effect.orDie(fs.writeFile(join(path, file), whole)))
          yield* fs.writeFile(join(path, file), whole.subarray(0, length % whole.length))
          yield* assertRefused(path, file)
          yield* fs.writeFile(join(path, file), Uint8Array.of(...whole, 0))
          yield* assertRefused(path, file)
          yield* fs.remove(join(path, file))
          yield* assertRefused(path, file)
        }),
        { numRuns: 50 }
      )
    }))

  it.effect("says what is wrong with a damaged one", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { join } = yield* Path.Path
      const folder = yield* temporaryFolder
      const path = yield* Checkpoint.save({ folder, state: stateOf(2) })
      yield* fs.truncate(join(path, "average.safetensors"), 10)
      const error = yield* Effect.flip(Checkpoint.load(path))
      const bytes = Safetensors.encode(stateOf(2).average!, { format: "pt" }).length
      assert.strictEqual(
        error.message,
        `the checkpoint "${path}" is damaged: average.safetensors has 10 bytes, not ${bytes}; use another one, and ` +
          "remove this one"
      )
      yield* fs.remove(join(path, "average.safetensors"))
      assert.include((yield* Effect.flip(Checkpoint.load(path))).message, "average.safetensors is missing")
    }))

  it.effect("of a later format is refused, and not taken for a broken one", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { join } = yield* Path.Path
      const folder = yield* temporaryFolder
      const path = yield* Checkpoint.save({ folder, state: stateOf(2) })
      const manifest = new TextEncoder().encode(
        "{\"format\":\"effusion checkpoint\",\"version\":7,\"tensors\":\"elsewhere\"}"
      )
      yield* fs.writeFile(join(path, "manifest.json"), manifest)
      const digest = yield* Effect.promise(() => crypto.subtle.digest("SHA-256", manifest))
      yield* fs.writeFileString(
        join(path, "manifest.json.sha256"),
        `${Buffer.from(digest).toString("hex")}  manifest.json\n`
      )
      const error = yield* Effect.flip(Checkpoint.load(path))
      assert.include(error.message, "manifest.json is of format version 7, and this program reads version 1")
    }))

  it.effect("that is not there is not found; a folder that is not there has none", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const missing = `${folder}/nowhere`
      const error = yield* Effect.flip(Checkpoint.load(missing))
      assert.strictEqual(error._tag, "CheckpointNotFound")
      assert.include(error.message, missing)
      assert.deepStrictEqual(yield* Checkpoint.latest(missing), { checkpoint: undefined, damaged: [] })
      assert.deepStrictEqual(yield* Checkpoint.latest(folder), { checkpoint: undefined, damaged: [] })
      assert.deepStrictEqual(yield* Checkpoint.latestWeights(folder), { weights: undefined, damaged: [] })
      assert.deepStrictEqual(yield* Effect.flip(Checkpoint.loadWeights(missing)), error)
    }))

  it.effect("latest passes over damaged ones, reports each by name, and leaves them alone", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const { join } = yield* Path.Path
      const folder = yield* temporaryFolder
      for (const step of [1, 2, 3, 4]) yield* Checkpoint.save({ folder, state: stateOf(step) })
      yield* fs.remove(join(folder, "step-00000004", "manifest.json"))
      yield* fs.truncate(join(folder, "step-00000003", "parameters.safetensors"), 0)
      yield* fs.writeFileString(join(folder, "notes.txt"), "not a checkpoint")
      const { checkpoint, damaged } = yield* Checkpoint.latest(folder)
      assert.strictEqual(checkpoint?.state.step, 2)
      assert.deepStrictEqual(damaged.map(({ file, path }) => [path, file]), [
        [join(folder, "step-00000004"), "manifest.json"],
        [join(folder, "step-00000003"), "parameters.safetensors"]
      ])
      assert.strictEqual((yield* namesIn(folder)).length, 5)
    }))

  it.effect("of a run with another configuration is refused, and everything that differs is listed", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const config = { preset: "digits", model: { channels: [32, 64], attention: true }, seed: 7 }
      const path = yield* Checkpoint.save({ folder, state: stateOf(1), config })
      const checkpoint = yield* Checkpoint.load(path)
      yield* Checkpoint.requireConfig(checkpoint, { ...config, comment: undefined })
      const other = { preset: "digits", model: { channels: [32, 96, 96] }, seed: 8, dropout: 0.1 }
      const error = yield* Effect.flip(Checkpoint.requireConfig(checkpoint, other))
      assert.deepStrictEqual(error.differences, [
        { path: "model.channels.1", was: 64, is: 96 },
        { path: "model.channels.2", was: undefined, is: 96 },
        { path: "model.attention", was: true, is: undefined },
        { path: "seed", was: 7, is: 8 },
        { path: "dropout", was: undefined, is: 0.1 }
      ])
      assert.include(error.message, "model.channels.1 was 64 and is 96; model.channels.2 was absent and is 96")
    }))

  it.effect("configurations differ exactly when they are not the same JSON", () =>
    forAll(
      fc.record({ a: configs, b: configs }),
      Effect.fnUntraced(function*({ a, b }) {
        const checkpoint = { path: "", state: stateOf(0), config: a }
        yield* Checkpoint.requireConfig(checkpoint, structuredClone(a))
        const differs = Result.isFailure(yield* Effect.result(Checkpoint.requireConfig(checkpoint, b)))
        assert.strictEqual(differs, !isDeepStrictEqual(a, b))
      })
    ))

  it.effect("refuses to keep none", () =>
    Effect.sync(() => {
      for (const keep of [0, -1, 1.5, Number.NaN]) {
        assert.throws(() => Checkpoint.policy({ folder: "", every: 1, keep }), RangeError)
        assert.throws(() => Checkpoint.policy({ folder: "", every: 1, pinned: [3, keep] }), RangeError)
      }
    }))
})

/** Loading fails and names the file (that of a checksum is the manifest's); `latest` falls back to the one before. */
const assertRefused = Effect.fnUntraced(function*(path: string, file: string) {
  for (const load of [Checkpoint.load, Checkpoint.loadWeights]) {
    const error = yield* Effect.flip(load(path) as Effect.Effect<unknown, unknown, FileSystem.FileSystem | Path.Path>)
    assert(error instanceof CheckpointDamaged)
    assert.strictEqual(error.path, path)
    assert.include([file, file.replace(".sha256", "")], error.file)
  }
  const { dirname } = yield* Path.Path
  const { checkpoint, damaged } = yield* Checkpoint.latest(dirname(path))
  assert.strictEqual(checkpoint?.state.step, 1)
  assert.strictEqual(damaged.length, 1)
  const latest = yield* Checkpoint.latestWeights(dirname(path))
  assert.strictEqual(latest.weights?.step, 1)
  assert.deepStrictEqual(latest.damaged, damaged)
})
