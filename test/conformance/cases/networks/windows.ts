/**
 * Cases of what sees an image through windows: pooling, and convolutions of every channel by itself.
 */
import * as tf from "@tensorflow/tfjs"
import * as fc from "fast-check"
import { tfjsPadding } from "../../algebra.ts"
import { distinctValues, seeds } from "../../arbitraries.ts"
import { type Case, float, instance } from "../../Case.ts"
import * as reference from "../../reference/index.ts"
import { type NdArray, type Padding, sizeOf } from "../../reference/index.ts"
import { images, of, side, small } from "./images.ts"

const paddings: fc.Arbitrary<Padding> = fc.oneof(
  fc.constantFrom<Padding>("same", "valid", 0, 1),
  fc.tuple(fc.nat(1), fc.nat(1), fc.nat(1), fc.nat(1)).map(
    ([top, bottom, left, right]): Padding => [[top, bottom], [left, right]]
  )
)

const pooling: ReadonlyArray<Case> = [
  {
    name: "maxPool",
    instances: fc.record({
      shape: images,
      kernel: small,
      strides: small,
      padding: fc.constantFrom("same" as const, "valid" as const, 0, 1),
      seed: seeds
    }).map(({ padding: drawn, ...rest }) => ({
      ...rest,
      // A window sees something of the image.
      padding: rest.kernel === 1 && drawn === 1 ? 0 : drawn
    })).map(
      ({ kernel, padding, seed, shape, strides }) =>
        instance(
          `maxPool of ${kernel}x${kernel} with stride ${strides}, padding ${padding}`,
          { x: float(distinctValues(seed, shape)) },
          ({ x }) => [tf.maxPool(x as tf.Tensor4D, kernel, strides, padding)],
          ({ x }) => [reference.maxPool(x!, kernel, strides, padding)],
          ["x"]
        )
    )
  },
  {
    // Where no element is above 0, and one is 0, it shows what padding counts as.
    name: "maxPool of negative elements, by tf.pool",
    instances: fc.tuple(images, seeds).map(([shape, seed]) =>
      instance(
        "maxPool of 3x3, padding same",
        { x: float(reference.map((x) => x - (sizeOf(shape) / 2 - 1) / 8)(distinctValues(seed, shape))) },
        ({ x }) => [tf.pool(x as tf.Tensor4D, 3, "max", "same"), tf.maxPool(x as tf.Tensor4D, 2, 2, "same")],
        ({ x }) => [reference.maxPool(x!, 3, 1, "same"), reference.maxPool(x!, 2, 2, "same")],
        ["x"]
      )
    )
  }
]

