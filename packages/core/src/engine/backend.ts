import * as tf from "@tensorflow/tfjs"

/**
 * Runs a function with a tfjs backend in place, and puts back what was there.
 *
 * tfjs's global state is as before when this returns, also when the function throws: none of the tensors that the function
 * makes are counted afterwards, so they must be gone with it.
 *
 * @param name a backend that is registered and made without waiting
 */
export const withBackend = <A>(name: string, f: () => A): A => {
  // tfjs has no public way to restore "no backend chosen yet", its state before the first tensor is made.
  const engine = tf.engine() as unknown as { backendName: string; backendInstance: unknown; state: Books }
  const { backendInstance, backendName: previous, state } = engine
  const { numBytes, numDataBuffers, numTensors } = state
  void tf.setBackend(name)
  try {
    return f()
  } finally {
    engine.backendName = previous
    engine.backendInstance = backendInstance
    // tfjs keeps the tensors that a gradient saved when its function throws, and counts them for good.
    Object.assign(state, { numBytes, numDataBuffers, numTensors })
  }
}

/** What tfjs counts. */
interface Books {
  numBytes: number
  numDataBuffers: number
  numTensors: number
}
