/**
 * The name that somebody probably meant.
 */

/**
 * Of `names` the one that is closest to `written`, when it is close enough to be a slip: a third of its letters, and two
 * letters in any case. Case, `-` and `_` do not count.
 *
 * @example
 * nearest("batch-siz", ["steps", "batchSize"]) // => "batchSize"
 */
export const nearest = (written: string, names: ReadonlyArray<string>): string | undefined => {
  const best = names
    .map((name) => ({ name, distance: distance(plain(written), plain(name)) }))
    .reduce<{ readonly name: string; readonly distance: number } | undefined>(
      (best, candidate) => best === undefined || candidate.distance < best.distance ? candidate : best,
      undefined
    )
  return best !== undefined && best.distance <= Math.max(2, Math.floor(written.length / 3)) ? best.name : undefined
}

const plain = (name: string): string => name.toLowerCase().replaceAll(/[-_]/g, "")

/** The letters to insert, delete or replace that make one word of another (Levenshtein's distance). */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]!
}
