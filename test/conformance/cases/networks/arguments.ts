/**
 * Cases of where windows lie: windows that are no squares, strides that differ, padding in numbers, and numbers of windows that
 * are rounded up.
 */
import * as tf from "@tensorflow/tfjs"
import * as fc from "fast-check"
import { tfjsPadding, tfjsPair } from "../../algebra.ts"
import { distinctValues, integers, seeds } from "../../arbitraries.ts"
import { type Case, float, instance } from "../../Case.ts"
import * as reference from "../../reference/index.ts"
import type { NdArray, Padding, Rounding } from "../../reference/index.ts"
import { of } from "./images.ts"

const pairs = (min: number, max: number) => fc.tuple(fc.integer({ min, max }), fc.integer({ min, max }))

const borders = pairs(0, 2)

/** Where tfjs lets the number of windows be rounded, it may be. */
const paddings: fc.Arbitrary<{ readonly padding: Padding; readonly rounding: Rounding | undefined }> = fc.oneof(
  fc.record({ padding: fc.constantFrom<Padding>("same", "valid"), rounding: fc.constant(undefined) }),
  fc.record({
    padding: fc.oneof(fc.nat(2), fc.tuple(borders, borders)),
    rounding: fc.constantFrom<Rounding | undefined>(undefined, "floor", "round", "ceil")
  })
)

interface Drawn {
  readonly batch: number
  readonly size: readonly [number, number]
  readonly kernel: readonly [number, number]
  readonly strides: readonly [number, number]
  readonly padding: Padding
  readonly rounding: Rounding | undefined
  readonly seed: number
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  batch: fc.integer({ min: 1, max: 2 }),
  size: pairs(1, 7),
  kernel: pairs(1, 4),
  strides: fc.oneof(fc.constantFrom<readonly [number, number]>([1, 1], [2, 2]), pairs(1, 3)),
  padded: paddings,
  seed: seeds
}).map(({ padded, ...others }) => ({ ...others, ...padded })).filter((one) => countOf(one).every((count) => count > 0))

const countOf = ({ kernel, size, ...convolution }: Drawn) =>
  reference.windowCount(size, kernel, convolutionOf(convolution))

const convolutionOf = ({ padding, rounding = "floor", strides }: Pick<Drawn, "padding" | "rounding" | "strides">) => ({
  padding,
  rounding,
  strides
})

/** Every window sees something of the image. */
const pools = drawn.filter(({ kernel, padding, rounding, size, strides }) => {
  const image = { shape: [1, ...size, 1], data: new Float64Array(size[0] * size[1]) }
  return !reference.avgPool(image, kernel, strides, padding, rounding).data.some(Number.isNaN)
})

const plain: Drawn = {
  batch: 1,
  size: [5, 5],
  kernel: [3, 3],
  strides: [1, 1],
  padding: 1,
  rounding: undefined,
  seed: 1
}

const show = ({ padding, rounding, strides }: Drawn): string =>
  `with strides ${strides.join()}, padding ${JSON.stringify(padding)}${rounding === undefined ? "" : `, ${rounding},`}`

const convolved = (one: Drawn) => {
  const { batch, kernel, padding, rounding, seed, size, strides } = one
  const convolution = convolutionOf(one)
  const placed = [tfjsPair(strides), tfjsPadding(padding), "NHWC", 1, rounding] as const
  const named = { strides: tfjsPair(strides), pad: tfjsPadding(padding), dimRoundingMode: rounding! }
  return instance(
    `convolutions ${show(one)}`,
    {
      x: of(seed, [batch, ...size, 2]),
      filter: of(seed + 1, [...kernel, 2, 3]),
      each: of(seed + 2, [...kernel, 2, 2]),
      bias: of(seed + 3, [3])
    },
    ({ bias, each, filter, x }) => {
      const [image, filters, eachs] = [x, filter, each] as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D]
      return [
        tf.conv2d(image, filters, ...placed),
        tf.depthwiseConv2d(image, eachs, placed[0], placed[1] as "same", placed[2], placed[3], placed[4]),
        tf.fused.conv2d({ x: image, filter: filters, bias: bias!, ...named }),
        tf.fused.depthwiseConv2d({ x: image, filter: eachs, ...named, pad: named.pad as "same" })
      ]
    },
    ({ bias, each, filter, x }) => [
      reference.conv2d(x!, filter!, convolution),
      reference.depthwiseConv2d(x!, each!, convolution),
      reference.add(reference.conv2d(x!, filter!, convolution), bias!),
      reference.depthwiseConv2d(x!, each!, convolution)
    ],
    ["x", "filter", "each", "bias"]
  )
}

