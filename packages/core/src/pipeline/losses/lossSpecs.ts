import type { SpecsOf } from "../../engine/Program.ts"
import type { Loss, Predicted } from "../Stage.ts"

/** The shapes of a record with a loss for each example and a scalar to descend on. */
export const lossSpecs = (input: SpecsOf<Predicted>): SpecsOf<Loss> => ({
  ...input,
  perExample: { shape: [input.x0.shape[0]!], dtype: "float32" },
  loss: { shape: [], dtype: "float32" }
})
