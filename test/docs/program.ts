/**
 * Pages of the documentation as programs: all their code blocks, one after the other, run as they stand.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "../..")

/** What a page's program did. */
export interface PageRun {
  /** The lines that it printed. */
  readonly printed: ReadonlyArray<string>
  /** The lines that the page says it prints: what stands after `// =>`, up to a comma and a word about it. */
  readonly promised: ReadonlyArray<string>
  /** The values of the names that were asked for, as JSON keeps them. */
  readonly values: unknown
}

/**
 * Runs the TypeScript blocks of a page as one program, in a process of its own.
 *
 * @param path from the root of the repository
 * @param names top-level constants of the program to bring back
 * @throws Error when the program fails
 */
export const runPage = (path: string, names: ReadonlyArray<string>): PageRun => {
  const code = [...readFileSync(join(root, path), "utf8").matchAll(/```ts\n(.*?)```/gs)].map(([, block]) => block!)
    .join("\n")
  // Beside the tests, so that the packages are found as a project of the user's would find them.
  const folder = mkdtempSync(join(root, "test", ".page-"))
  try {
    const file = join(folder, "page.ts")
    const result = join(folder, "values.json")
    const collect = `;(await import("node:fs")).writeFileSync(${JSON.stringify(result)}, JSON.stringify({ ${
      names.join(", ")
    } }))\n`
    writeFileSync(file, `${code}\n${collect}`)
    const { status, stderr, stdout } = spawnSync(process.execPath, [file], { encoding: "utf8" })
    if (status !== 0) throw new Error(`the code of ${path} fails:\n${stderr}`)
    return {
      printed: stdout.trimEnd().split("\n"),
      promised: [...code.matchAll(/\/\/ => (.*?)(?:, [a-zA-Z].*)?$/gm)].map(([, line]) => line!),
      values: JSON.parse(readFileSync(result, "utf8"))
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
