/**
 * The examples of everything that users can import compile, as a user would write them.
 */
import { assert, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { type Example, examples, programOf } from "./examples.ts"

const root = resolve(import.meta.dirname, "../..")

const context = [
  ...readFileSync(join(import.meta.dirname, "exampleNames.ts"), "utf8").matchAll(/^export declare const (\w+)/gm)
].map(([, name]) => name!)

const project = {
  extends: "../../../tsconfig.base.json",
  compilerOptions: {
    rootDir: "../../..",
    noEmit: true,
    composite: false,
    incremental: false,
    declaration: false,
    declarationMap: false,
    rewriteRelativeImportExtensions: false,
    allowImportingTsExtensions: true,
    // An example shows a name, and leaves what becomes of it to the reader.
    noUnusedLocals: false,
    noUnusedParameters: false,
    noImplicitReturns: false,
    plugins: [{ name: "@effect/language-service", diagnostics: false }]
  },
  include: ["*.ts"]
}

/** What the compiler says of examples: a line for each mistake, with the place of the example. */
const mistakesOf = (examples: ReadonlyArray<Example>): ReadonlyArray<string> => {
  // Beside the tests, so that the packages are found as a project of the user's would find them.
  const folder = mkdtempSync(join(import.meta.dirname, ".examples-"))
  try {
    examples.forEach((example, i) => writeFileSync(join(folder, `${i}.ts`), programOf(example, context)))
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(project))
    const tsc = join(root, "node_modules", ".bin", "tsc")
    const { stdout } = spawnSync(tsc, ["--project", folder, "--pretty", "false"], { cwd: folder, encoding: "utf8" })
    return stdout.split("\n").filter((line) => line.includes(": error ")).map((line) => {
      const [, number, mistake] = /^(\d+)\.ts\(\d+,\d+\): error (.*)$/.exec(line) ?? []
      const example = number === undefined ? undefined : examples[Number(number)]
      return example === undefined ? line : `${example.file}:${example.line} ${mistake}`
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

it("compile, all of them", () => {
  // Fewer would mean that they are not found.
  assert.isAtLeast(examples.length, 250)
  assert.deepStrictEqual(mistakesOf(examples), [])
})

it("do not, where one is wrong", () => {
  const codes = [
    "Timesteps.linspaced({ steps: 10, count: 5 })",
    // A name that is not exported so, a field that is not there, a value that may be absent, another type.
    "linspaced({ steps: 10, count: 5 })",
    "yield* Effect.succeed(checkpoint.step)",
    "Training.evaluate({ pipeline, data: test, parameters: state.average, seed: 7 })",
    "const schedule: Schedule = NoiseSchedule.linear({ steps: 10 })"
  ]
  const mistakes = mistakesOf(
    codes.map((code, i) => ({ file: "a.ts", line: i, entry: "@effusion/core/schedule", code }))
  )
  assert.deepStrictEqual(mistakes.map((mistake) => mistake.split(" ")[0]).toSorted(), [
    "a.ts:1",
    "a.ts:2",
    "a.ts:3",
    "a.ts:4"
  ])
})
