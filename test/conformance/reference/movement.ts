/**
 * Operations that move elements without computing on them.
 */
import { axisOf, build, get, type Index, type NdArray, type Shape, sizeOf } from "./NdArray.ts"

const at = (index: Index, axis: number, i: number): Index => index.map((value, a) => a === axis ? i : value)
const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((a, b) => a + b, 0)

/** The same elements in the same order under another shape; one size may be -1. */
export const reshape = (x: NdArray, shape: Shape): NdArray => {
  const known = shape.filter((size) => size !== -1)
  return { shape: shape.map((size) => size === -1 ? x.data.length / sizeOf(known) : size), data: x.data }
}

/** Axis i of the result is axis permutation[i] of x; without a permutation the axes are reversed. */
export const transpose = (x: NdArray, permutation?: ReadonlyArray<number>): NdArray => {
  const axes = permutation ?? x.shape.map((_, axis) => x.shape.length - 1 - axis)
  const placeOf = axes.map((_, axis) => axes.indexOf(axis))
  return build(axes.map((axis) => x.shape[axis]!), (index) => {
    return get(x, placeOf.map((place) => index[place]!))
  })
}

/** Arrays one after the other along an axis. */
export const concat = (xs: ReadonlyArray<NdArray>, axis = 0): NdArray => {
  const along = axisOf(axis, xs[0]!.shape.length)
  const length = sum(xs.map((x) => x.shape[along]!))
  return build(xs[0]!.shape.map((size, a) => a === along ? length : size), (index) => {
    let i = index[along]!
    let part = 0
    while (i >= xs[part]!.shape[along]!) i -= xs[part++]!.shape[along]!
    return get(xs[part]!, at(index, along, i))
  })
}

/** The elements from `begin`, `size` of them along each axis; a size of -1 takes all that follow. */
export const slice = (x: NdArray, begin: Index, size: Shape): NdArray =>
  build(
    size.map((length, axis) => length === -1 ? x.shape[axis]! - begin[axis]! : length),
    (index) => get(x, index.map((i, axis) => i + begin[axis]!))
  )

/** Every `strides`-th element from `begin` until before `end`. */
export const stridedSlice = (x: NdArray, begin: Index, end: Index, strides: Index): NdArray =>
  build(
    x.shape.map((_, axis) => Math.max(0, Math.ceil((end[axis]! - begin[axis]!) / strides[axis]!))),
    (index) => get(x, index.map((i, axis) => begin[axis]! + i * strides[axis]!))
  )

/** Pieces of the given lengths along an axis. */
export const split = (x: NdArray, lengths: ReadonlyArray<number>, axis = 0): ReadonlyArray<NdArray> => {
  const along = axisOf(axis, x.shape.length)
  return lengths.map((length, part) =>
    slice(
      x,
      x.shape.map((_, a) => a === along ? sum(lengths.slice(0, part)) : 0),
      x.shape.map((size, a) => a === along ? length : size)
    )
  )
}

/** x surrounded by a constant: [before, after] elements along each axis. */
export const pad = (x: NdArray, paddings: ReadonlyArray<readonly [number, number]>, constant = 0): NdArray =>
  build(
    x.shape.map((size, axis) => size + paddings[axis]![0] + paddings[axis]![1]),
    (index) => {
      const source = index.map((i, axis) => i - paddings[axis]![0])
      return source.every((i, axis) => i >= 0 && i < x.shape[axis]!) ? get(x, source) : constant
    }
  )

/** x repeated along each axis. */
export const tile = (x: NdArray, repeats: ReadonlyArray<number>): NdArray =>
  build(
    x.shape.map((size, axis) => size * repeats[axis]!),
    (index) => get(x, index.map((i, axis) => i % x.shape[axis]!))
  )

/** The slices of x at the given places along an axis; the places' axes stand where that axis stood. */
export const gather = (x: NdArray, places: NdArray, axis = 0): NdArray => {
  const along = axisOf(axis, x.shape.length)
  const rank = places.shape.length
  return build(
    [...x.shape.slice(0, along), ...places.shape, ...x.shape.slice(along + 1)],
    (index) =>
      get(x, [
        ...index.slice(0, along),
        get(places, index.slice(along, along + rank)),
        ...index.slice(along + rank)
      ])
  )
}

/** For each integer a row of `depth` elements: `on` at that place, `off` elsewhere. */
export const oneHot = (places: NdArray, depth: number, on = 1, off = 0): NdArray =>
  build([...places.shape, depth], (index) => get(places, index.slice(0, -1)) === index[index.length - 1] ? on : off)

/** x backwards along the given axes. */
export const reverse = (x: NdArray, axes: ReadonlyArray<number>): NdArray => {
  const turned = axes.map((axis) => axisOf(axis, x.shape.length))
  return build(x.shape, (index) => get(x, index.map((i, axis) => turned.includes(axis) ? x.shape[axis]! - 1 - i : i)))
}

