/**
 * What the fixtures of diffusers' `UNet2DModel` were made from: their `param_rule` and their `input_rule`.
 */
import { float32, type HostTensor, sizeOf } from "@effusion/core/tensor"
import type unconditional from "../fixtures/unet2d-golden.json"

/** What the fixtures have in common. */
export type Golden = Omit<typeof unconditional, "param_rule" | "input_rule" | "xt_abs_sum"> & {
  readonly class_labels?: ReadonlyArray<number>
}

export const batch = 4
export const channels = 3
export const side = 8
export const pixels = side * side

/** The fixtures' `param_rule`. */
export const parametersOf = (golden: Golden): { readonly [name: string]: HostTensor } =>
  Object.fromEntries(
    golden.params.map(({ base, k, name, shape }) => {
      const scale = shape.length > 1 ? 1 / Math.sqrt(sizeOf(shape.slice(1))) : 0.1
      const element = (_: unknown, i: number) => base + scale * Math.sin(0.7 * i + 0.3 * k)
      return [name, float32(shape, Float32Array.from({ length: sizeOf(shape) }, element))]
    })
  )

/** The fixtures' `input_rule`, in float64, at NCHW row-major index i. */
export const t = [0, 10, 500, 999]
const alphaBar = (step: number): number =>
  Array.from({ length: step + 1 }, (_, s) => 1 - (1e-4 + (s * (0.02 - 1e-4)) / 999)).reduce((a, b) => a * b, 1)
export const epsilon = (i: number): number => Math.SQRT2 * Math.sin(0.37 * i)
export const clean = (i: number): number => ((37 * i) % 256) / 127.5 - 1
export const noised = (i: number): number => {
  const signal = alphaBar(t[Math.floor(i / (channels * pixels))] as number)
  return Math.sqrt(signal) * clean(i) + Math.sqrt(1 - signal) * epsilon(i)
}

/** From a function of the NCHW index to the NHWC tensor that Effusion has. */
export const image = (f: (i: number) => number): HostTensor<"float32"> =>
  float32(
    [batch, side, side, channels],
    Float32Array.from({ length: batch * pixels * channels }, (_, j) => {
      const example = Math.floor(j / (pixels * channels))
      const pixel = Math.floor(j / channels) % pixels
      return f((example * channels + (j % channels)) * pixels + pixel)
    })
  )
