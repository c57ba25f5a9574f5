/**
 * Chains of operations on images, as networks have them. An engine that keeps images in another order than the program
 * wrote them must still find every axis: what follows a convolution is where that goes wrong.
 */
import * as fc from "fast-check"
import { type Algebra, arrays, tensors } from "../algebra.ts"
import { hash, seeds, values } from "../arbitraries.ts"
import { type Argument, type Case, float, type Inputs, type Instance, instance } from "../Case.ts"
import { type Shape, sizeOf } from "../reference/index.ts"

/** One link: the arrays that it needs beside the image, and what it does to the image. */
interface Link {
  readonly label: string
  readonly inputs: { readonly [name: string]: Shape }
  /** Given the chain's first image too, to come back to. */
  readonly run: <T>(algebra: Algebra<T>, x: T, inputs: Inputs<T>, first: T) => T
}

/** How large a chain's arrays may be, and how many channels its convolutions make. */
interface Room {
  readonly channels: ReadonlyArray<number>
  readonly filter: number
  readonly image: number
}

/** Small enough to move each element by itself. */
const narrow: Room = { channels: [1, 2, 3], filter: 100, image: 160 }

/** Channels in multiples of 8 and 16, as networks have them and vector units like them, and others between. */
const wide: Room = { channels: [8, 16, 16, 24, 32, 5], filter: 8192, image: 4096 }

/**
 * A link for an image [batch, height, width, channels], its attributes a function of a seed; none where it does not
 * fit.
 */
type MakeLink = (shape: Shape, seed: number, first: Shape, room: Room) => Link | undefined

/** A whole number from 0 to `count - 1`, a pure function of a seed and a place. */
const pick = (seed: number, place: number, count: number): number => Math.floor(count * hash(seed, place))
const choose = <A>(seed: number, place: number, choices: ReadonlyArray<A>): A =>
  choices[pick(seed, place, choices.length)]!
const link = (label: string, run: Link["run"], inputs: Link["inputs"] = {}): Link => ({ label, inputs, run })
const show = (numbers: ReadonlyArray<number>): string => `[${numbers.join(", ")}]`
const same = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((size, axis) => size === b[axis])

const convolve: MakeLink = (shape, seed, _, room) => {
  const kernel = choose(seed, 0, [1, 3, 3, 5])
  const strides = choose(seed, 1, [1, 1, 2])
  const channels = choose(seed, 2, room.channels)
  const inputs = shape[3]!
  if (kernel * kernel * inputs * channels > room.filter) return undefined
  const oihw = choose(seed, 3, [true, false])
  return link(
    `conv ${kernel}x${kernel} to ${channels}, stride ${strides}${oihw ? ", OIHW" : ""}`,
    (algebra, x, { filter }) =>
      algebra.conv2d(x, oihw ? algebra.transpose(filter!, [2, 3, 1, 0]) : filter!, { strides, padding: "same" }),
    { filter: oihw ? [channels, inputs, kernel, kernel] : [kernel, kernel, inputs, channels] }
  )
}

/** As the downsampling of DDPM's network: zeros at the bottom and the right, then no padding. */
const downsample: MakeLink = (shape, seed, _, room) => {
  const channels = choose(seed, 0, room.channels)
  return shape[1]! < 2 || shape[2]! < 2 || 9 * shape[3]! * channels > room.filter ? undefined : link(
    "pad bottom and right, conv 3x3 with stride 2",
    (algebra, x, { filter }) =>
      algebra.conv2d(algebra.pad(x, [[0, 0], [0, 1], [0, 1], [0, 0]]), filter!, { strides: 2, padding: "valid" }),
    { filter: [3, 3, shape[3]!, channels] }
  )
}

const normalise: MakeLink = (shape, seed) => {
  const groups = choose(seed, 0, [1, 2, 3].filter((count) => shape[3]! % count === 0))
  const activation = choose(seed, 1, ["none", "silu"] as const)
  return link(
    `groupNorm(${groups}, ${activation})`,
    (algebra, x, { offset, scale }) => algebra.groupNorm(x, scale!, offset!, { groups, epsilon: 0.1, activation }),
    { scale: [shape[3]!], offset: [shape[3]!] }
  )
}

const byElement: MakeLink = (_, seed) =>
  choose(seed, 0, [
    link("silu", (algebra, x) => algebra.silu(x)),
    link("sigmoid(x) x^2", (algebra, x) => algebra.mul(algebra.sigmoid(x), algebra.square(x))),
    link("x + sin(x)", (algebra, x) => algebra.add(x, algebra.sin(x)))
  ])

