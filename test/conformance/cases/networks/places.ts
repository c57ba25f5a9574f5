/**
 * Cases of what networks move: pixels to images of another size, blocks of pixels to channels, elements by their places.
 */
import * as tf from "@tensorflow/tfjs"
import * as fc from "fast-check"
import { dimension, hash, integers, seeds, shapes } from "../../arbitraries.ts"
import { type Case, instance, int } from "../../Case.ts"
import * as reference from "../../reference/index.ts"
import type { Alignment } from "../../reference/index.ts"
import { of, small } from "./images.ts"

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

export const places: ReadonlyArray<Case> = [...resizing, ...movement]
