/**
 * Random numbers as pure functions of keys, from the counter-based generator Philox4x32-10.
 *
 * @example
 * import { Distribution, draw, Key } from "@effusion/core/random"
 *
 * const key = Key.fold(Key.make(7), "noise")
 * const noise = draw(key, { distribution: Distribution.normal, shape: [2, 3] })
 */
export * as Distribution from "./Distribution.ts"
export type { DrawSpec, DrawSpecs } from "./Distribution.ts"
export { draw, permutation } from "./draw.ts"
export * as Key from "./Key.ts"
export { torchNormals } from "./torch.ts"
