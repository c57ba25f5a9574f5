/**
 * Tensors by example: the first axis of everything that flows through a pipeline is the batch.
 */
import * as tf from "@tensorflow/tfjs"
import type { Tensor } from "../engine/Program.ts"

/** The axes of an example: all but the first. */
export const axesAfterBatch = (x: Tensor): Array<number> => x.shape.slice(1).map((_, axis) => axis + 1)

/** A number for each example, [batch], shaped to meet every element of a tensor like `like`: [batch, 1, ...]. */
export const forEachExample = (values: Tensor, like: Tensor): Tensor =>
  tf.reshape(values, [like.shape[0]!, ...like.shape.slice(1).map(() => 1)])
