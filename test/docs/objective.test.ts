/**
 * docs/objective.md does what it says: its code runs, prints what stands there, and its figures are drawn from it.
 */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { type FigureValues, figureValues, objectiveFigures } from "./objectiveFigures.ts"
import { runPage } from "./program.ts"

const docs = resolve(import.meta.dirname, "../../docs")
const page = readFileSync(join(docs, "objective.md"), "utf8")

describe("docs/objective.md", () => {
  const { printed, promised, values } = runPage("docs/objective.md", figureValues)

  it("prints what it says it prints", () => {
    assert.deepStrictEqual(printed, promised)
    assert.isAbove(printed.length, 10)
  })

  it("shows figures of the values that its code computes", () => {
    const figures = objectiveFigures(values as FigureValues)
    const shown = [...page.matchAll(/\(images\/(objective-[^)]*\.svg)\)/g)].map(([, file]) => file!)
    assert.deepStrictEqual([...shown].sort(), Object.keys(figures).sort())
    for (const [file, svg] of Object.entries(figures)) {
      assert.isTrue(
        readFileSync(join(docs, "images", file), "utf8") === svg,
        `docs/images/${file} is not what the page computes; draw it anew: npm run figures`
      )
    }
  })

  it("refers to sections that it has", () => {
    const anchors = [...page.matchAll(/^## (.*)$/gm)].map(([, title]) =>
      title!.toLowerCase().replaceAll(/[^\w\- ]/g, "").replaceAll(" ", "-")
    )
    for (const [, anchor] of page.matchAll(/\]\(#([^)]*)\)/g)) assert.include(anchors, anchor)
  })
})