const depthwise: ReadonlyArray<Case> = [
  {
    name: "depthwiseConv2d",
    instances: fc.record({
      shape: images,
      kernel: fc.constantFrom(1, 2, 3),
      multiplier: fc.constantFrom(1, 2),
      strides: fc.constantFrom(1, 2),
      padding: paddings,
      seed: seeds
    }).map(({ kernel, multiplier, padding, seed, shape, strides }) =>
      instance(
        `depthwiseConv2d with stride ${strides}, padding ${JSON.stringify(padding)}`,
        { x: of(seed, shape), filter: of(seed + 1, [kernel, kernel, shape[3], multiplier]) },
        ({ filter, x }) => [
          tf.depthwiseConv2d(x as tf.Tensor4D, filter as tf.Tensor4D, strides, tfjsPadding(padding) as "same")
        ],
        ({ filter, x }) => [reference.depthwiseConv2d(x!, filter!, { strides, padding })],
        ["x", "filter"]
      )
    )
  },
  {
    // As many channels as a processor takes at once, or twice that.
    name: "depthwiseConv2d of many channels",
    instances: fc.record({
      batch: fc.constantFrom(1, 2),
      size: fc.tuple(side, side),
      channels: fc.constantFrom(8, 16, 32),
      strides: fc.constantFrom(1, 2),
      padding: paddings,
      seed: seeds
    }).map(({ batch, channels, padding, seed, size, strides }) =>
      instance(
        `depthwiseConv2d with stride ${strides}, padding ${JSON.stringify(padding)}`,
        { x: of(seed, [batch, ...size, channels]), filter: of(seed + 1, [3, 3, channels, 1]) },
        ({ filter, x }) => [
          tf.depthwiseConv2d(x as tf.Tensor4D, filter as tf.Tensor4D, strides, tfjsPadding(padding) as "same")
        ],
        ({ filter, x }) => [reference.depthwiseConv2d(x!, filter!, { strides, padding })],
        ["x", "filter"]
      )
    )
  },
  {
    // tfjs has no gradient of it.
    name: "depthwiseConv2d with dilation",
    instances: fc.tuple(images, seeds).map(([shape, seed]) =>
      instance(
        "depthwiseConv2d with dilation 2, padding same",
        { x: of(seed, shape), filter: of(seed + 1, [3, 3, shape[3], 1]) },
        ({ filter, x }) => [tf.depthwiseConv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, "same", "NHWC", 2)],
        ({ filter, x }) => [reference.depthwiseConv2d(x!, filter!, { strides: 1, padding: "same", dilations: 2 })]
      )
    )
  },
  {
    name: "separableConv2d, conv2dTranspose and conv1d",
    instances: fc.tuple(images, fc.constantFrom(1, 2), seeds).map(([shape, strides, seed]) => {
      const [batch, height, width, channels] = shape
      return instance(
        `with stride ${strides}, padding same,`,
        {
          x: of(seed, shape),
          depthwise: of(seed + 1, [3, 3, channels, 2]),
          pointwise: of(seed + 2, [1, 1, 2 * channels, 3]),
          transposed: of(seed + 3, [3, 3, 2, channels]),
          row: of(seed + 4, [3, channels, 2])
        },
        ({ depthwise, pointwise, row, transposed, x }) => {
          const image = x as tf.Tensor4D
          const rows = tf.reshape(image, [batch * height, width, channels]) as tf.Tensor3D
          return [
            tf.separableConv2d(image, depthwise as tf.Tensor4D, pointwise as tf.Tensor4D, strides, "same"),
            tf.conv1d(rows, row as tf.Tensor3D, strides, "same"),
            tf.conv2dTranspose(
              image,
              transposed as tf.Tensor4D,
              [batch, height * strides, width * strides, 2],
              strides,
              "same"
            )
          ]
        },
        ({ depthwise, pointwise, row, transposed, x }) => [
          reference.conv2d(reference.depthwiseConv2d(x!, depthwise!, { strides, padding: "same" }), pointwise!, {
            strides: 1,
            padding: "valid"
          }),
          reference.reshape(
            reference.conv2d(
              reference.reshape(x!, [batch * height, 1, width, channels]),
              reference.reshape(row!, [1, 3, channels, 2]),
              { strides, padding: "same" }
            ),
            [batch * height, Math.ceil(width / strides), 2]
          ),
          transposedConvolution(x!, transposed!, strides)
        ],
        ["x", "depthwise", "pointwise", "transposed", "row"]
      )
    })
  }
]

/**
 * What a convolution with padding same takes its input's gradient from: zeros between pixels and around them, and the
 * filter turned by 180 degrees.
 */
const transposedConvolution = (x: NdArray, filter: NdArray, strides: number): NdArray => {
  const [batch, height, width, channels] = x.shape as [number, number, number, number]
  const turned = reference.transpose(reference.reverse(filter, [0, 1]), [0, 1, 3, 2])
  const before = strides === 1 ? 1 : 0
  const spread = reference.build(
    [batch, height * strides, width * strides, channels],
    ([n, i, j, c]) =>
      i! % strides === 0 && j! % strides === 0 ? reference.get(x, [n!, i! / strides, j! / strides, c!]) : 0
  )
  return reference.conv2d(spread, turned, { strides: 1, padding: [[2 - before, before], [2 - before, before]] })
}

export const windows: ReadonlyArray<Case> = [...pooling, ...depthwise]
