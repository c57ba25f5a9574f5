/**
 * Images and elements that cases of networks are tried with.
 */
import * as fc from "fast-check"
import { type Range, values } from "../../arbitraries.ts"
import { float } from "../../Case.ts"
import type { Shape } from "../../reference/index.ts"

export const around: Range = { low: -2, high: 2 }
export const of = (seed: number, shape: Shape) => float(values(seed, shape, around))
export const small = fc.integer({ min: 1, max: 3 })
export const side = fc.integer({ min: 3, max: 6 })
export const images = fc.tuple(small, side, side, small)
