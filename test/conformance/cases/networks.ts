/**
 * Cases of what networks are built of besides convolutions and products: pooling, depthwise convolutions, resizing,
 * normalisation, sums by letters, and kernels that stand for several operations.
 */
import * as tf from "@tensorflow/tfjs"
import * as fc from "fast-check"
import { tfjsPadding } from "../algebra.ts"
import { dimension, distinctValues, hash, integers, type Range, seeds, shapes, values } from "../arbitraries.ts"
import { type Case, float, instance, int } from "../Case.ts"
import * as reference from "../reference/index.ts"
import { type Alignment, type NdArray, type Padding, type Shape, sizeOf } from "../reference/index.ts"

const around: Range = { low: -2, high: 2 }
const of = (seed: number, shape: Shape) => float(values(seed, shape, around))
const small = fc.integer({ min: 1, max: 3 })
const side = fc.integer({ min: 3, max: 6 })
const images = fc.tuple(small, side, side, small)
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

const alignments = fc.constantFrom<Alignment>("corners", "centres", "origins")

const resizing: ReadonlyArray<Case> = ([
  ["resizeBilinear", tf.image.resizeBilinear, reference.resizeBilinear],
  ["resizeNearestNeighbor", tf.image.resizeNearestNeighbor, reference.resizeNearest]
] as const).map(([name, program, expected]): Case => ({
  name,
  instances: fc.record({
    shape: fc.tuple(small, fc.constantFrom(1, 2, 4), fc.constantFrom(1, 2, 4), small),
    // Powers of 2, whose quotients are exact: elsewhere the nearest place would be a matter of rounding.
    size: fc.tuple(fc.constantFrom(1, 2, 4, 8), fc.constantFrom(1, 2, 4, 8)),
    alignment: alignments,
    seed: seeds
  }).map(({ alignment, seed, shape, size }) =>
    instance(
      `${name} to ${size.join(" x ")}, aligned by ${alignment}`,
      { x: of(seed, shape) },
      ({ x }) => [program(x as tf.Tensor4D, [...size], alignment === "corners", alignment === "centres")],
      ({ x }) => [expected(x!, size, alignment)],
      ["x"]
    )
  )
}))

