/**
 * Plots as SVG files: the loss of a run, and points in the plane.
 */
import type { HostTensor } from "@effusion/core/tensor"
import { showShape } from "@effusion/core/tensor"
import { LineChart, ScatterChart } from "echarts/charts"
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components"
import { init, use } from "echarts/core"
import type { EChartsCoreOption } from "echarts/core"
import { SVGRenderer } from "echarts/renderers"
import { logAxis } from "./logAxis.ts"

use([LineChart, ScatterChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer])

/** A place of a curve. */
export interface CurvePoint {
  readonly step: number
  readonly loss: number
}

/** What a loss plot shows. */
export interface LossCurves {
  readonly title: string
  /** The loss of each training batch. */
  readonly training: ReadonlyArray<CurvePoint>
  /** The same, smoothed. */
  readonly smoothed: ReadonlyArray<CurvePoint>
  /** The loss on held-out data. */
  readonly heldOut: ReadonlyArray<CurvePoint>
}

/** Between the entries of a legend: names are wider than the library thinks where it has no font to measure them with. */
export const itemGap = 40

/** More places than a curve of this width can show. */
const resolution = 800

/**
 * The loss over the steps, on a logarithmic axis; on a linear one where losses are negative, as log-likelihoods are. Curves
 * of more than 800 places are thinned out evenly. Losses that the axis cannot show (not finite, or zero) are left out.
 *
 * @example
 * const svg = lossPlot({ title: "digits-1", training, smoothed, heldOut: [] })
 */
export const lossPlot = ({ heldOut, smoothed, title, training }: LossCurves): string => {
  const axis = [...training, ...smoothed].some(({ loss }) => loss < 0) ? "value" : "log"
  const visible = (points: ReadonlyArray<CurvePoint>) => pairsOf(points, axis)
  const losses = [...training, ...smoothed, ...heldOut].map(({ loss }) => loss)
  const label = { axisLabel: { formatter: shortNumber } }
  return render({ width: 800, height: 450 }, {
    title: { text: title, left: "center" },
    legend: { bottom: 0, itemGap },
    grid: { left: 70, right: 30, top: 50, bottom: 70 },
    xAxis: { type: "value", name: "step", nameLocation: "middle", nameGap: 25, min: 0 },
    yAxis: {
      name: "loss",
      ...(axis === "log"
        ? logAxis(losses, { ends: "values", format: shortNumber })
        : { type: axis, min: "dataMin", max: "dataMax", ...label })
    },
    series: [
      curve("each batch", visible(thin(training)), { color: "#c6d3e8", width: 1 }),
      curve("smoothed", visible(thin(smoothed)), { color: "#2457a6", width: 2 }),
      ...(heldOut.length > 0 ? [marks("held-out data", visible(heldOut), "#c2410c")] : [])
    ]
  })
}

/** What a scatter plot shows. */
export interface ScatterOptions {
  readonly title: string
  /** [count, 2] */
  readonly samples: HostTensor<"float32">
  /** Points of the data to compare with, drawn under the samples: [count, 2]. */
  readonly data?: HostTensor<"float32">
}

/**
 * Points in the plane, as a square plot from -1.25 to 1.25 on both axes: all data lies in [-1, 1]. Points beyond the plot
 * are not drawn.
 *
 * @throws RangeError when the points are not [count, 2].
 * @example
 * const svg = scatterPlot({ title: "2000 samples", samples })
 */
export const scatterPlot = ({ data, samples, title }: ScatterOptions): string => {
  const axis = { type: "value", min: -1.25, max: 1.25, interval: 0.25, axisLine: { onZero: false } } as const
  return render({ width: 720, height: 760 }, {
    title: { text: title, left: "center" },
    legend: { bottom: 0, itemGap },
    grid: { left: 50, top: 50, width: 640, height: 640 },
    xAxis: axis,
    yAxis: axis,
    series: [
      ...(data === undefined ? [] : [cloud("data", pairs(data), "#d6d3d1")]),
      cloud("samples", pairs(samples), "#2457a6")
    ]
  })
}

/** What a strip of scatter plots shows. */
export interface StripOptions {
  readonly title: string
  /** The same points at several times, each [count, 2], and what each of those times is called. */
  readonly frames: ReadonlyArray<{ readonly name: string; readonly points: HostTensor<"float32"> }>
}

/** So many plots of a strip are in a row at most. */
const stripColumns = 6

/** Few points are as visible as many: marks from 2.5 to 7 pixels wide. */
const markSize = (count: number): number => Math.min(7, Math.max(2.5, 90 / Math.sqrt(count)))

/**
 * The same points at several times, as square plots with the names of these times, in rows of at most six. Noise reaches
 * farther than data, so each plot goes from -3 to 3.
 *
 * @throws RangeError when the points are not [count, 2].
 * @example
 * const svg = scatterStrip({ title: "from noise to data", frames: [{ name: "step 10 of 100", points }] })
 */
