import { assert, describe, it } from "@effect/vitest"
import { float32 } from "@effusion/core/tensor"
import { lossPlot, scatterPlot, scatterStrip } from "../../packages/cli/src/picture/plots.ts"

const curve = (length: number, loss: (step: number) => number) =>
  Array.from({ length }, (_, i) => ({ step: i + 1, loss: loss(i + 1) }))

/** Where the numbers of a path of an SVG file lead: the ends of its segments. */
const placesOf = (path: string): ReadonlyArray<readonly [number, number]> =>
  [...path.matchAll(/[ML ]?(-?[\d.]+) (-?[\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)])

/** The paths with this stroke. */
const strokes = (svg: string, color: string): ReadonlyArray<string> =>
  [...svg.matchAll(/<path [^>]*>/g)].map(([path]) => path)
    .filter((path) => path.includes(`stroke="${color}"`))
    .map((path) => /d="([^"]*)"/.exec(path)![1]!)

describe("a loss plot", () => {
  it("is an SVG file with the title and the names of what it shows", () => {
    const svg = lossPlot({
      title: "digits-1",
      training: curve(10, (step) => 1 / step),
      smoothed: curve(10, (step) => 1 / step),
      heldOut: [{ step: 10, loss: 0.2 }]
    })
    assert.match(svg, /^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/)
    for (const text of ["digits-1", "each batch", "smoothed", "held-out data", "step"]) assert.include(svg, `>${text}<`)
  })

  it("falls on a logarithmic axis as the losses fall", () => {
    const svg = lossPlot({ title: "", training: [], smoothed: curve(5, (step) => 10 ** -step), heldOut: [] })
    const line = strokes(svg, "#2457a6").map(placesOf).find((places) => places.length === 5)!
    const [first, ...rest] = line.map(([, y]) => y)
    const drops = rest.map((y, i) => y - [first!, ...rest][i]!)
    // Equal ratios are equal distances, and SVG's y axis points down.
    for (const drop of drops) assert.closeTo(drop, drops[0]!, 0.1)
    assert.isAbove(drops[0]!, 10)
  })

  it("has values on its axis to read losses by, wherever they are", () => {
    for (
      const [from, to, marks] of [[1, 0.2, [0.2, 0.5, 1]], [0.43, 0.27, [0.3, 0.35, 0.4]], [90, 0.02, [
        0.1,
        1,
        10
      ]]] as const
    ) {
      const smoothed = curve(50, (step) => from + (to - from) * (step - 1) / 49)
      const svg = lossPlot({ title: "", training: smoothed, smoothed, heldOut: [] })
      for (const mark of marks) assert.include(svg, `>${mark}<`)
    }
  })

  it("falls on a straight axis where losses are negative", () => {
    const svg = lossPlot({ title: "", training: [], smoothed: curve(5, (step) => 2 - step), heldOut: [] })
    const line = strokes(svg, "#2457a6").map(placesOf).find((places) => places.length === 5)!
    const drops = line.slice(1).map(([, y], i) => y - line[i]![1])
    for (const drop of drops) assert.closeTo(drop, drops[0]!, 0.1)
    assert.isAbove(drops[0]!, 10)
  })

  it("thins out long curves, but keeps their ends", () => {
    const svg = lossPlot({ title: "", training: [], smoothed: curve(5000, (step) => 1 / step), heldOut: [] })
    const line = strokes(svg, "#2457a6").map(placesOf).reduce((a, b) => a.length > b.length ? a : b)
    assert.isAtMost(line.length, 800)
    assert.isAbove(line.length, 700)
    assert.closeTo(line.at(-1)![0], 770, 0.5)
  })

  it("leaves out losses that have no logarithm", () => {
    const losses = [1, Number.NaN, 0, Infinity, -1, 0.5]
    const svg = lossPlot({
      title: "",
      training: [],
      smoothed: losses.map((loss, i) => ({ step: i + 1, loss })),
      heldOut: []
    })
    assert.notInclude(svg, "NaN")
    assert.notInclude(svg, "Infinity")
  })
})

describe("a strip of scatter plots", () => {
  const points = float32([3, 2], [0, 0, 3, 3, -3, -3])
  const strip = (count: number) =>
    scatterStrip({ title: "", frames: Array.from({ length: count }, (_, i) => ({ name: `step ${i + 1}`, points })) })

  it("names every plot, has all points in it, and goes on in another row", () => {
    for (const [count, columns, rows] of [[1, 1, 1], [6, 6, 1], [7, 4, 2], [12, 6, 2]] as const) {
      const svg = strip(count)
      const names = [...svg.matchAll(/<text [^>]*transform="translate\(([\d.]+) ([\d.]+)\)"[^>]*>step \d+<\/text>/g)]
      assert.strictEqual(names.length, count)
      assert.strictEqual(new Set(names.map(([, x]) => x)).size, columns)
      assert.strictEqual(new Set(names.map(([, , y]) => y)).size, rows)
      assert.strictEqual([...svg.matchAll(/fill="#2457a6"/g)].length, 3 * count)
      const [, width, height] = /^<svg width="(\d+)" height="(\d+)"/.exec(svg)!.map(Number)
      for (
        const [, x, y] of svg.matchAll(/<path [^>]*matrix\([\d.]+,0,0,[\d.]+,([\d.]+),([\d.]+)\)[^>]*fill="#2457a6"/g)
      ) {
        assert.isTrue(Number(x) < width! && Number(y) < height!)
      }
    }
  })

  it("has larger marks where points are few", () => {
    const sizes = [3, 300, 30_000].map((count) => {
      const svg = scatterStrip({
        title: "",
        frames: [{ name: "", points: float32([count, 2], Array.from({ length: 2 * count }, () => 0)) }]
      })
      return Number(/matrix\(([\d.]+),0,0/.exec(svg)![1])
    })
    const expected = [3.5, 45 / Math.sqrt(300), 1.25]
    for (const [i, size] of sizes.entries()) assert.closeTo(size, expected[i]!, 0.001)
  })
})

describe("a scatter plot", () => {
  it("has a mark for each sample, where it belongs", () => {
    const svg = scatterPlot({ title: "four", samples: float32([4, 2], [0, 0, 1, 0, 0, 1, -1, -1]) })
    const marks = [...svg.matchAll(/<path [^>]*transform="matrix\(2,0,0,2,([\d.]+),([\d.]+)\)"[^>]*fill="#2457a6"/g)]
      .map(([, x, y]) => [Number(x), Number(y)])
    // The square from -1.25 to 1.25 begins at (50, 50) and is 640 pixels wide.
    const place = (x: number, y: number) => [50 + 640 * (x + 1.25) / 2.5, 50 + 640 * (1.25 - y) / 2.5]
    const expected = [place(0, 0), place(1, 0), place(0, 1), place(-1, -1)]
    assert.strictEqual(marks.length, 4)
    marks.forEach(([x, y], i) => {
      assert.closeTo(x!, expected[i]![0]!, 0.5)
      assert.closeTo(y!, expected[i]![1]!, 0.5)
    })
  })

  it("takes no other shapes", () => {
    assert.throws(() => scatterPlot({ title: "", samples: float32([4], [0, 0, 0, 0]) }), RangeError)
    assert.throws(() => scatterPlot({ title: "", samples: float32([1, 3], [0, 0, 0]) }), RangeError)
  })
})
