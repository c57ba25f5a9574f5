/**
 * Draws the figures of the documentation anew: `npm run figures`.
 */
import { writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { type FigureValues, figureValues, objectiveFigures } from "./objectiveFigures.ts"
import { runPage } from "./program.ts"

const images = resolve(import.meta.dirname, "../../docs/images")
const { values } = runPage("docs/objective.md", figureValues)
for (const [file, svg] of Object.entries(objectiveFigures(values as FigureValues))) {
  writeFileSync(join(images, file), svg)
}
