/**
 * Matrix products, convolutions, pooling.
 */
import { broadcastShape, broadcastTo } from "./elementwise.ts"
import { transpose } from "./movement.ts"
import { build, get, type NdArray, sizeOf, sumOver } from "./NdArray.ts"

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

/** Where windows lie along one axis. */
interface Windows {
  readonly count: number
  /** Where the first window begins; negative inside the padding. */
  readonly begin: number
}

/** Rows are axis 0, columns axis 1 (https://www.tensorflow.org/api_docs/python/tf/nn, "Notes on padding"). */
const windowsAlong = (
  axis: 0 | 1,
  size: number,
  kernel: number,
  { dilations = 1, padding, strides }: Convolution
): Windows => {
  const extent = (kernel - 1) * dilations + 1
  if (padding === "same") {
    const count = Math.ceil(size / strides)
    return { count, begin: -Math.floor(Math.max(0, (count - 1) * strides + extent - size) / 2) }
  }
  const [before, after] = padding === "valid"
    ? [0, 0]
    : typeof padding === "number"
    ? [padding, padding]
    : padding[axis]
  return { count: Math.floor((size + before + after - extent) / strides) + 1, begin: -before }
}

/** What a convolution is given besides its arrays. */
export interface Convolution {
  readonly strides: number
  readonly padding: Padding
  readonly dilations?: number
}

/**
 * Cross-correlation of [batch, height, width, in] with a filter [kernelHeight, kernelWidth, in, out]:
 * y[n, i, j, o] = sum over u, v, c of x[n, s i + d u - p, s j + d v - p, c] f[u, v, c, o].
 */
export const conv2d = (x: NdArray, filter: NdArray, convolution: Convolution): NdArray => {
  const { dilations = 1, strides } = convolution
  const [batch, height, width, channels] = x.shape as [number, number, number, number]
  const [kernelHeight, kernelWidth, , out] = filter.shape as [number, number, number, number]
  const rows = windowsAlong(0, height, kernelHeight, convolution)
  const columns = windowsAlong(1, width, kernelWidth, convolution)
  return build([batch, rows.count, columns.count, out], ([n, i, j, o]) => {
    let total = 0
    for (let u = 0; u < kernelHeight; u++) {
      const y = rows.begin + i! * strides + u * dilations
      if (y < 0 || y >= height) continue
      for (let v = 0; v < kernelWidth; v++) {
        const z = columns.begin + j! * strides + v * dilations
        if (z < 0 || z >= width) continue
        const pixel = ((n! * height + y) * width + z) * channels
        const tap = (u * kernelWidth + v) * channels
        for (let c = 0; c < channels; c++) total += x.data[pixel + c]! * filter.data[(tap + c) * out + o!]!
      }
    }
    return total
  })
}

/** The mean of each window of kernel x kernel elements; padding does not count. */
export const avgPool = (x: NdArray, kernel: number, strides: number, padding: Padding): NdArray => {
  const [batch, height, width, channels] = x.shape as [number, number, number, number]
  const rows = windowsAlong(0, height, kernel, { strides, padding })
  const columns = windowsAlong(1, width, kernel, { strides, padding })
  return build([batch, rows.count, columns.count, channels], ([n, i, j, c]) => {
    let total = 0
    let count = 0
    for (let y = rows.begin + i! * strides; y < rows.begin + i! * strides + kernel; y++) {
      for (let z = columns.begin + j! * strides; z < columns.begin + j! * strides + kernel; z++) {
        if (y < 0 || y >= height || z < 0 || z >= width) continue
        total += get(x, [n!, y, z, c!])
        count += 1
      }
    }
    return total / count
  })
}

/**
 * Each channel by filters of its own, [kernelHeight, kernelWidth, channels, multiplier]:
 * y[n, i, j, c m + k] = sum over u, v of x[n, s i + d u - p, s j + d v - p, c] f[u, v, c, k].
 */
export const depthwiseConv2d = (x: NdArray, filter: NdArray, convolution: Convolution): NdArray => {
  const { dilations = 1, strides } = convolution
  const [batch, height, width, channels] = x.shape as [number, number, number, number]
  const [kernelHeight, kernelWidth, , multiplier] = filter.shape as [number, number, number, number]
  const rows = windowsAlong(0, height, kernelHeight, convolution)
  const columns = windowsAlong(1, width, kernelWidth, convolution)
  return build([batch, rows.count, columns.count, channels * multiplier], ([n, i, j, o]) => {
    const channel = Math.floor(o! / multiplier)
    return sumOver(kernelHeight * kernelWidth, (tap) => {
      const [u, v] = [Math.floor(tap / kernelWidth), tap % kernelWidth]
      const y = rows.begin + i! * strides + u * dilations
      const z = columns.begin + j! * strides + v * dilations
      if (y < 0 || y >= height || z < 0 || z >= width) return 0
      return get(x, [n!, y, z, channel]) * get(filter, [u, v, channel, o! % multiplier])
    })
  })
}

/** The largest in each window of kernel x kernel elements; padding does not count. */
export const maxPool = (x: NdArray, kernel: number, strides: number, padding: Padding): NdArray => {
  const [batch, height, width, channels] = x.shape as [number, number, number, number]
  const rows = windowsAlong(0, height, kernel, { strides, padding })
  const columns = windowsAlong(1, width, kernel, { strides, padding })
  return build([batch, rows.count, columns.count, channels], ([n, i, j, c]) => {
    let largest = -Infinity
    for (let tap = 0; tap < kernel * kernel; tap++) {
      const y = rows.begin + i! * strides + Math.floor(tap / kernel)
      const z = columns.begin + j! * strides + tap % kernel
      if (y >= 0 && y < height && z >= 0 && z < width) largest = Math.max(largest, get(x, [n!, y, z, c!]))
    }
    return largest
  })
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
