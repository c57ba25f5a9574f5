/**
 * Line charts for the documentation.
 */
import { itemGap, render } from "../../packages/cli/src/picture/plots.ts"

interface Axis {
  readonly name: string
  readonly scale: "value" | "log"
  readonly min: number
  readonly max: number
}

interface FigureOptions {
  readonly title: string
  readonly x: Axis
  readonly y: Axis
  readonly lines: ReadonlyArray<{
    /** Empty for one without an entry in the legend. */
    readonly name: string
    readonly color: string
    readonly dashed?: boolean
    readonly points: ReadonlyArray<readonly [number, number]>
  }>
  /** Single points, marked. */
  readonly marks?: ReadonlyArray<readonly [number, number]>
  readonly width?: number
  readonly height?: number
}

/** The SVG of a chart. */
export const figure = ({ height = 420, lines, marks = [], title, width = 760, x, y }: FigureOptions): string =>
  render({ width, height }, {
    title: { text: title, left: "center", textStyle: { fontSize: 15 } },
    legend: {
      bottom: 0,
      itemGap,
      data: lines.flatMap(({ name }) => name === "" ? [] : [name]),
      icon: "rect",
      itemHeight: 3
    },
    grid: { left: 70, right: 30, top: 50, bottom: 75 },
    xAxis: axisOf(x, 28),
    yAxis: axisOf(y, 50),
    series: [
      ...lines.map(({ color, dashed = false, name, points }) => ({
        type: "line",
        name,
        data: points,
        color,
        showSymbol: false,
        lineStyle: { width: 2, type: dashed ? "dashed" : "solid" }
      })),
      ...(marks.length === 0 ? [] : [{ type: "scatter", data: marks, color: "#2457a6", symbolSize: 6 }])
    ]
  })

const axisOf = ({ max, min, name, scale }: Axis, nameGap: number) => ({
  type: scale,
  name,
  nameLocation: "middle",
  nameGap,
  min,
  max,
  axisLine: { onZero: false },
  axisLabel: {
    formatter: (value: number) =>
      value !== 0 && (value >= 1e4 || Math.abs(value) < 0.01) ? value.toExponential(0) : shown(value)
  },
  splitNumber: 8
})

const shown = (value: number): string => String(Number(value.toPrecision(3)))