export const scatterStrip = ({ frames, title }: StripOptions): string => {
  const [side, gap, above, margin] = [220, 24, 20, 40]
  const rows = Math.ceil(frames.length / stripColumns)
  const columns = Math.ceil(frames.length / rows)
  const left = (index: number) => margin + (index % columns) * (side + gap)
  const top = (index: number) => 70 + Math.floor(index / columns) * (side + gap + above)
  const axis = (index: number, isLabelled: boolean) => ({
    type: "value",
    gridIndex: index,
    min: -3,
    max: 3,
    interval: 1,
    axisLine: { onZero: false },
    axisLabel: { show: isLabelled },
    axisTick: { show: isLabelled },
    splitLine: { show: true, lineStyle: { color: "#f0f0f0" } }
  })
  const isLowest = (index: number) => index + columns >= frames.length
  return render({ width: left(columns - 1) + side + 20, height: top(frames.length - 1) + side + 35 }, {
    title: [
      { text: title, left: "center" },
      ...frames.map(({ name }, index) => ({
        text: name,
        left: left(index) + side / 2,
        top: top(index) - above,
        textAlign: "center",
        padding: 0,
        textStyle: { fontSize: 13, fontWeight: "normal" }
      }))
    ],
    grid: frames.map((_, index) => ({ left: left(index), top: top(index), width: side, height: side, show: true })),
    xAxis: frames.map((_, index) => axis(index, isLowest(index))),
    yAxis: frames.map((_, index) => axis(index, index % columns === 0)),
    series: frames.map(({ points }, index) => ({
      ...cloud("samples", pairs(points), "#2457a6"),
      symbolSize: markSize(points.shape[0]!),
      xAxisIndex: index,
      yAxisIndex: index
    }))
  })
}

/**
 * The SVG of a chart of the plotting library.
 *
 * @example
 * const svg = render({ width: 800, height: 450 }, { xAxis: { type: "value" }, yAxis: { type: "log" }, series })
 */
export const render = (
  size: { readonly width: number; readonly height: number },
  option: EChartsCoreOption
): string => {
  const chart = init(null, null, { renderer: "svg", ssr: true, ...size })
  try {
    chart.setOption({ animation: false, backgroundColor: "#ffffff", ...option })
    return withOwnNames(chart.renderToSVGString())
  } finally {
    chart.dispose()
  }
}

/** The library numbers styles and clipped areas through all charts of a process; here what is drawn alike is the same file. */
const withOwnNames = (svg: string): string => {
  const names = new Map<string, string>()
  return svg.replaceAll(/\bzr\d+-[a-z]+-?\d+\b/g, (name) => {
    const own = names.get(name) ?? `zr-${names.size}`
    names.set(name, own)
    return own
  })
}

const curve = (
  name: string,
  points: Pairs,
  style: { readonly color: string; readonly width: number }
) => ({
  type: "line",
  name,
  data: points,
  showSymbol: false,
  color: style.color,
  lineStyle: { width: style.width }
})

const marks = (name: string, points: Pairs, color: string) => ({
  type: "line",
  name,
  data: points,
  symbol: "diamond",
  symbolSize: 12,
  color
})

const cloud = (name: string, data: ReadonlyArray<ReadonlyArray<number>>, color: string) => ({
  type: "scatter",
  name,
  data,
  color,
  symbolSize: 4,
  clip: true,
  itemStyle: { opacity: 0.7 }
})

type Pairs = ReadonlyArray<readonly [number, number]>

/** The points that an axis can show. */
const pairsOf = (points: ReadonlyArray<CurvePoint>, axis: "value" | "log"): Pairs =>
  points.filter(({ loss }) => Number.isFinite(loss) && (axis === "value" || loss > 0))
    .map(({ loss, step }) => [step, loss])

/** At most `resolution` places, evenly spread, the last one among them. */
const thin = (points: ReadonlyArray<CurvePoint>): ReadonlyArray<CurvePoint> => {
  if (points.length <= resolution) return points
  const last = points.length - 1
  return Array.from({ length: resolution }, (_, i) => points[Math.round(i * last / (resolution - 1))]!)
}

const pairs = ({ data, shape }: HostTensor<"float32">): ReadonlyArray<ReadonlyArray<number>> => {
  if (shape.length !== 2 || shape[1] !== 2) {
    throw new RangeError(`a scatter plot needs points [count, 2], not ${showShape(shape)}`)
  }
  return Array.from({ length: shape[0]! }, (_, i) => [data[2 * i]!, data[2 * i + 1]!])
}

const shortNumber = (value: number): string => String(Number(value.toPrecision(3)))
