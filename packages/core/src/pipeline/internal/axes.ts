import type { Tensor } from "../../engine/Program.ts"

/** The axes of an example: all but the first. */
export const axesAfterBatch = (x: Tensor): Array<number> => x.shape.slice(1).map((_, axis) => axis + 1)
