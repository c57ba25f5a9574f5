import * as tf from "@tensorflow/tfjs"
import { type HostTensor, sameShape, type TensorSpec } from "../../../tensor/HostTensor.ts"
import type { Tensor } from "../../Program.ts"
import { type Tensorflow, typeOf, wrap } from "./load.ts"

/** A constant on the device. */
interface Constant extends TensorSpec {
  readonly id: number
}

type Held = ReadonlyMap<HostTensor["data"], Constant>

/**
 * The constants of a compiled program, kept on the device from the step that asks for them first (a network that samples
 * asks for all of its weights at every step).
 *
 * A constant is known by its array. One that a step has not asked for is released after it, so that a program that makes
 * its constants anew at every step keeps those of one step.
 */
export class Constants {
  private readonly tensorflow: Tensorflow
  private held: Held = new Map()

  constructor(tensorflow: Tensorflow) {
    this.tensorflow = tensorflow
  }

  /** Runs a step, with what makes its constants. A step that throws leaves the constants as they were. */
  during<A>(step: (constant: (tensor: HostTensor) => Tensor) => A): A {
    const { tensorflow } = this
    const before = this.held
    const asked = new Map<HostTensor["data"], Constant>()
    const ask = (tensor: HostTensor): Constant => {
      const constant = asked.get(tensor.data) ?? before.get(tensor.data) ?? upload(tensorflow, tensor)
      if (!asked.has(tensor.data)) {
        tensorflow.ledger.hold(constant.id)
        asked.set(tensor.data, constant)
      }
      return constant
    }
    try {
      const result = step((tensor) => {
        const constant = ask(tensor)
        const placed = wrap(tensorflow, constant, constant.id)
        return sameShape(constant.shape, tensor.shape) ? placed : tf.reshape(placed, [...tensor.shape])
      })
      this.held = asked
      return result
    } finally {
      releaseAll(tensorflow, this.held === asked ? before : asked)
    }
  }

  /** Releases all of them. */
  release(): void {
    releaseAll(this.tensorflow, this.held)
    this.held = new Map()
  }
}

/** The addon shares the array that it is given; the caller's is not its to share. */
const upload = ({ backend }: Tensorflow, { data, dtype, shape }: HostTensor): Constant => ({
  id: backend.binding.createTensor(shape, typeOf(backend, dtype), data.slice()),
  shape,
  dtype
})

const releaseAll = ({ ledger }: Tensorflow, constants: Held): void => {
  for (const { id } of constants.values()) ledger.release(id)
}
