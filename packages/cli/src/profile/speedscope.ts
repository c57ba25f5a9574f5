/**
 * A profile in the format of speedscope (https://www.speedscope.app/file-format-schema.json), a viewer of flame graphs.
 */
import type { TimedKernel } from "./summary.ts"

/**
 * The kernels of a step one after the other, each with the calls that led to it: one step of mean times.
 *
 * @example
 * yield* writeWhole("profile.speedscope.json", speedscope("small", kernels))
 */
export const speedscope = (name: string, kernels: ReadonlyArray<TimedKernel>): string => {
  const frames: Array<{ readonly name: string; readonly file?: string; readonly line?: number }> = []
  const indices = new Map<string, number>()
  const frame = (key: string, make: () => (typeof frames)[number]): number => {
    const known = indices.get(key)
    if (known !== undefined) return known
    indices.set(key, frames.length)
    return frames.push(make()) - 1
  }
  const samples = kernels.map(({ kernel, name, part, places }) => [
    frame(`part ${part}`, () => ({ name: part })),
    ...places.map(({ file, line, name }) => frame(`${file}:${line} ${name}`, () => ({ name, file, line }))),
    frame(`operation ${name}`, () => ({ name })),
    frame(`kernel ${kernel}`, () => ({ name: kernel }))
  ])
  const weights = kernels.map(({ milliseconds }) => milliseconds)
  const endValue = weights.reduce((sum, weight) => sum + weight, 0)
  return `${
    JSON.stringify({
      $schema: "https://www.speedscope.app/file-format-schema.json",
      name,
      exporter: "effusion",
      shared: { frames },
      profiles: [{ type: "sampled", name, unit: "milliseconds", startValue: 0, endValue, samples, weights }]
    })
  }\n`
}
