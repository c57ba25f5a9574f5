/**
 * Matrix products, convolutions, pooling.
 */
import { broadcastShape, broadcastTo } from "./elementwise.ts"
import { transpose } from "./movement.ts"
import { build, get, type NdArray, type Shape, sizeOf, sumOver } from "./NdArray.ts"

/** Matrix products over the last two axes, either factor transposed first; the axes before them broadcast. */
export const matMul = (a: NdArray, b: NdArray, transposeA = false, transposeB = false): NdArray => {
  const swapLast = (x: NdArray): NdArray => {
    const axes = x.shape.map((_, axis) => axis)
    return transpose(x, [...axes.slice(0, -2), axes.length - 1, axes.length - 2])
  }
  const left = transposeA ? swapLast(a) : a
  const right = transposeB ? swapLast(b) : b
  const [rows, inner] = left.shape.slice(-2) as [number, number]
  const columns = right.shape[right.shape.length - 1]!
  const batch = broadcastShape(left.shape.slice(0, -2), right.shape.slice(0, -2))
  const x = broadcastTo(left, [...batch, rows, inner]).data
  const y = broadcastTo(right, [...batch, inner, columns]).data
  const products = build(
    [sizeOf(batch), rows, columns],
    ([matrix, i, j]) =>
      sumOver(inner, (k) => x[(matrix! * rows + i!) * inner + k]! * y[(matrix! * inner + k) * columns + j!]!)
  )
  return { shape: [...batch, rows, columns], data: products.data }
}

/**
 * How the border is treated: `same` and `valid` as TensorFlow defines them, the number of zeros on every side, or
 * the numbers before and after: `[[top, bottom], [left, right]]`.
 */
export type Padding = "same" | "valid" | number | readonly [Border, Border]

/** The numbers of zeros before and after an axis. */
export type Border = readonly [number, number]

/** The same for rows and columns, or one for each. */
export type PerAxis = number | readonly [number, number]

/** How many windows there are where they do not come out even: as many as fit, or one more that reaches over the border. */
export type Rounding = "floor" | "round" | "ceil"

const along = (axis: 0 | 1, given: PerAxis): number => typeof given === "number" ? given : given[axis]

/** Where windows lie along one axis. */
interface Windows {
  readonly count: number
  /** Where the first window begins; negative inside the padding. */
  readonly begin: number
  readonly stride: number
  readonly dilation: number
}

/** Rows are axis 0, columns axis 1 (https://www.tensorflow.org/api_docs/python/tf/nn, "Notes on padding"). */
const windowsAlong = (
  axis: 0 | 1,
  size: number,
  kernel: number,
  { dilations = 1, padding, rounding = "floor", strides }: Convolution
): Windows => {
  const [stride, dilation] = [along(axis, strides), along(axis, dilations)]
  const extent = (kernel - 1) * dilation + 1
  if (padding === "same") {
    const count = Math.ceil(size / stride)
    return { count, begin: -Math.floor(Math.max(0, (count - 1) * stride + extent - size) / 2), stride, dilation }
  }
  const [before, after] = padding === "valid"
    ? [0, 0]
    : typeof padding === "number"
    ? [padding, padding]
    : padding[axis]
  return { count: Math[rounding]((size + before + after - extent) / stride + 1), begin: -before, stride, dilation }
}

/** What a convolution is given besides its arrays. */
export interface Convolution {
  readonly strides: PerAxis
  readonly padding: Padding
  readonly dilations?: PerAxis
  readonly rounding?: Rounding
}

/**
 * Cross-correlation of [batch, height, width, in] with a filter [kernelHeight, kernelWidth, in, out]:
 * y[n, i, j, o] = sum over u, v, c of x[n, s i + d u - p, s j + d v - p, c] f[u, v, c, o].
 */
