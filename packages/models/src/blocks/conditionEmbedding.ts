/**
 * What every block of a network is shown besides the image: the timestep, and the class where there are classes.
 */
import { Operations, type Tensor } from "@effusion/core/engine"
import * as tf from "@tensorflow/tfjs"
import { normal } from "../initializers.ts"
import { type Block, type Context, noDraws, required, type Requirements, union } from "./Block.ts"
import { type SinusoidalConvention, timeEmbedding } from "./timeEmbedding.ts"

/** What the embedding is made of. */
export interface ConditionConfig {
  readonly convention: SinusoidalConvention
  /** Features of the embedding. */
  readonly outputs: number
  /** Rows of the table of classes, the last of which is "none"; `null` for a network that is told no class. */
  readonly classEmbeddings: number | null
}

/** A timestep for each example, `[batch]`, and a class, `[batch]` int32, to `[batch, outputs]`. */
export interface ConditionEmbedding extends Requirements {
  readonly apply: (context: Context, t: Tensor, condition: Tensor | undefined) => Tensor
}

/**
 * The sum of the timestep's embedding and the class's, and SiLU of it, because every reader would begin with that.
 *
 * Parameters `time_embedding` and `class_embedding`, as in diffusers' `UNet2DModel`.
 *
 * `apply` throws an Error where the network has classes and is told none: a mistake of the program. "None of them" is a
 * class too, the last row of the table.
 */
export const conditionEmbedding = (
  { classEmbeddings, convention, outputs }: ConditionConfig
): ConditionEmbedding => {
  const time = timeEmbedding("time_embedding", convention, outputs)
  if (classEmbeddings === null) return { ...time, apply: (context, t) => Operations.silu(time.apply(context, t)) }
  const classes = embedding("class_embedding", { rows: classEmbeddings, outputs })
  return {
    ...union([time, classes]),
    apply: (context, t, condition) => {
      if (condition === undefined) {
        throw new Error(`the network tells ${classEmbeddings - 1} classes apart: pass it a condition`)
      }
      return Operations.silu(tf.add(time.apply(context, t), classes.apply(context, condition)))
    }
  }
}

/** A table with a row for each index, standard normal at first: PyTorch's `nn.Embedding`. `[batch]` to `[batch, outputs]`. */
const embedding = (path: string, { outputs, rows }: { readonly rows: number; readonly outputs: number }): Block => ({
  parameters: { [`${path}.weight`]: { shape: [rows, outputs], initializer: normal(1) } },
  draws: noDraws,
  apply: ({ parameters }, index) => tf.gather(required(parameters, "parameter", `${path}.weight`), index)
})

/** What a denoiser with such a table says of itself. */
export const classesOf = (classEmbeddings: number | null): { readonly classes?: number } =>
  classEmbeddings === null ? {} : { classes: classEmbeddings - 1 }