/** A vector along one axis, or an image with some axes of size 1, meets the image. */
const broadcast: MakeLink = (shape, seed) => {
  const other = choose<Shape>(seed, 0, [
    [shape[3]!],
    [shape[0]!, 1, 1, shape[3]!],
    [1, shape[1]!, 1, 1],
    [shape[2]!, 1],
    [shape[0]!, 1, 1, 1],
    []
  ])
  const add = choose(seed, 1, [true, false])
  return link(
    `${add ? "add" : "mul"} ${show(other)}`,
    (algebra, x, { other }) => add ? algebra.add(x, other!) : algebra.mul(other!, x),
    { other }
  )
}

const skip: MakeLink = (shape, _, first) =>
  same(shape, first) ? link("add the first", (algebra, x, __, first) => algebra.add(x, first)) : undefined

const concatenate: MakeLink = (shape, seed, first) => {
  const axis = pick(seed, 0, 4)
  const fits = shape.every((size, i) => i === axis || size === first[i])
  return fits
    ? link(`concat the first along ${axis}`, (algebra, x, _, first) => algebra.concat([x, first], axis))
    : link(`concat itself along ${axis}`, (algebra, x) => algebra.concat([x, algebra.neg(x)], axis))
}

const slice: MakeLink = (shape, seed) => {
  const begin = shape.map((size, axis) => pick(seed, axis, Math.ceil(size / 2)))
  const size = shape.map((length, axis) => Math.max(1, length - begin[axis]! - pick(seed, axis + 4, 2)))
  return link(`slice ${show(begin)} ${show(size)}`, (algebra, x) => algebra.slice(x, begin, size))
}

const pad: MakeLink = (shape, seed) => {
  const axis = pick(seed, 0, 4)
  const paddings = shape.map((_, i) => i === axis ? [pick(seed, 1, 2), 1] as const : [0, 0] as const)
  const constant = choose(seed, 2, [0, 0.5])
  return link(
    `pad axis ${axis} by ${show(paddings[axis]!)} with ${constant}`,
    (algebra, x) => algebra.pad(x, paddings, constant)
  )
}

/** The pieces come back in another order. */
const split: MakeLink = (shape, seed) => {
  const axis = pick(seed, 0, 4)
  const length = shape[axis]!
  if (length === 1) return undefined
  const lengths = [1, length - 1]
  return link(
    `split ${show(lengths)} along ${axis} and swap`,
    (algebra, x) => algebra.concat(algebra.split(x, lengths, axis).toReversed(), axis)
  )
}

/** The axes change places for good: what was the batch may now be the channels. */
const transpose: MakeLink = (_, seed) => {
  const permutation = [0, 1, 2, 3].sort((i, j) => hash(seed, i) - hash(seed, j))
  return link(`transpose ${show(permutation)}`, (algebra, x) => algebra.transpose(x, permutation))
}

const reverse: MakeLink = (_, seed) => {
  const axes = [0, 1, 2, 3].filter((axis) => pick(seed, axis, 2) === 1)
  return link(`reverse ${show(axes)}`, (algebra, x) => algebra.reverse(x, axes))
}

/** A mean over some axes, kept or not, against the image. */
const reduce: MakeLink = (shape, seed) => {
  const axes = [0, 1, 2, 3].filter((axis) => pick(seed, axis, 2) === 1)
  const kept = shape.map((size, axis) => axes.includes(axis) ? 1 : size)
  const keepDims = choose(seed, 4, [true, false])
  return link(
    `minus the mean over ${show(axes)}${keepDims ? "" : ", reshaped"}`,
    (algebra, x) => {
      const mean = algebra.mean(x, axes, keepDims)
      return algebra.sub(x, keepDims ? mean : algebra.reshape(mean, kept))
    }
  )
}

const upsample: MakeLink = () => link("upsample by 2", (algebra, x) => algebra.upsampleNearest(x, 2))

const averagePool: MakeLink = (shape) =>
  shape[1]! < 2 || shape[2]! < 2 ? undefined : link("avgPool 2x2", (algebra, x) => algebra.avgPool(x, 2, 2, "valid"))

