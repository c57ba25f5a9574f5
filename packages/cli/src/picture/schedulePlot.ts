/**
 * Noise schedules, compared in one SVG file.
 */
import { alphaBar, beta, logSnr, type Schedule } from "@effusion/core/schedule"
import type { NamedSchedule } from "../configuration/namedSchedules.ts"
import { lossWeights, type Quantity } from "../report/scheduleTable.ts"
import { logAxis } from "./logAxis.ts"
import { itemGap, render } from "./plots.ts"

interface Panel {
  readonly title: string
  readonly axis: "value" | "log"
  readonly quantities: ReadonlyArray<Pick<Quantity, "at"> & { readonly title: string }>
}

const panels: ReadonlyArray<Panel> = [
  { title: "alphaBar", axis: "value", quantities: [{ title: "", at: alphaBar }] },
  { title: "log-SNR", axis: "value", quantities: [{ title: "", at: logSnr }] },
  { title: "beta", axis: "log", quantities: [{ title: "", at: beta }] },
  { title: "weight of the squared error of the noise", axis: "log", quantities: lossWeights }
]

/** Colours that can be told apart, the first seven also by those who see fewer (Okabe and Ito 2008); then again. */
const colors = [
  "#0072b2",
  "#d55e00",
  "#009e73",
  "#cc79a7",
  "#e69f00",
  "#56b4e9",
  "#000000",
  "#7f7f7f",
  "#8c564b",
  "#bcbd22"
]
const dashes = ["solid", "dashed", "dotted"] as const

/** As many places as a panel of this width shows well. */
const resolution = 215

/**
 * Four panels over time, (t + 1) / T: alphaBar, log-SNR, beta and the weights of the loss. Each schedule has a colour, each
 * weighting its dashes. What an axis cannot show (infinite; not positive on a logarithmic one) is left out.
 *
 * @example
 * const svg = schedulePlot([{ label: "cosine", schedule }])
 */
export const schedulePlot = (schedules: ReadonlyArray<NamedSchedule>): string => {
  const [width, height] = [430, 300]
  const left = (index: number) => 80 + (index % 2) * (width + 90)
  const top = (index: number) => 60 + Math.floor(index / 2) * (height + 90)
  const weightings = lossWeights.map(({ title }) => title).join(", ")
  return render({ width: 2 * (width + 90) + 20, height: 2 * (height + 90) + 60 }, {
    title: panels.map(({ title }, index) => ({
      text: title,
      subtext: index === 3 ? `${weightings} (${dashes.slice(0, lossWeights.length).join(", ")})` : "",
      left: left(index) + width / 2,
      top: top(index) - (index === 3 ? 48 : 36),
      textAlign: "center",
      itemGap: 2,
      textStyle: { fontSize: 15 }
    })),
    legend: { bottom: 5, itemGap, data: schedules.map(({ label }) => label) },
    grid: panels.map((_, index) => ({ left: left(index), top: top(index), width, height })),
    xAxis: panels.map((_, index) => ({
      type: "value",
      gridIndex: index,
      min: 0,
      max: 1,
      name: "(t + 1) / T",
      nameLocation: "middle",
      nameGap: 26,
      axisLine: { onZero: false }
    })),
    yAxis: panels.map(({ axis, quantities }, index) => ({
      ...(axis === "log"
        ? logAxis(
          quantities.flatMap(({ at }) =>
            schedules.flatMap(({ schedule }) => places(schedule, at, axis).map(([, y]) => y))
          ),
          { ends: "decades", format: shortNumber }
        )
        : { type: axis, axisLabel: { formatter: shortNumber } }),
      gridIndex: index
    })),
    series: panels.flatMap(({ axis, quantities }, index) =>
      quantities.flatMap(({ at }, quantity) =>
        schedules.map(({ label, schedule }, i) => ({
          type: "line",
          name: label,
          xAxisIndex: index,
          yAxisIndex: index,
          data: places(schedule, at, axis),
          showSymbol: false,
          color: colors[i % colors.length],
          lineStyle: { width: 2, type: dashes[quantity % dashes.length] }
        }))
      )
    )
  })
}

/** (t + 1) / T, where timestep t of T ends, and the quantity there. */
const places = (
  schedule: Schedule,
  at: Quantity["at"],
  axis: Panel["axis"]
): ReadonlyArray<readonly [number, number]> =>
  thin(schedule.steps).flatMap((t) => {
    const value = at(schedule, t)
    const isShown = value !== undefined && Number.isFinite(value) && (axis === "value" || value > 0)
    return isShown ? [[(t + 1) / schedule.steps, value] as const] : []
  })

/** At most `resolution` timesteps, evenly spread, and the first and last five, where schedules differ most. */
const thin = (steps: number): ReadonlyArray<number> => {
  const count = Math.min(steps, resolution)
  const evenly = Array.from({ length: count }, (_, i) => count === 1 ? 0 : Math.round(i * (steps - 1) / (count - 1)))
  const ends = Array.from({ length: 5 }, (_, i) => [i, steps - 1 - i]).flat().filter((t) => t >= 0 && t < steps)
  return [...new Set([...evenly, ...ends])].sort((a, b) => a - b)
}

const shortNumber = (value: number): string =>
  value !== 0 && (Math.abs(value) >= 1e4 || Math.abs(value) < 1e-3)
    ? value.toExponential(0)
    : String(Number(value.toPrecision(3)))
