/**
 * One order for the examples of several classes.
 */

/** An example, by its class and its number among those of the class. */
export interface Place {
  readonly label: number
  readonly index: number
}

/**
 * Deals classes with the given numbers of examples into one order: example i of n stands at (i + 1/2) / n of the whole. So every
 * beginning holds of each class its share, to within two examples.
 *
 * @example
 * interleave([2, 1]) // => [{ label: 0, index: 0 }, { label: 1, index: 0 }, { label: 0, index: 1 }]
 */
export const interleave = (counts: ReadonlyArray<number>): ReadonlyArray<Place> =>
  counts.flatMap((count, label) =>
    Array.from({ length: count }, (_, index) => ({ label, index, at: (index + 0.5) / count }))
  ).sort((a, b) => a.at - b.at || a.label - b.label)
