/**
 * Draws the figures of the documentation anew: `npm run figures`.
 */
import { spawnSync } from "node:child_process"
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { type FigureValues, figureValues, objectiveFigures } from "./objectiveFigures.ts"
import { runPage } from "./program.ts"

const images = resolve(import.meta.dirname, "../../docs/images")
const { values } = runPage("docs/objective.md", figureValues)
for (const [file, svg] of Object.entries(objectiveFigures(values as FigureValues))) {
  writeFileSync(join(images, file), svg)
}

// A profile is a measurement, so it is another one each time.
const main = resolve(import.meta.dirname, "../../packages/cli/src/main.ts")
const folder = mkdtempSync(join(tmpdir(), "effusion-figures-"))
const { status, stderr } = spawnSync(process.execPath, [main, "train", "--profile", "--out", folder], {
  encoding: "utf8"
})
if (status === 0) copyFileSync(join(folder, "profile.svg"), join(images, "profile.svg"))
rmSync(folder, { recursive: true, force: true })
if (status !== 0) throw new Error(stderr)