const movement: ReadonlyArray<Case> = [
  {
    name: "mirrorPad",
    instances: fc.tuple(shapes({ minRank: 1, maxRank: 4 }), fc.constantFrom("reflect", "symmetric"), seeds).map(
      ([shape, mode, seed]) => {
        const widest = (size: number) => mode === "reflect" ? size - 1 : size
        const paddings = shape.map((size, axis) =>
          [0, 1].map((end) => Math.floor(hash(seed, 2 * axis + end) * (Math.min(2, widest(size)) + 1))) as [
            number,
            number
          ]
        )
        return instance(
          `mirrorPad ${mode} by ${JSON.stringify(paddings)}`,
          { x: of(seed, shape) },
          ({ x }) => [tf.mirrorPad(x!, paddings, mode as "reflect" | "symmetric")],
          ({ x }) => [reference.mirrorPad(x!, paddings, mode as "reflect" | "symmetric")],
          ["x"]
        )
      }
    )
  },
  {
    name: "depthToSpace, spaceToBatchND and back",
    instances: fc.tuple(small, dimension, dimension, seeds).map(([batch, height, width, seed]) =>
      instance(
        "blocks of 2 x 2",
        { x: of(seed, [batch, height, width, 8]) },
        ({ x }) => {
          const spread = tf.depthToSpace(x as tf.Tensor4D, 2)
          const batches = tf.spaceToBatchND(spread, [2, 2], [[0, 0], [0, 2]])
          return [spread, tf.batchToSpaceND(batches, [2, 2], [[0, 0], [1, 1]]), tf.reverse(batches)]
        },
        ({ x }) => {
          const spread = reference.depthToSpace(x!, 2)
          const padded = reference.pad(spread, [[0, 0], [0, 0], [0, 2], [0, 0]])
          const [rows, columns] = [height, width + 1]
          // Batch by batch the pixels of one place in their blocks.
          const batches = reference.build([4 * batch, rows, columns, 2], ([n, i, j, c]) => {
            const place = Math.floor(n! / batch)
            return reference.get(padded, [n! % batch, 2 * i! + Math.floor(place / 2), 2 * j! + (place % 2), c!])
          })
          const cropped = reference.slice(padded, [0, 0, 1, 0], [-1, -1, 2 * columns - 2, -1])
          return [spread, cropped, reference.reverse(batches, [0, 1, 2, 3])]
        },
        ["x"]
      )
    )
  },
  {
    // tfjs passes these on as they are given.
    name: "arguments that are left out, short or negative",
    instances: fc.tuple(shapes({ minRank: 2, maxRank: 4 }), seeds).map(([shape, seed]) => {
      const rest = shape.map((_, axis) => axis === 0 ? shape[0]! - 1 : 0)
      return instance(
        "reverse, slice, stack, concat, split, cumsum",
        { x: of(seed, shape) },
        ({ x }) => [
          tf.reverse(x!),
          tf.reverse(x!, -1),
          tf.slice(x!, shape[0]! - 1),
          tf.slice(x!, [shape[0]! - 1], [1]),
          tf.slice(x!, [...rest]),
          tf.stack([x!, tf.neg(x!)], -1),
          tf.concat([x!, tf.neg(x!)], -1),
          tf.concat(tf.split(tf.tile(x!, shape.map(() => 2)), 2, -1).toReversed(), -1),
          tf.cumsum(x!)
        ],
        ({ x }) => {
          const last = shape.length - 1
          const doubled = reference.tile(x!, shape.map(() => 2))
          const halves = reference.split(doubled, [shape[last]!, shape[last]!], last)
          const lastRow = reference.slice(x!, rest, shape.map((size, axis) => axis === 0 ? 1 : size))
          return [
            reference.reverse(x!, shape.map((_, axis) => axis)),
            reference.reverse(x!, [last]),
            lastRow,
            lastRow,
            lastRow,
            reference.stack([x!, reference.neg(x!)], shape.length),
            reference.concat([x!, reference.neg(x!)], last),
            reference.concat([...halves].toReversed(), last),
            reference.cumsum(x!, 0)
          ]
        },
        ["x"]
      )
    })
  },
  {
    name: "gather by rows of their own, gatherND and scatterND",
    instances: fc.tuple(small, dimension, dimension, dimension, seeds).map(([batch, before, length, after, seed]) => {
      const shape = [batch, before, length, after]
      return instance(
        "gather with batchDims 1, gatherND, scatterND",
        {
          x: of(seed, shape),
          places: int(integers(seed + 1, [batch, 3], 0, length - 1)),
          rows: int(integers(seed + 2, [4, 1], 0, batch - 1)),
          points: int(reference.concat([
            integers(seed + 3, [5, 1], 0, batch - 1),
            integers(seed + 4, [5, 1], 0, before - 1)
          ], 1))
        },
        ({ places, points, rows, x }) => [
          tf.gather(x!, places as tf.Tensor2D, 2, 1),
          tf.gather(x!, tf.reshape(rows!, [4]) as tf.Tensor1D, -4),
          tf.gatherND(x!, tf.cast(points!, "int32")),
          tf.scatterND(points as tf.Tensor2D, tf.gatherND(x!, points as tf.Tensor2D), shape)
        ],
        ({ places, points, rows, x }) => {
          const at = (i: number) => [reference.get(points!, [i, 0]), reference.get(points!, [i, 1])]
          const picked = reference.build([5, length, after], ([i, j, k]) => reference.get(x!, [...at(i!), j!, k!]))
          return [
            reference.build(
              [batch, before, 3, after],
              ([n, i, j, k]) => reference.get(x!, [n!, i!, reference.get(places!, [n!, j!]), k!])
            ),
            reference.gather(x!, reference.reshape(rows!, [4])),
            picked,
            reference.build(
              shape,
              ([n, i, j, k]) =>
                reference.sumOver(5, (p) => at(p)[0] === n && at(p)[1] === i ? reference.get(picked, [p, j!, k!]) : 0)
            )
          ]
        },
        ["x"]
      )
    })
  }
]