const convolutions: Case = {
  name: "conv2d, depthwiseConv2d and fused convolutions, any window, stride and padding",
  instances: drawn.map(convolved),
  // tfjs counts the windows across with the filter's height, and with the stride down.
  examples: [
    convolved({ ...plain, kernel: [3, 1] }),
    convolved({ ...plain, kernel: [1, 3], padding: 0 }),
    convolved({ ...plain, strides: [2, 1] })
  ]
}

const pooling: Case = {
  name: "maxPool, avgPool and pool, any window, stride and padding",
  instances: pools.map((one) => {
    const { batch, kernel, padding, rounding, seed, size, strides } = one
    const placed = [tfjsPair(kernel) as [number, number], tfjsPair(strides), tfjsPadding(padding), rounding] as const
    const window = placed[0]
    // tf.pool takes a padding of 0 for "valid", with which tfjs refuses to round.
    const round = padding === 0 ? undefined : rounding
    return instance(
      `pooling over ${kernel.join("x")} ${show(one)}`,
      { x: float(distinctValues(seed, [batch, ...size, 2])) },
      ({ x }) => {
        const image = x as tf.Tensor4D
        return [
          tf.maxPool(image, ...placed),
          tf.avgPool(image, ...placed),
          tf.pool(image, window, "max", placed[2], 1, placed[1], round),
          tf.pool(image, window, "avg", placed[2], 1, placed[1], round)
        ]
      },
      ({ x }) => {
        const largest = (rounding?: Rounding) => reference.maxPool(x!, kernel, strides, padding, rounding)
        const means = (rounding?: Rounding) => reference.avgPool(x!, kernel, strides, padding, rounding)
        return [largest(rounding), means(rounding), largest(round), means(round)]
      },
      ["x"]
    )
  })
}

/** Few different elements, so that there are several largest. */
const tied = (one: Drawn, channels: number) => {
  const { batch, kernel, padding, seed, size, strides } = one
  const placed = [tfjsPair(kernel) as [number, number], tfjsPair(strides), tfjsPadding(padding)] as const
  return instance(
    `the gradient of maxPool of ${kernel.join("x")} ${show(one)}`,
    {
      x: float(integers(seed, [batch, ...size, channels], -1, 1)),
      dy: of(seed + 1, [batch, ...countOf(one), channels])
    },
    ({ dy, x }) => [tf.grad((x) => tf.sum(tf.mul(dy!, tf.maxPool(x as tf.Tensor4D, ...placed))))(x!)],
    ({ dy, x }) => [reference.maxPoolGradient(dy!, x!, kernel, strides, padding)],
    [],
    // A pixel is given the sum of what several windows have for it.
    4,
    "directions"
  )
}

const ties: Case = {
  name: "the gradient of maxPool where several elements are the largest",
  // As many channels as a processor takes at once, twice that, and others.
  instances: fc.tuple(pools, fc.constantFrom(2, 3, 16, 32)).map(([one, channels]) =>
    tied({ ...one, rounding: undefined }, channels)
  ),
  // ONNX Runtime refuses padding that is as large as a window, also where no window sees it.
  examples: [tied({ ...plain, size: [3, 4], kernel: [1, 2], strides: [2, 2], padding: [[0, 0], [1, 2]] }, 2)]
}

