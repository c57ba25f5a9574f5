/**
 * Laws of reductions: of what makes one loss of many, part by part.
 */
import type { Reducer } from "effect"
import * as fc from "fast-check"
import { near } from "./internal/compare.ts"
import { type Law, law, type Suite, suite } from "./Law.ts"

/** A way to make a mean of losses from parts. */
export interface MeanReduction<A> {
  readonly name: string
  readonly reducer: Reducer.Reducer<A>
  /** What one loss comes to, which counts as often as its weight says. */
  readonly of: (loss: number, weight: number) => A
  /** The mean that parts come to. */
  readonly mean: (parts: A) => number
}

/**
 * The laws of a reduction to a mean.
 *
 * @example
 * Laws.test(it, Laws.reduction({ name: "mean", reducer: lossMean, of: lossMeanOf, mean: ({ mean }) => mean }))
 */
export const reduction = <A>(
  reduction: MeanReduction<A>,
  options: { readonly subject?: string | undefined } = {}
): Suite => suite(options.subject ?? `the reduction "${reduction.name}"`, lawsOf(reduction))

/** A loss and how often it counts. */
interface Weighted {
  readonly loss: number
  readonly weight: number
}

/** Losses in parts of parts. */
type Tree = Weighted | ReadonlyArray<Tree>

const weighted: fc.Arbitrary<Weighted> = fc.record({
  loss: fc.integer({ min: 0, max: 4096 }).map((n) => n / 256),
  weight: fc.integer({ min: 1, max: 8 })
})

const trees: fc.Arbitrary<Tree> = fc.letrec<{ readonly tree: Tree; readonly part: ReadonlyArray<Tree> }>((tie) => ({
  tree: fc.oneof({ maxDepth: 3, withCrossShrink: true }, weighted, tie("part")),
  part: fc.array(tie("tree"), { minLength: 1, maxLength: 4 })
})).tree

const leaves = (tree: Tree): ReadonlyArray<Weighted> => "loss" in tree ? [tree] : tree.flatMap(leaves)

const showTree = (tree: Tree): string =>
  "loss" in tree ? `${tree.weight} x ${tree.loss}` : `(${tree.map(showTree).join(", ")})`

const lawsOf = <A>({ mean, of, reducer }: MeanReduction<A>): ReadonlyArray<Law> => {
  const one = ({ loss, weight }: Weighted): A => of(loss, weight)
  const tolerance = 1e-12
  const isMean = (what: string, actual: A, reference: string, expected: number) =>
    near(what, mean(actual), reference, expected, tolerance * Math.max(1, Math.abs(expected)))
  return [
    law({
      name: "reduction/mean-of-whole",
      sentence:
        "in whatever parts of parts losses are reduced, their mean is the weighted mean of all of them, within 1e-12",
      source: "the mean is a quotient of two sums, and sums may be grouped; a mean of means may not",
      inputs: trees,
      show: showTree,
      violation: (tree) => {
        const reduce = (part: Tree): A => "loss" in part ? one(part) : reducer.combineAll(part.map(reduce))
        const all = leaves(tree)
        const total = all.reduce((sum, { weight }) => sum + weight, 0)
        const expected = all.reduce((sum, { loss, weight }) => sum + loss * weight, 0) / total
        return isMean("the mean of the parts", reduce(tree), "that of the whole is", expected)
      }
    }),
    law({
      name: "reduction/associative",
      sentence: "(a and b) and c is a and (b and c), within 1e-12",
      source: "the definition of a reducer: a monoid",
      inputs: fc.tuple(weighted, weighted, weighted),
      show: (three) => three.map(showTree).join(", "),
      violation: ([a, b, c]) =>
        isMean(
          "the mean of (a and b) and c",
          reducer.combine(reducer.combine(one(a), one(b)), one(c)),
          "that of a and (b and c) is",
          mean(reducer.combine(one(a), reducer.combine(one(b), one(c))))
        )
    }),
    law({
      name: "reduction/identity",
      sentence: "combined with the initial value, on either side, a loss stays as it is, within 1e-12",
      source: "the definition of a reducer: a monoid",
      inputs: weighted,
      show: showTree,
      violation: (value) =>
        isMean("the mean of nothing and a", reducer.combine(reducer.initialValue, one(value)), "a is", value.loss) ??
          isMean("the mean of a and nothing", reducer.combine(one(value), reducer.initialValue), "a is", value.loss)
    })
  ]
}