/** Sums by letters that users write: products, attention, traces of what has letters of its own. */
const equations = [
  "ij,jk->ik",
  "ij,kj->ki",
  "bij,bjk->bik",
  "bhqd,bhkd->bhqk",
  "bqhd,bkhd->bhqk",
  "bhqk,bkhd->bqhd",
  "bhwc,co->bhwo",
  "i,j->ji",
  "ij,ij->",
  "ij,ij->ij",
  "ijk,j->ki",
  "ij,k->i",
  "ij->ji",
  "ijk->j",
  "ij->"
]

const einsum: Case = {
  name: "einsum",
  instances: fc.tuple(fc.constantFrom(...equations), seeds).map(([equation, seed]) => {
    const terms = equation.split("->")[0]!.split(",")
    const sizeOf = (letter: string) => 1 + Math.floor(3 * hash(seed, letter.charCodeAt(0)))
    const inputs = Object.fromEntries(
      terms.map((term, i) => [["a", "b"][i]!, of(seed + i, [...term].map(sizeOf))])
    )
    const names = Object.keys(inputs)
    return instance(
      `einsum ${equation}`,
      inputs,
      (all) => [tf.einsum(equation, ...names.map((name) => all[name]!))],
      (all) => [reference.einsum(equation, ...names.map((name) => all[name]!))],
      names
    )
  })
}

const normalised = (x: NdArray, mean: NdArray, variance: NdArray, epsilon: number): NdArray =>
  reference.div(
    reference.sub(x, mean),
    reference.sqrt(reference.add(variance, reference.scalar(epsilon)))
  )

const normalisation: ReadonlyArray<Case> = [
  {
    name: "batchNorm",
    instances: fc.tuple(images, seeds).map(([shape, seed]) => {
      const channels = [shape[3]]
      return instance(
        "batchNorm",
        {
          x: of(seed, shape),
          mean: of(seed + 1, channels),
          variance: float(values(seed + 2, channels, { low: 0.5, high: 2 })),
          offset: of(seed + 3, channels),
          scale: of(seed + 4, channels)
        },
        (
          { mean, offset, scale, variance, x }
        ) => [tf.batchNorm(x!, mean as never, variance as never, offset as never, scale as never, 0.01)],
        ({ mean, offset, scale, variance, x }) => [
          reference.add(reference.mul(normalised(x!, mean!, variance!, 0.01), scale!), offset!)
        ],
        ["x", "mean", "variance", "offset", "scale"]
      )
    })
  },
  {
    name: "layer norm by moments, and norms",
    instances: fc.tuple(shapes({ minRank: 2, maxRank: 3 }), seeds).map(([shape, seed]) =>
      instance(
        "layer norm, squared differences, norms",
        // Every row has elements that differ.
        { x: float(distinctValues(seed, [...shape, 3])) },
        ({ x }) => {
          const { mean, variance } = tf.moments(x!, -1, true)
          return [
            tf.div(tf.sub(x!, mean), tf.sqrt(tf.add(variance, 0.1))),
            tf.mean(tf.squaredDifference(x!, tf.mean(x!, -1, true)), -1),
            tf.norm(tf.add(x!, 20), "euclidean", -1),
            tf.norm(tf.add(x!, 20)),
            tf.norm(tf.add(x!, 20), 1, -1, true)
          ]
        },
        ({ x }) => {
          const { mean, variance } = reference.moments(x!, -1, true)
          const shifted = reference.add(x!, reference.scalar(20))
          return [
            normalised(x!, mean, variance, 0.1),
            reference.moments(x!, -1).variance,
            reference.euclideanNorm(shifted, -1),
            reference.euclideanNorm(shifted),
            reference.sum(reference.abs(shifted), -1, true)
          ]
        },
        ["x"],
        20
      )
    )
  }
]