/** x with a new axis of size 1. */
export const expandDims = (x: NdArray, axis = 0): NdArray => {
  const place = axisOf(axis, x.shape.length + 1)
  return reshape(x, [...x.shape.slice(0, place), 1, ...x.shape.slice(place)])
}

/** Arrays of one shape side by side along a new axis. */
export const stack = (xs: ReadonlyArray<NdArray>, axis = 0): NdArray => concat(xs.map((x) => expandDims(x, axis)), axis)

/** The slices of x along an axis, without it. */
export const unstack = (x: NdArray, axis = 0): ReadonlyArray<NdArray> => {
  const along = axisOf(axis, x.shape.length)
  const rest = x.shape.filter((_, a) => a !== along)
  return split(x, Array.from({ length: x.shape[along]! }, () => 1), along).map((part) => reshape(part, rest))
}

/** Every pixel of [batch, height, width, channels] repeated factor x factor times. */
export const upsampleNearest = (x: NdArray, factor: number): NdArray => {
  const [batch, height, width, channels] = x.shape as [number, number, number, number]
  return build(
    [batch, height * factor, width * factor, channels],
    ([n, y, x_, c]) => get(x, [n!, Math.floor(y! / factor), Math.floor(x_! / factor), c!])
  )
}

/** x surrounded by itself in a mirror, which stands on the outermost elements (reflect) or behind them (symmetric). */
export const mirrorPad = (
  x: NdArray,
  paddings: ReadonlyArray<readonly [number, number]>,
  mode: "reflect" | "symmetric"
): NdArray => {
  const apart = mode === "reflect" ? 0 : 1
  return build(
    x.shape.map((size, axis) => size + paddings[axis]![0] + paddings[axis]![1]),
    (index) =>
      get(
        x,
        index.map((i, axis) => {
          const [place, size] = [i - paddings[axis]![0], x.shape[axis]!]
          return place < 0 ? -place - apart : place >= size ? 2 * (size - 1) - place + apart : place
        })
      )
  )
}

/** The channels of each pixel laid out as a block of pixels: block x block times fewer channels. */
export const depthToSpace = (x: NdArray, block: number): NdArray => {
  const [batch, height, width, channels] = x.shape as [number, number, number, number]
  const depth = channels / block ** 2
  return build([batch, height * block, width * block, depth], ([n, y, z, c]) =>
    get(x, [
      n!,
      Math.floor(y! / block),
      Math.floor(z! / block),
      ((y! % block) * block + z! % block) * depth + c!
    ]))
}

/** Where a resized image looks: corners on corners, or pixels as areas, or (neither) upper left corners on each other. */
export type Alignment = "corners" | "centres" | "origins"

/** How far apart, in pixels of the old image, pixels of the new one are. */
const scaleOf = (from: number, to: number, alignment: Alignment): number =>
  alignment === "corners" && to > 1 ? (from - 1) / (to - 1) : from / to

/** [batch, height, width, channels] resized: each pixel is the old image's at the nearest place. */
export const resizeNearest = (
  x: NdArray,
  [height, width]: readonly [number, number],
  alignment: Alignment
): NdArray => {
  const [batch, rows, columns, channels] = x.shape as [number, number, number, number]
  const placeOf = (i: number, from: number, to: number): number => {
    const place = (alignment === "centres" ? i + 0.5 : i) * scaleOf(from, to, alignment)
    return Math.min(from - 1, alignment === "corners" ? Math.round(place) : Math.floor(place))
  }
  return build(
    [batch, height, width, channels],
    ([n, y, z, c]) => get(x, [n!, placeOf(y!, rows, height), placeOf(z!, columns, width), c!])
  )
}

/** [batch, height, width, channels] resized: each pixel lies between four of the old image. */
export const resizeBilinear = (
  x: NdArray,
  [height, width]: readonly [number, number],
  alignment: Alignment
): NdArray => {
  const [batch, rows, columns, channels] = x.shape as [number, number, number, number]
  const placeOf = (i: number, from: number, to: number): number => {
    const scale = scaleOf(from, to, alignment)
    const place = alignment === "centres" ? (i + 0.5) * scale - 0.5 : i * scale
    return Math.min(from - 1, Math.max(0, place))
  }
  return build([batch, height, width, channels], ([n, y, z, c]) => {
    const [down, across] = [placeOf(y!, rows, height), placeOf(z!, columns, width)]
    const pixel = (row: number, column: number) => get(x, [n!, Math.ceil(row), Math.ceil(column), c!])
    const [top, left] = [Math.floor(down), Math.floor(across)]
    const along = (row: number) =>
      (1 - across + left) * pixel(row, left) + (across - left) * pixel(row, Math.ceil(across))
    return (1 - down + top) * along(top) + (down - top) * along(Math.ceil(down))
  })
}
