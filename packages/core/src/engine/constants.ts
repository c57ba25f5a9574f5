import * as tf from "@tensorflow/tfjs"
import { Record } from "effect"
import type { HostTensor } from "../tensor/HostTensor.ts"
import type { HostOf, Tensor, Tensors } from "./Program.ts"

/** Makes a constant of a tensor of the host. */
export type PlaceConstant = (tensor: HostTensor) => Tensor

const placeAnew: PlaceConstant = ({ data, dtype, shape }) => tf.tensor(data, [...shape], dtype)

/** How constants are made at this moment. Only {@link placingConstants} changes it. */
let place: PlaceConstant = placeAnew

/**
 * Tensors of the host as constants of the program that is being made.
 *
 * @example
 * const prediction = denoiser.apply(constants(parameters), input)
 */
export const constants = (tensors: HostOf<Tensors>): Tensors => Record.map(tensors, (tensor) => place(tensor))

/**
 * Runs a function in which {@link constants} come from elsewhere: an engine that runs a program's function at every step
 * keeps them on the device from one step to the next.
 */
export const placingConstants = <A>(placeConstant: PlaceConstant, f: () => A): A => {
  const before = place
  place = placeConstant
  try {
    return f()
  } finally {
    place = before
  }
}
