/**
 * The variational bound, timestep by timestep, as an SVG file.
 */
import type { BoundReport } from "../report/boundReport.ts"
import { rowsOf, unitOf } from "../report/boundReport.ts"
import { logAxis } from "./logAxis.ts"
import { render } from "./plots.ts"

/**
 * Three plots over the timesteps from 1 on, all axes logarithmic: what a timestep adds to the bound, the error of the
 * noise, and the weight of that error in the bound and in the plain loss. What a logarithmic axis cannot show (zero) is
 * left out; a stratum of timesteps is a step of the line.
 *
 * @example
 * yield* writeWhole("bound.svg", boundPlot("digits-1", report))
 */
export const boundPlot = (title: string, report: BoundReport): string => {
  const rows = rowsOf(report).filter(({ from }) => from > 0)
  const line = (of: (row: typeof rows[number]) => number | null) =>
    rows.flatMap((row) => {
      const value = of(row)
      const isVisible = value !== null && Number.isFinite(value) && value > 0
      return isVisible ? [...new Set([row.from, row.to])].map((t) => [t, value] as const) : []
    })
  const panels: ReadonlyArray<Panel> = [
    {
      name: `term of the bound (${unitOf(report)})`,
      lines: [{ name: "term", data: line(({ term }) => term), color: blue }]
    },
    {
      name: "squared error of the noise",
      lines: [{ name: "error of the noise", data: line(({ noiseError }) => noiseError), color: orange }]
    },
    {
      name: "weight of that error",
      lines: [
        { name: "in the bound", data: line(({ boundWeight }) => boundWeight), color: blue },
        { name: "in the plain loss", data: line(({ lossWeight }) => lossWeight), color: grey }
      ]
    }
  ]
  return stack(title, panels, { max: report.evaluation.steps - 1 })
}

const blue = "#2457a6"
const orange = "#c2410c"
const grey = "#78716c"

interface Panel {
  readonly name: string
  readonly lines: ReadonlyArray<{
    readonly name: string
    readonly data: ReadonlyArray<readonly [number, number]>
    readonly color: string
  }>
}

const panelHeight = 190

const panelGap = 50

/** Panels one below the other, over one axis of timesteps. */
const stack = (title: string, panels: ReadonlyArray<Panel>, { max }: { readonly max: number }): string => {
  const top = (index: number) => 70 + index * (panelHeight + panelGap)
  return render({ width: 800, height: top(panels.length) + 20 }, {
    title: { text: title, left: "center" },
    grid: panels.map((_, index) => ({ left: 80, right: 110, top: top(index), height: panelHeight })),
    xAxis: panels.map((_, index) => ({
      type: "log",
      gridIndex: index,
      min: 1,
      max: Math.max(max, 2),
      ...(index === panels.length - 1 ? { name: "timestep t", nameLocation: "middle", nameGap: 28 } : {}),
      minorTick: { show: true, splitNumber: 10 }
    })),
    yAxis: panels.map(({ name, lines }, index) => ({
      ...logAxis(lines.flatMap(({ data }) => data.map(([, value]) => value)), { ends: "decades", format: powerOfTen }),
      gridIndex: index,
      name,
      nameTextStyle: { align: "left" }
    })),
    series: panels.flatMap(({ lines }, index) =>
      lines.map(({ color, data, name }) => ({
        type: "line",
        name,
        xAxisIndex: index,
        yAxisIndex: index,
        data,
        color,
        showSymbol: false,
        lineStyle: { width: 2 },
        ...(lines.length > 1 ? { endLabel: { show: true, formatter: name, color } } : {})
      }))
    )
  })
}

const powerOfTen = (value: number): string =>
  value >= 1e4 || value < 1e-3 ? value.toExponential(0) : String(Number(value.toPrecision(3)))
