/**
 * Several records in one: a program's state and input are flat, so the parts of one are told apart by a prefix.
 */

/**
 * Puts `prefix.` before every name.
 *
 * @example
 * qualify("draw", { noise: 1 }) // => { "draw.noise": 1 }
 */
export const qualify = <A>(
  prefix: string,
  record: { readonly [name: string]: A }
): { readonly [name: string]: A } =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [`${prefix}.${name}`, value]))

/**
 * The entries whose name begins with `prefix.`, without it: the inverse of {@link qualify}.
 *
 * @example
 * unqualify("draw", { "draw.noise": 1, "input.x0": 2 }) // => { noise: 1 }
 */
export const unqualify = <A>(
  prefix: string,
  record: { readonly [name: string]: A }
): { readonly [name: string]: A } =>
  Object.fromEntries(
    Object.entries(record)
      .filter(([name]) => name.startsWith(`${prefix}.`))
      .map(([name, value]) => [name.slice(prefix.length + 1), value])
  )