export const conv2d = (x: NdArray, filter: NdArray, convolution: Convolution): NdArray => {
  const [batch, height, width, channels] = x.shape as [number, number, number, number]
  const [kernelHeight, kernelWidth, , out] = filter.shape as [number, number, number, number]
  const rows = windowsAlong(0, height, kernelHeight, convolution)
  const columns = windowsAlong(1, width, kernelWidth, convolution)
  return build([batch, rows.count, columns.count, out], ([n, i, j, o]) => {
    let total = 0
    for (let u = 0; u < kernelHeight; u++) {
      const y = rows.begin + i! * rows.stride + u * rows.dilation
      if (y < 0 || y >= height) continue
      for (let v = 0; v < kernelWidth; v++) {
        const z = columns.begin + j! * columns.stride + v * columns.dilation
        if (z < 0 || z >= width) continue
        const pixel = ((n! * height + y) * width + z) * channels
        const tap = (u * kernelWidth + v) * channels
        for (let c = 0; c < channels; c++) total += x.data[pixel + c]! * filter.data[(tap + c) * out + o!]!
      }
    }
    return total
  })
}

/**
 * The transpose of {@link conv2d} in its image, of a shape: x [batch, rows, columns, in] and a filter
 * [kernelHeight, kernelWidth, out, in] give y[n, s i + u - p, s j + v - p, o] = sum of x[n, i, j, c] f[u, v, o, c] over all that
 * fall on the same pixel.
 */
export const conv2dTranspose = (x: NdArray, filter: NdArray, shape: Shape, convolution: Convolution): NdArray => {
  const [batch, height, width, out] = shape as [number, number, number, number]
  const [kernelHeight, kernelWidth, , channels] = filter.shape as [number, number, number, number]
  const rows = windowsAlong(0, height, kernelHeight, convolution)
  const columns = windowsAlong(1, width, kernelWidth, convolution)
  const data = new Float64Array(sizeOf(shape))
  build([batch, rows.count, columns.count, kernelHeight, kernelWidth], ([n, i, j, u, v]) => {
    const y = rows.begin + i! * rows.stride + u!
    const z = columns.begin + j! * columns.stride + v!
    if (y < 0 || y >= height || z < 0 || z >= width) return 0
    for (let o = 0; o < out; o++) {
      data[((n! * height + y) * width + z) * out + o]! += sumOver(
        channels,
        (c) => get(x, [n!, i!, j!, c]) * get(filter, [u!, v!, o, c])
      )
    }
    return 0
  })
  return { shape, data }
}

/** How many windows a convolution has over an image of so many rows and columns. */
export const windowCount = (
  [height, width]: readonly [number, number],
  [rows, columns]: readonly [number, number],
  convolution: Convolution
): readonly [number, number] => [
  windowsAlong(0, height, rows, convolution).count,
  windowsAlong(1, width, columns, convolution).count
]

/** The mean of each window; padding does not count. */
export const avgPool = (
  x: NdArray,
  kernel: PerAxis,
  strides: PerAxis,
  padding: Padding,
  rounding?: Rounding
): NdArray => {
  const { seen, shape } = pooled(x, kernel, strides, padding, rounding)
  return build(shape, (index) => {
    const places = seen(index)
    return sumOver(places.length, (i) => get(x, places[i]!)) / places.length
  })
}

/**
 * Each channel by filters of its own, [kernelHeight, kernelWidth, channels, multiplier]:
 * y[n, i, j, c m + k] = sum over u, v of x[n, s i + d u - p, s j + d v - p, c] f[u, v, c, k].
 */
