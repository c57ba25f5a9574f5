import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import type { Path, Scope } from "effect"
import { encodeRunConfig } from "../../packages/cli/src/configuration/config.ts"
import { presets } from "../../packages/cli/src/configuration/presets.ts"
import { writeWhole } from "../../packages/cli/src/files.ts"
import * as RunFolder from "../../packages/cli/src/run/RunFolder.ts"

const config = presets["digits"]!

/** Runs a test with a folder of its own, which is gone afterwards. */
const inFolder = <A, E>(
  use: (folder: string) => Effect.Effect<A, E, FileSystem.FileSystem | Path.Path | Scope.Scope>
) =>
  FileSystem.FileSystem.use((fs) => Effect.flatMap(fs.makeTempDirectoryScoped(), use)).pipe(
    Effect.scoped,
    Effect.provide(NodeServices.layer)
  )

/** Makes a folder, and trains nothing there. */
const create = (options: RunFolder.CreateOptions) => Effect.scoped(RunFolder.create(options))

describe("making a run's folder", () => {
  it.effect("writes the configuration, which opening it reads", () =>
    inFolder((root) =>
      Effect.gen(function*() {
        const made = yield* create({ out: `${root}/a/b`, overwrite: false, config })
        assert.strictEqual(made.path, `${root}/a/b`)
        const opened = yield* RunFolder.open(made.path)
        assert.deepStrictEqual(encodeRunConfig(opened.config), encodeRunConfig(config))
        assert.strictEqual(opened.folder.metrics, `${root}/a/b/metrics.jsonl`)
        assert.strictEqual(opened.folder.preview(7, 1000, ".png"), `${root}/a/b/previews/step-0007.png`)
      })
    ))

  it.effect("takes an empty folder that is there", () =>
    inFolder((root) =>
      Effect.gen(function*() {
        yield* create({ out: root, overwrite: false, config })
        assert.strictEqual((yield* RunFolder.open(root)).config.preset, "digits")
      })
    ))

  it.effect("never touches a folder with a run in it, unless it is told to", () =>
    inFolder((root) =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const folder = yield* create({ out: root, overwrite: false, config })
        yield* fs.writeFileString(folder.metrics, "precious")
        yield* fs.writeFileString(`${root}/notes.txt`, "mine")
        const error = yield* Effect.flip(
          create({ out: root, overwrite: false, config: { ...config, steps: 5 } })
        )
        assert.strictEqual(error._tag, "FolderInUse")
        assert.include(error.message, `"${root}" already holds a run`)
        assert.include(error.message, `--resume ${root}`)
        assert.include(error.message, "--overwrite")
        assert.strictEqual(yield* fs.readFileString(folder.metrics), "precious")
        assert.strictEqual((yield* RunFolder.open(root)).config.steps, config.steps)

        yield* create({ out: root, overwrite: true, config: { ...config, steps: 5 } })
        assert.isFalse(yield* fs.exists(folder.metrics))
        assert.strictEqual((yield* RunFolder.open(root)).config.steps, 5)
        assert.strictEqual(yield* fs.readFileString(`${root}/notes.txt`), "mine")
      })
    ))

  it.effect("never touches a folder with anything else in it, even if it is told to overwrite", () =>
    inFolder((root) =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        yield* fs.writeFileString(`${root}/thesis.tex`, "mine")
        for (const overwrite of [false, true]) {
          const error = yield* Effect.flip(create({ out: root, overwrite, config }))
          assert.strictEqual(error._tag, "FolderInUse")
          assert.include(error.message, "what it holds is no run")
        }
        assert.deepStrictEqual(yield* fs.readDirectory(root), ["thesis.tex"])
      })
    ))

  it.effect("says that a path cannot be a folder", () =>
    inFolder((root) =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        yield* fs.writeFileString(`${root}/file`, "")
        const under = yield* Effect.flip(create({ out: `${root}/file/run`, overwrite: false, config }))
        assert.strictEqual(
          under.message,
          `cannot make the folder "${root}/file/run": a part of its path is a file, not a folder; choose another place`
        )
        const itself = yield* Effect.flip(create({ out: `${root}/file`, overwrite: false, config }))
        assert.match(itself.message, /cannot make the folder .*: something of that name exists; choose another name/)
      })
    ))
})

describe("opening a run's folder", () => {
  it.effect("says that there is none, or that it holds no run", () =>
    inFolder((root) =>
      Effect.gen(function*() {
        const missing = yield* Effect.flip(RunFolder.open(`${root}/nowhere`))
        assert.match(missing.message, /nowhere" holds no run: there is no such folder; give the folder of a run/)
        const empty = yield* Effect.flip(RunFolder.open(root))
        assert.match(empty.message, /holds no run: it has no config.json/)
      })
    ))

  it.effect("says what is wrong with a configuration that was damaged", () =>
    inFolder((root) =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const folder = yield* create({ out: root, overwrite: false, config })
        const text = yield* fs.readFileString(folder.config)
        yield* fs.writeFileString(folder.config, text.slice(0, 100))
        assert.match((yield* Effect.flip(RunFolder.open(root))).message, /config.json is not valid: it is not JSON/)
        yield* fs.writeFileString(folder.config, text.replace(`  "steps": ${config.steps},\n`, ""))
        assert.match((yield* Effect.flip(RunFolder.open(root))).message, /config.json is not valid: .*steps: missing/)
      })
    ))
})

describe("writing a file whole", () => {
  it.effect("makes the folders above it, replaces what was there, and leaves nothing beside it", () =>
    inFolder((root) =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const file = `${root}/a/b/c.txt`
        yield* writeWhole(file, "one, which is longer")
        yield* writeWhole(file, Uint8Array.of(116, 119, 111))
        assert.strictEqual(yield* fs.readFileString(file), "two")
        assert.deepStrictEqual(yield* fs.readDirectory(`${root}/a/b`), ["c.txt"])
      })
    ))

  it.effect("leaves what was there when it fails, and nothing beside it", () =>
    inFolder((root) =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        // A folder cannot be replaced by a file, which shows only when the file is moved into its place.
        yield* fs.makeDirectory(`${root}/taken/inside`, { recursive: true })
        const error = yield* Effect.flip(writeWhole(`${root}/taken`, "text"))
        assert.strictEqual(error.message, `cannot write "${root}/taken": it is a folder; give the path of a file`)
        assert.deepStrictEqual(yield* fs.readDirectory(root), ["taken"])
      })
    ))
})
