/**
 * The composite operations, from the papers that define them.
 */
import { map, silu } from "./elementwise.ts"
import { matMul } from "./linear.ts"
import { build, get, type NdArray, sumOver } from "./NdArray.ts"
import { softmax } from "./reductions.ts"

/** What a group normalisation is given besides its arrays. */
export interface GroupNormalisation {
  readonly groups: number
  readonly epsilon: number
  readonly activation: "none" | "silu"
}

/**
 * Group normalisation (Wu and He 2018, equations 1, 2, 6, 7): each example's channels in equal groups of neighbours,
 * each group brought to mean 0 and variance 1 over its channels and all positions, then scaled and offset a channel.
 * x is [batch, ...positions, channels]; scale and offset are [channels].
 */
export const groupNorm = (x: NdArray, scale: NdArray, offset: NdArray, options: GroupNormalisation): NdArray => {
  const channels = x.shape[x.shape.length - 1]!
  const batch = x.shape[0]!
  const positions = x.data.length / (batch * channels)
  const width = channels / options.groups
  const element = (n: number, p: number, c: number) => x.data[(n * positions + p) * channels + c]!
  const ofGroup = (n: number, group: number, f: (value: number) => number) =>
    sumOver(positions, (p) => sumOver(width, (c) => f(element(n, p, group * width + c)))) / (positions * width)
  const means = build([batch, options.groups], ([n, g]) => ofGroup(n!, g!, (value) => value))
  const variances = build(
    [batch, options.groups],
    ([n, g]) => ofGroup(n!, g!, (value) => (value - get(means, [n!, g!])) ** 2)
  )
  const normalised = x.data.map((value, position) => {
    const c = position % channels
    const group = [Math.floor(position / (positions * channels)), Math.floor(c / width)]
    const standardised = (value - get(means, group)) / Math.sqrt(get(variances, group) + options.epsilon)
    return standardised * scale.data[c]! + offset.data[c]!
  })
  const y = { shape: x.shape, data: normalised }
  return options.activation === "silu" ? silu(y) : y
}

/** softmax(scale q k^T) v over the last two axes (Vaswani et al. 2017, equation 1). */
export const attention = (q: NdArray, k: NdArray, v: NdArray, scale: number): NdArray =>
  matMul(softmax(map((x) => x * scale)(matMul(q, k, false, true))), v)
