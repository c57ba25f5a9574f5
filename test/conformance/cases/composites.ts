/**
 * Cases of the composite operations. Each is checked as the engine runs it and as the plain tfjs operations that
 * specify it: both must give what the papers say, so they give the same.
 */
import { Operations, type Tensor } from "@effusion/core/engine"
import * as fc from "fast-check"
import { type Range, seeds, shapes, values } from "../arbitraries.ts"
import { type Argument, type Case, float, type Inputs, instance } from "../Case.ts"
import * as reference from "../reference/index.ts"
import type { Arrays, GroupNormalisation, NdArray, Shape } from "../reference/index.ts"

const around: Range = { low: -2, high: 2 }
const of = (seed: number, shape: Shape, range = around) => float(values(seed, shape, range))
const small = fc.integer({ min: 1, max: 3 })

/** A composite with its arrays and attributes chosen. */
interface Composite {
  readonly label: string
  readonly inputs: Inputs<Argument>
  readonly operation: (inputs: Inputs<Tensor>) => Tensor
  readonly fallback: (inputs: Inputs<Tensor>) => Tensor
  readonly expected: (inputs: Arrays) => NdArray
  /** See {@link instance}. */
  readonly scale?: number
}

const bothWays = (name: string, composites: fc.Arbitrary<Composite>): ReadonlyArray<Case> => [
  {
    name,
    instances: composites.map(({ expected, inputs, label, operation, scale }) =>
      instance(label, inputs, (all) => [operation(all)], (all) => [expected(all)], Object.keys(inputs), scale)
    )
  },
  {
    name: `${name}, as plain operations`,
    instances: composites.map(({ expected, fallback, inputs, label, scale }) =>
      instance(`plain ${label}`, inputs, (all) => [fallback(all)], (all) => [expected(all)], Object.keys(inputs), scale)
    )
  }
]

const groupNormOf = (
  label: string,
  x: NdArray,
  options: GroupNormalisation,
  seed: number,
  scale = 0
): Composite => {
  const channels = x.shape[x.shape.length - 1]!
  return {
    label: `${label} in ${options.groups} groups, epsilon ${options.epsilon}, activation ${options.activation}`,
    inputs: { x: float(x), scale: of(seed + 1, [channels]), offset: of(seed + 2, [channels]) },
    operation: ({ offset, scale, x }) => Operations.groupNorm(x!, scale!, offset!, options),
    fallback: ({ offset, scale, x }) => Operations.fallback.groupNorm(x!, scale!, offset!, options),
    expected: ({ offset, scale, x }) => reference.groupNorm(x!, scale!, offset!, options),
    scale
  }
}

/** At least six elements in a group, so that its variance is no accident. */
const positions: fc.Arbitrary<Shape> = fc.constantFrom<Shape>([2, 3], [3, 3], [1, 7], [6, 1], [2, 5], [6], [7], [11])
const activations = fc.constantFrom<"none" | "silu">("none", "silu")

const groupNorms = fc.record({
  batch: small,
  positions,
  groups: small,
  width: small,
  epsilon: fc.constantFrom(1e-5, 1e-2),
  activation: activations,
  seed: seeds
})

const normalisations: ReadonlyArray<Case> = [
  ...bothWays(
    "groupNorm",
    groupNorms.map(({ activation, batch, epsilon, groups, positions, seed, width }) =>
      groupNormOf("groupNorm", values(seed, [batch, ...positions, groups * width], around), {
        groups,
        epsilon,
        activation
      }, seed)
    )
  ),
  ...bothWays(
    "groupNorm far from zero",
    groupNorms.map(({ activation, batch, groups, positions, seed, width }) =>
      groupNormOf(
        "groupNorm of elements near 32",
        values(seed, [batch, ...positions, groups * width], { low: 30, high: 34 }),
        { groups, epsilon: 1e-5, activation },
        seed,
        // The elements' distance from their mean is the small difference of two numbers near 32.
        1
      )
    )
  ),
  ...bothWays(
    "groupNorm of equal elements",
    groupNorms.map(({ activation, batch, groups, positions, seed, width }) =>
      groupNormOf(
        "groupNorm of elements 0.5",
        reference.full([batch, ...positions, groups * width], 0.5),
        {
          groups,
          epsilon: 1e-2,
          activation
          // All that is summed is equal, and the sums are nearly 0.
        },
        seed,
        1
      )
    )
  ),
  ...bothWays(
    "groupNorm without positions",
    fc.tuple(small, small, activations, seeds).map(([batch, groups, activation, seed]) =>
      groupNormOf("groupNorm", values(seed, [batch, groups * 7], around), { groups, epsilon: 1e-5, activation }, seed)
    )
  )
]

const attentions = bothWays(
  "attention",
  fc.record({
    heads: fc.tuple(small, small),
    length: fc.integer({ min: 1, max: 5 }),
    positions: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
    depth: fc.integer({ min: 1, max: 4 }),
    scale: fc.constantFrom(1, 0.5, 1 / Math.sqrt(3)),
    seed: seeds
  }).map(({ depth, heads, length, positions = length, scale, seed }) => ({
    label: `attention with scale ${scale}`,
    inputs: {
      q: of(seed, [...heads, length, depth]),
      k: of(seed + 1, [...heads, positions, depth]),
      v: of(seed + 2, [...heads, positions, depth])
    },
    operation: ({ k, q, v }: Inputs<Tensor>) => Operations.attention(q!, k!, v!, scale),
    fallback: ({ k, q, v }: Inputs<Tensor>) => Operations.fallback.attention(q!, k!, v!, scale),
    expected: ({ k, q, v }: Arrays) => reference.attention(q!, k!, v!, scale),
    // Where one probability is nearly 1 the gradient is the small difference of two products.
    scale: 1
  }))
)

const upsamplings = bothWays(
  "upsampleNearest",
  fc.tuple(fc.tuple(small, small, small, small), small, seeds).map(([shape, factor, seed]) => ({
    label: `upsampleNearest by ${factor}`,
    inputs: { x: of(seed, shape) },
    operation: ({ x }: Inputs<Tensor>) => Operations.upsampleNearest(x!, factor),
    fallback: ({ x }: Inputs<Tensor>) => Operations.fallback.upsampleNearest(x!, factor),
    expected: ({ x }: Arrays) => reference.upsampleNearest(x!, factor)
  }))
)

const silus = bothWays(
  "silu",
  fc.tuple(shapes({ minRank: 0, maxRank: 4 }), seeds).map(([shape, seed]) => ({
    label: "silu",
    inputs: { x: of(seed, shape, { low: -4, high: 4 }) },
    operation: ({ x }: Inputs<Tensor>) => Operations.silu(x!),
    fallback: ({ x }: Inputs<Tensor>) => Operations.fallback.silu(x!),
    expected: ({ x }: Arrays) => reference.silu(x!)
  }))
)

export const composites: ReadonlyArray<Case> = [...normalisations, ...attentions, ...upsamplings, ...silus]
