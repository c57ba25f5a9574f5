import * as tf from "@tensorflow/tfjs"
import { Record } from "effect"
import type { HostOf, Tensors } from "./Program.ts"

/**
 * Tensors of the host as constants of the program that is being made.
 *
 * @example
 * const prediction = denoiser.apply(constants(parameters), input)
 */
export const constants = (tensors: HostOf<Tensors>): Tensors =>
  Record.map(tensors, ({ data, dtype, shape }) => tf.tensor(data, [...shape], dtype))