export const depthwiseConv2d = (x: NdArray, filter: NdArray, convolution: Convolution): NdArray => {
  const [batch, height, width, channels] = x.shape as [number, number, number, number]
  const [kernelHeight, kernelWidth, , multiplier] = filter.shape as [number, number, number, number]
  const rows = windowsAlong(0, height, kernelHeight, convolution)
  const columns = windowsAlong(1, width, kernelWidth, convolution)
  return build([batch, rows.count, columns.count, channels * multiplier], ([n, i, j, o]) => {
    const channel = Math.floor(o! / multiplier)
    return sumOver(kernelHeight * kernelWidth, (tap) => {
      const [u, v] = [Math.floor(tap / kernelWidth), tap % kernelWidth]
      const y = rows.begin + i! * rows.stride + u * rows.dilation
      const z = columns.begin + j! * columns.stride + v * columns.dilation
      if (y < 0 || y >= height || z < 0 || z >= width) return 0
      return get(x, [n!, y, z, channel]) * get(filter, [u, v, channel, o! % multiplier])
    })
  })
}

/** The largest in each window; padding does not count. */
export const maxPool = (
  x: NdArray,
  kernel: PerAxis,
  strides: PerAxis,
  padding: Padding,
  rounding?: Rounding
): NdArray => {
  const { seen, shape } = pooled(x, kernel, strides, padding, rounding)
  return build(shape, (index) => Math.max(...seen(index).map((place) => get(x, place))))
}

/**
 * The gradient of {@link maxPool} in its image: each window gives its own to the largest that it sees, and to the first of
 * them, row by row, where there are several.
 */
export const maxPoolGradient = (
  gradient: NdArray,
  x: NdArray,
  kernel: PerAxis,
  strides: PerAxis,
  padding: Padding
): NdArray => {
  const { seen, shape } = pooled(x, kernel, strides, padding)
  const data = x.data.map(() => 0)
  build(shape, (index) => {
    const places = seen(index)
    const elements = places.map((place) => get(x, place))
    const [n, i, j, c] = places[elements.indexOf(Math.max(...elements))] as [number, number, number, number]
    data[((n * x.shape[1]! + i) * x.shape[2]! + j) * x.shape[3]! + c]! += get(gradient, index)
    return 0
  })
  return { shape: x.shape, data }
}

/** What windows of pooling see, row by row, and the shape of what comes of them. */
const pooled = (x: NdArray, kernel: PerAxis, strides: PerAxis, padding: Padding, rounding?: Rounding) => {
  const [batch, height, width, channels] = x.shape as [number, number, number, number]
  const options = { strides, padding, rounding: rounding ?? "floor" } as const
  const rows = windowsAlong(0, height, along(0, kernel), options)
  const columns = windowsAlong(1, width, along(1, kernel), options)
  const places = ({ begin, stride }: Windows, i: number, size: number, length: number) =>
    Array.from({ length: size }, (_, u) => begin + i * stride + u).filter((place) => place >= 0 && place < length)
  return {
    shape: [batch, rows.count, columns.count, channels],
    seen: ([n, i, j, c]: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<number>> =>
      places(rows, i!, along(0, kernel), height).flatMap((y) =>
        places(columns, j!, along(1, kernel), width).map((z) => [n!, y, z, c!])
      )
  }
}

/**
 * Einstein's sum, of any number of arrays: for each index of the output the sum over the letters that it does not have.
 *
 * @example
 * einsum("ij,jk->ik", a, b) // => matMul(a, b)
 */
export const einsum = (equation: string, ...xs: ReadonlyArray<NdArray>): NdArray => {
  const [left, output] = equation.split("->") as [string, string]
  const terms = left.split(",")
  const sizes = new Map(terms.flatMap((term, i) => [...term].map((letter, axis) => [letter, xs[i]!.shape[axis]!])))
  const summed = [...sizes.keys()].filter((letter) => !output.includes(letter))
  const sizesOf = (letters: ReadonlyArray<string>) => letters.map((letter) => sizes.get(letter)!)
  return build(sizesOf([...output]), (index) => {
    let total = 0
    build(sizesOf(summed), (inner) => {
      const at = (letter: string) =>
        output.includes(letter) ? index[output.indexOf(letter)]! : inner[summed.indexOf(letter)]!
      total += xs.reduce((product, x, i) => product * get(x, [...terms[i]!].map(at)), 1)
      return 0
    })
    return total
  })
}
