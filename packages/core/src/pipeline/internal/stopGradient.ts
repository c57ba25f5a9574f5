import * as tf from "@tensorflow/tfjs"
import type { Tensor } from "../../engine/Program.ts"

/** The same value, as a constant to whoever differentiates. */
export const stopGradient = (x: Tensor): Tensor =>
  tf.customGrad((x) => ({ value: tf.clone(x as Tensor), gradFunc: (dy) => tf.zerosLike(dy as Tensor) }))(x)
