/**
 * The figures of docs/objective.md, drawn from the values that its code computes.
 */
import { figure } from "./figure.ts"

type Points = ReadonlyArray<readonly [number, number]>

/** The names that the page's code gives to what the figures show. */
export const figureValues = ["pairs", "weights", "noiseErrors", "lossWeights"] as const

/** Their values. */
export interface FigureValues {
  readonly pairs: ReadonlyArray<{ readonly divergence: number; readonly weightedError: number }>
  readonly weights: { readonly linear: Points; readonly cosine: Points }
  readonly noiseErrors: { readonly [Model in "told" | "byBound" | "bySimple"]: ReadonlyArray<number> }
  readonly lossWeights: { readonly [Loss in "noise" | "data" | "velocity" | "minSnr" | "bound"]: Points }
}

const blue = "#2457a6"
const orange = "#c2410c"
const grey = "#78716c"
const green = "#15803d"
const violet = "#7e22ce"

/** The SVG files of docs/images, by name. */
export const objectiveFigures = (values: FigureValues): { readonly [file: string]: string } => {
  const { lossWeights, noiseErrors, pairs, weights } = values
  const overTime = (errors: ReadonlyArray<number>) => errors.map((error, t) => [t, error] as const)
  return {
    "objective-identity.svg": figure({
      title: "one example at each timestep",
      x: { name: "weight x squared error of the noise (nats)", scale: "log", min: 1e-7, max: 1 },
      y: { name: "divergence (nats)", scale: "log", min: 1e-7, max: 1 },
      lines: [{ name: "", color: grey, points: [[1e-7, 1e-7], [1, 1]] }],
      marks: pairs.map(({ divergence, weightedError }) => [weightedError, divergence] as const),
      width: 520,
      height: 520
    }),
    "objective-weights.svg": figure({
      title: "the weight of the noise's squared error",
      x: { name: "timestep t", scale: "value", min: 0, max: 1000 },
      y: { name: "weight (nats)", scale: "log", min: 1e-3, max: 1e3 },
      lines: [
        { name: "linear", color: blue, points: weights.linear },
        { name: "cosine", color: orange, points: weights.cosine },
        { name: "simple loss", color: grey, points: [[0, 1], [999, 1]] }
      ]
    }),
    "objective-weighting.svg": figure({
      title: "the squared error of the noise",
      x: { name: "timestep t", scale: "value", min: 0, max: 100 },
      y: { name: "squared error", scale: "log", min: 1e-5, max: 10 },
      lines: [
        { name: "not told t, weighted by the bound", color: blue, points: overTime(noiseErrors.byBound) },
        { name: "not told t, simple loss", color: orange, points: overTime(noiseErrors.bySimple) },
        { name: "told t", color: grey, points: overTime(noiseErrors.told) }
      ]
    }),
    "objective-parameterisations.svg": figure({
      title: "the weight of the noise's squared error",
      x: { name: "log SNR", scale: "value", min: -12, max: 6 },
      y: { name: "weight", scale: "log", min: 1e-3, max: 1e5 },
      lines: [
        { name: "v", color: green, points: lossWeights.velocity },
        { name: "x0", color: orange, points: lossWeights.data },
        { name: "min-SNR", color: violet, points: lossWeights.minSnr },
        { name: "bound", color: blue, points: lossWeights.bound },
        { name: "noise", color: grey, dashed: true, points: lossWeights.noise }
      ]
    })
  }
}