/** Kernels that tfjs's layers call, for several operations at once. */
const fused: ReadonlyArray<Case> = [
  {
    name: "fused matMul, conv2d and depthwiseConv2d",
    instances: fc.tuple(images, fc.constantFrom("linear", "relu", "elu", "sigmoid", "relu6"), seeds).map(
      ([shape, activation, seed]) => {
        const channels = shape[3]
        // No sum that an activation has a kink at: float32 and float64 would be on either side of it.
        const of = (seed: number, shape: Shape) => float(values(seed, shape, { low: 0.25, high: 2 }))
        const activate = {
          linear: (x: NdArray) => x,
          relu: reference.relu,
          elu: reference.elu,
          sigmoid: reference.sigmoid,
          relu6: reference.relu6
        }[activation]!
        // Sums are below 6 and above 0.
        const scaled = (x: NdArray) => reference.mul(x, reference.scalar(1 / 32))
        return instance(
          `with activation ${activation},`,
          {
            x: of(seed, shape),
            filter: of(seed + 1, [2, 2, channels, 2]),
            own: of(seed + 2, [2, 2, channels, 1]),
            matrix: of(seed + 3, [channels, 2]),
            bias: of(seed + 4, [2]),
            ownBias: of(seed + 5, [channels])
          },
          ({ bias, filter, matrix, own, ownBias, x }) => {
            const image = tf.mul(x!, 1 / 32) as tf.Tensor4D
            const common = { strides: 1, pad: "valid", activation: activation as "relu" } as const
            const rows = tf.reshape(image, [-1, channels]) as tf.Tensor2D
            return [
              tf.fused.conv2d({ ...common, x: image, filter: filter as tf.Tensor4D, bias: bias! }),
              tf.fused.depthwiseConv2d({ ...common, x: image, filter: own as tf.Tensor4D, bias: ownBias! }),
              tf.fused.matMul({ a: rows, b: matrix as tf.Tensor2D, bias: bias!, activation: activation as "relu" })
            ]
          },
          ({ bias, filter, matrix, own, ownBias, x }) => {
            const image = scaled(x!)
            const window = { strides: 1, padding: "valid" } as const
            return [
              reference.add(reference.conv2d(image, filter!, window), bias!),
              reference.add(reference.depthwiseConv2d(image, own!, window), ownBias!),
              reference.add(reference.matMul(reference.reshape(image, [-1, channels]), matrix!), bias!)
            ].map(activate)
          },
          ["x", "filter", "own", "matrix", "bias", "ownBias"]
        )
      }
    )
  }
]

/** What a comparison chooses by is differentiated along with what it chooses. */
const comparisons: Case = {
  name: "choices by comparison",
  instances: fc.tuple(shapes({ minRank: 1, maxRank: 3 }), seeds).map(([shape, seed]) =>
    instance(
      "where of greater, less and equal",
      { x: float(values(seed, shape, { ...around, away: [0, 1] })) },
      ({ x }) => [
        tf.where(tf.greater(x!, 0), tf.square(x!), 0),
        tf.where(tf.logicalAnd(tf.less(x!, 1), tf.logicalNot(tf.equal(x!, 0))), tf.mul(x!, 3), tf.neg(x!)),
        tf.where(tf.lessEqual(x!, 1), x!, tf.sum(x!))
      ],
      ({ x }) => {
        const [zero, one] = [reference.scalar(0), reference.scalar(1)]
        const isSmall = reference.less(x!, one)
        return [
          reference.where(reference.greater(x!, zero), reference.square(x!), zero),
          reference.where(isSmall, reference.mul(x!, reference.scalar(3)), reference.neg(x!)),
          reference.where(isSmall, x!, reference.sum(x!))
        ]
      },
      ["x"]
    )
  )
}

export const networks: ReadonlyArray<Case> = [
  ...pooling,
  ...depthwise,
  ...resizing,
  ...movement,
  einsum,
  ...normalisation,
  ...fused,
  comparisons
]