/** To a row a pixel, through a matrix, and back. */
const tokens: MakeLink = (shape) => {
  const [batch, height, width, channels] = shape as [number, number, number, number]
  return link("tokens times a matrix", (algebra, x, { matrix }) => {
    const rows = algebra.reshape(x, [batch * height * width, channels])
    return algebra.reshape(algebra.matMul(rows, matrix!), shape)
  }, { matrix: [channels, channels] })
}

const attend: MakeLink = (shape) => {
  const [batch, height, width, channels] = shape as [number, number, number, number]
  const heads = channels % 2 === 0 ? 2 : 1
  const depth = channels / heads
  return height * width > 12 ? undefined : link(`attention, ${heads} heads`, (algebra, x) => {
    const split = algebra.reshape(x, [batch, height * width, heads, depth])
    const v = algebra.transpose(split, [0, 2, 1, 3])
    // Queries and keys of at most 1, so that no probability is so near to 1 that its derivative is lost in rounding.
    const q = algebra.sin(v)
    const mixed = algebra.attention(q, algebra.square(q), v, 0.5)
    return algebra.reshape(algebra.transpose(mixed, [0, 2, 1, 3]), shape)
  })
}

/** Rows and columns without their meaning: an axis order that no layout expects. */
const flatten: MakeLink = (shape) => {
  const [batch, height, width, channels] = shape as [number, number, number, number]
  return link(
    "reshape to [batch, width, height, channels] without moving an element",
    (algebra, x) => algebra.reshape(algebra.square(x), [batch, width, height, channels])
  )
}

const links: ReadonlyArray<MakeLink> = [
  convolve,
  convolve,
  downsample,
  normalise,
  byElement,
  broadcast,
  skip,
  concatenate,
  slice,
  pad,
  split,
  transpose,
  reverse,
  reduce,
  upsample,
  averagePool,
  tokens,
  attend,
  flatten
]

/** What an image becomes by a link, found by running it on the reference. */
const shapeAfter = ({ inputs, run }: Link, shape: Shape, first: Shape): Shape => {
  const zeros = (of: Shape) => arrays.full(of, 0)
  const given = Object.fromEntries(Object.entries(inputs).map(([name, of]) => [name, zeros(of)]))
  return run(arrays, zeros(shape), given, zeros(first)).shape
}

/** The links that fit one after the other, each made from its number and seed. */
const chainOf = (shape: Shape, numbers: ReadonlyArray<readonly [number, number]>, room = narrow) => {
  const made: Array<Link> = []
  let present = shape
  // The first image to come back to is the one after the first link.
  let first = shape
  for (const [number, seed] of numbers) {
    const next = links[number % links.length]!(present, seed, first, room)
    if (next === undefined) continue
    const after = shapeAfter(next, present, first)
    if (sizeOf(after) > room.image || after.some((size) => size === 0)) continue
    made.push(next)
    present = after
    if (made.length === 1) first = after
  }
  return made
}

/** The image after each link; the first to come back to is that after the first link. */
const run = (made: ReadonlyArray<Link>) => <T>(algebra: Algebra<T>, inputs: Inputs<T>): ReadonlyArray<T> => {
  const images = [inputs["x"] as T]
  made.forEach(({ inputs: names, run }, i) => {
    const own: Inputs<T> = Object.fromEntries(Object.keys(names).map((name) => [name, inputs[`${name}${i}`] as T]))
    images.push(run(algebra, images[i]!, own, images[Math.min(i, 1)]!))
  })
  return images
}

const chainInstance = (shape: Shape, seed: number, made: ReadonlyArray<Link>, by: Instance["by"] = "elements") => {
  const inputs: { readonly [name: string]: Argument } = Object.fromEntries([
    ["x", float(values(seed, shape, { low: -1, high: 1 }))],
    ...made.flatMap(({ inputs }, i) =>
      Object.entries(inputs).map(([name, of], j) =>
        [`${name}${i}`, float(values(seed + 100 * i + j + 1, of, { low: -1, high: 1 }))] as const
      )
    )
  ])
  const evaluate = run(made)
  const images = evaluate(arrays, Object.fromEntries(Object.entries(inputs).map(([name, { array }]) => [name, array])))
  const largest = images.reduce((largest, { data }) => data.reduce((a, b) => Math.max(a, Math.abs(b)), largest), 0)
  return instance(
    made.map(({ label }) => label).join(" -> "),
    inputs,
    (all) => evaluate(tensors, all).slice(-1),
    (all) => evaluate(arrays, all).slice(-1),
    Object.keys(inputs),
    largest,
    by
  )
}