const transposed: Case = {
  name: "conv2dTranspose, any window, stride and padding",
  instances: drawn.map((one) => {
    const { batch, kernel, padding, rounding, seed, size, strides } = one
    const shape: [number, number, number, number] = [batch, ...size, 2]
    return instance(
      `conv2dTranspose to ${shape.join()} ${show(one)}`,
      {
        x: of(seed, [batch, ...countOf(one), 3]),
        filter: of(seed + 1, [...kernel, 2, 3])
      },
      ({ filter, x }) => [
        tf.conv2dTranspose(
          x as tf.Tensor4D,
          filter as tf.Tensor4D,
          shape,
          tfjsPair(strides),
          tfjsPadding(padding),
          rounding
        )
      ],
      ({ filter, x }) => [reference.conv2dTranspose(x!, filter!, shape, convolutionOf(one))],
      ["x", "filter"]
    )
  })
}

const line = (one: Drawn) => {
  const { batch, kernel: [, kernel], padding: drawnPadding, rounding, seed, size: [, length], strides: [, stride] } =
    one
  const padding: Padding = typeof drawnPadding === "object" ? [[0, 0], drawnPadding[1]] : drawnPadding
  // The other axis has one element.
  const image = (x: NdArray) => reference.reshape(x, [batch, 1, length, 2])
  const along: Padding = typeof padding === "number" ? [[0, 0], [padding, padding]] : padding
  return instance(
    `conv1d ${show({ ...one, padding, strides: [1, stride] })}`,
    { x: of(seed, [batch, length, 2]), filter: of(seed + 1, [kernel, 2, 3]) },
    ({ filter, x }) => [
      tf.conv1d(x as tf.Tensor3D, filter as tf.Tensor3D, stride, tfjsPadding(padding), "NWC", 1, rounding)
    ],
    ({ filter, x }) => {
      const convolution = convolutionOf({ rounding, padding: along, strides: [1, stride] })
      const y = reference.conv2d(image(x!), reference.reshape(filter!, [1, kernel, 2, 3]), convolution)
      return [reference.reshape(y, [batch, y.shape[2]!, 3])]
    },
    ["x", "filter"]
  )
}

const lines: Case = {
  name: "conv1d, any stride and padding",
  instances: drawn.map(line),
  // tfjs pads what it makes of a line above and below as well.
  examples: [line(plain)]
}

const dilated: Case = {
  // tfjs has no gradient of these.
  name: "conv2d and depthwiseConv2d with dilations that differ",
  instances: fc.tuple(drawn, pairs(1, 3)).filter(([{ kernel, padding, size }, dilations]) =>
    reference.windowCount(size, kernel, { padding, dilations, strides: 1 }).every((count) => count > 0)
  ).map(([one, dilations]) => {
    const { batch, kernel, padding, seed, size, strides } = one
    const convolution = { padding, dilations, strides: 1 }
    const pad = tfjsPadding(padding)
    return instance(
      `convolutions with dilations ${dilations.join()}, padding ${JSON.stringify(padding)}`,
      {
        x: of(seed, [batch, ...size, 2]),
        filter: of(seed + 1, [...kernel, 2, 3]),
        each: of(seed + 2, [...kernel, 2, 2])
      },
      ({ each, filter, x }) => [
        tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, pad, "NHWC", [...dilations]),
        tf.depthwiseConv2d(x as tf.Tensor4D, each as tf.Tensor4D, [...strides], pad as "same", "NHWC", [...dilations])
      ],
      ({ each, filter, x }) => [
        reference.conv2d(x!, filter!, convolution),
        reference.depthwiseConv2d(x!, each!, { ...convolution, strides })
      ]
    )
  })
}

/** Windows by all arguments that place them. */
export const windowArguments: ReadonlyArray<Case> = [convolutions, pooling, ties, transposed, lines, dilated]
