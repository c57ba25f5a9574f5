/**
 * Flame graphs: where time went, each box as wide as its share, what it called on top of it.
 */
import { CustomChart } from "echarts/charts"
import { GridComponent, TitleComponent } from "echarts/components"
import { use } from "echarts/core"
import type { CustomSeriesRenderItem } from "echarts/types/dist/shared"
import { render } from "./plots.ts"

use([CustomChart, GridComponent, TitleComponent])

/** A box of a flame graph, and what stands on it. */
export interface Flame {
  readonly name: string
  readonly value: number
  /** An HSL hue, 0 to 360; grey where there is none. */
  readonly hue?: number | undefined
  /** Their values add up to no more than this one's. */
  readonly children: ReadonlyArray<Flame>
}

const width = 1200
const rowHeight = 18

/** A box that is narrower, in pixels, is not drawn. */
const narrowest = 0.5

/**
 * A flame graph as SVG, the root at the bottom. Boxes of less than half a pixel are left out; names are cut to their boxes.
 *
 * @example
 * const svg = flameGraph("a training step", { name: "step", value: 230, children: [{ name: "forward", value: 80, children: [] }] })
 */
export const flameGraph = (title: string, root: Flame): string => {
  const boxes = boxesOf(root, 0, 0, root.value / width * narrowest)
  const depth = Math.max(...boxes.map(({ depth }) => depth)) + 1
  return render({ width, height: 60 + depth * rowHeight }, {
    title: { text: title, left: "center", textStyle: { fontSize: 14 } },
    grid: { left: 10, right: 10, top: 40, bottom: 10 },
    xAxis: { type: "value", min: 0, max: root.value, show: false },
    yAxis: { type: "value", min: 0, max: depth, show: false },
    series: [{
      type: "custom",
      silent: true,
      renderItem: renderBox(boxes),
      data: boxes.map(({ begin, depth }) => [begin, depth])
    }]
  })
}

interface Box {
  readonly name: string
  readonly color: string
  readonly begin: number
  readonly end: number
  readonly depth: number
}

const boxesOf = (flame: Flame, begin: number, depth: number, least: number): ReadonlyArray<Box> => {
  if (flame.value < least) return []
  let next = begin
  return [
    { name: flame.name, color: colorOf(flame), begin, end: begin + flame.value, depth },
    ...flame.children.flatMap((child) => {
      const boxes = boxesOf(child, next, depth + 1, least)
      next += child.value
      return boxes
    })
  ]
}

/** Neighbours of the same hue are told apart by their lightness, which their names decide. */
const colorOf = ({ hue, name }: Flame): string => {
  if (hue === undefined) return "hsl(0, 0%, 85%)"
  const digest = Array.from(name).reduce((sum, character) => (31 * sum + character.charCodeAt(0)) % 997, 0)
  return `hsl(${hue}, 70%, ${72 + digest % 14}%)`
}

const renderBox = (boxes: ReadonlyArray<Box>): CustomSeriesRenderItem => (params, api) => {
  const { begin, color, depth, end, name } = boxes[params.dataIndex]!
  const [x, y] = api.coord([begin, depth + 1]) as [number, number]
  const [right] = api.coord([end, depth]) as [number, number]
  const room = right - x - 6
  return {
    type: "rect",
    shape: { x, y, width: right - x, height: rowHeight },
    style: { fill: color, stroke: "#ffffff", lineWidth: 0.5 },
    ...(room < 20 ? {} : {
      textContent: {
        type: "text",
        style: { text: name, fill: "#1c1917", fontSize: 11, width: room, overflow: "truncate", ellipsis: "…" }
      },
      textConfig: { position: "insideLeft", distance: 3 }
    })
  }
}