const images: fc.Arbitrary<Shape> = fc.constantFrom<Shape>(
  [2, 3, 4, 2],
  [1, 4, 3, 3],
  [2, 4, 4, 1],
  [3, 2, 3, 2],
  [2, 1, 5, 2],
  [1, 5, 5, 1]
)

const randomChains: Case = {
  name: "chains that begin with a convolution",
  instances: fc.record({
    shape: images,
    seed: seeds,
    rest: fc.array(fc.tuple(fc.nat(links.length - 1), seeds), { minLength: 1, maxLength: 6, size: "max" })
  }).map(({ rest, seed, shape }) => chainInstance(shape, seed, chainOf(shape, [[0, seed], ...rest])))
}

const wideImages: fc.Arbitrary<Shape> = fc.tuple(
  fc.integer({ min: 1, max: 3 }),
  fc.integer({ min: 2, max: 6 }),
  fc.integer({ min: 2, max: 6 }),
  fc.constantFrom(...wide.channels)
)

const wideChains: ReadonlyArray<Case> = [
  {
    name: "a convolution of many channels",
    instances: fc.tuple(wideImages, seeds).map(([shape, seed]) =>
      chainInstance(shape, seed, chainOf(shape, [[0, seed]], wide), "directions")
    )
  },
  {
    name: "chains of many channels",
    instances: fc.record({
      shape: wideImages,
      seed: seeds,
      rest: fc.array(fc.tuple(fc.nat(links.length - 1), seeds), { minLength: 1, maxLength: 5, size: "max" })
    }).map(({ rest, seed, shape }) =>
      chainInstance(shape, seed, chainOf(shape, [[0, seed], ...rest], wide), "directions")
    )
  }
]

/** Every link by itself after a convolution, and before another. */
const aroundConvolutions: ReadonlyArray<Case> = links.slice(2).map((_, i): Case => ({
  name: `a convolution, ${links[i + 2]!.name}, a convolution`,
  instances: fc.tuple(images, seeds, seeds, seeds).map(([shape, seed, attributes, last]) =>
    chainInstance(shape, seed, chainOf(shape, [[0, seed], [i + 2, attributes], [0, last]]))
  )
}))

/** A residual block with a skip connection by concatenation, and a linear layer on its pixels. */
const block: Case = {
  name: "residual block, concatenation, tokens, and back",
  instances: fc.tuple(fc.constantFrom<Shape>([2, 3, 4, 2], [1, 4, 4, 2], [2, 2, 3, 2]), seeds).map(([shape, seed]) => {
    const [batch, height, width, channels] = shape as [number, number, number, number]
    const sizes: Inputs<Shape> = {
      x: shape,
      first: [channels, channels, 3, 3],
      second: [channels, channels, 3, 3],
      scale: [channels],
      offset: [channels],
      bias: [channels],
      matrix: [2 * channels, 3]
    }
    const evaluate = <T>(algebra: Algebra<T>, all: Inputs<T>): ReadonlyArray<T> => {
      const convolve = (x: T, filter: T) =>
        algebra.conv2d(x, algebra.transpose(filter, [2, 3, 1, 0]), { strides: 1, padding: 1 })
      const options = { groups: 2, epsilon: 0.1, activation: "silu" } as const
      const hidden = algebra.add(convolve(all["x"]!, all["first"]!), all["bias"]!)
      const normalised = algebra.groupNorm(hidden, all["scale"]!, all["offset"]!, options)
      const sum = algebra.add(convolve(normalised, all["second"]!), all["x"]!)
      const joined = algebra.concat([sum, hidden], 3)
      const rows = algebra.reshape(joined, [batch, height * width, 2 * channels])
      const mixed = algebra.matMul(algebra.reshape(rows, [batch * height * width, 2 * channels]), all["matrix"]!)
      return [algebra.reshape(mixed, [batch, height, width, 3]), algebra.mean(sum, [1, 2]), joined]
    }
    return instance(
      "block",
      Object.fromEntries(
        Object.entries(sizes).map(([name, of], i) => [name, float(values(seed + i, of, { low: -1, high: 1 }))])
      ),
      (all) => evaluate(tensors, all),
      (all) => evaluate(arrays, all),
      Object.keys(sizes)
    )
  })
}

export const chains: ReadonlyArray<Case> = [block, ...aroundConvolutions, randomChains, ...wideChains]
