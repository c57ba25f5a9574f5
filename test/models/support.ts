/** What the model tests share: tensors on tfjs's cpu backend, filled from keys. */
import { assert } from "@effect/vitest"
import type { Tensors } from "@effusion/core/engine"
import type { DenoiserShape, ParameterSpecs } from "@effusion/core/pipeline"
import { Distribution, draw, type DrawSpecs, Key } from "@effusion/core/random"
import type { HostTensor, Shape } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"

/** A host tensor on the current backend. */
export const toTensor = ({ data, dtype, shape }: HostTensor): tf.Tensor => tf.tensor(data, [...shape], dtype)

/** Standard normal elements. */
export const normal = (seed: number, shape: Shape): tf.Tensor =>
  toTensor(draw(Key.make(seed), { distribution: Distribution.normal, shape }))

/** Timesteps from 0 to 999. */
export const timesteps = (seed: number, batch: number): tf.Tensor =>
  toTensor(draw(Key.make(seed), { distribution: Distribution.integers(0, 1000), shape: [batch] }))

/** Every parameter as its initializer has it. */
export const initial = (specs: ParameterSpecs, seed = 0): Tensors =>
  Object.fromEntries(
    Object.entries(specs).map(([path, { initializer, shape }]) => [
      path,
      tf.tensor(initializer(Key.fold(Key.make(seed), path), shape), [...shape])
    ])
  )

/** Every parameter with normal elements of standard deviation 0.1, so that none is without effect. */
export const perturbed = (specs: ParameterSpecs, seed = 0): Tensors =>
  Object.fromEntries(
    Object.entries(initial(specs, seed)).map(([path, tensor], index) => [
      path,
      tf.add(tensor, tf.mul(normal(seed + 1 + index, tensor.shape), 0.1))
    ])
  )

/** The random tensors that a denoiser asks for. */
export const drawn = (specs: DrawSpecs, seed = 0): Tensors =>
  Object.fromEntries(
    Object.entries(specs).map(([name, spec]) => [name, toTensor(draw(Key.fold(Key.make(seed), name), spec))])
  )

/** The elements, in float64. */
export const elements = (tensor: tf.Tensor): ReadonlyArray<number> => Array.from(tensor.dataSync())

/** Whether all elements agree to `tolerance`, absolutely. */
export const assertClose = (
  actual: tf.Tensor,
  expected: tf.Tensor | ReadonlyArray<number>,
  tolerance: number
): void => {
  const reference = expected instanceof tf.Tensor ? elements(expected) : expected
  const found = elements(actual)
  assert.strictEqual(found.length, reference.length)
  found.forEach((value, i) =>
    assert.isTrue(
      Math.abs(value - (reference[i] as number)) <= tolerance,
      `element ${i}: expected ${reference[i]}, got ${value}`
    )
  )
}

/** Applies a denoiser to a batch whose examples come in another order, and puts the predictions back in order. */
export const assertPermutationEquivariant = (denoiser: DenoiserShape, seed: number): void =>
  tf.tidy(() => {
    const parameters = perturbed(denoiser.parameters, seed)
    const x = normal(seed, [3, ...denoiser.exampleShape])
    const t = timesteps(seed, 3)
    const order = tf.tensor1d([2, 0, 1], "int32")
    const direct = denoiser.apply(parameters, { x, t, draws: {} })
    const permuted = denoiser.apply(parameters, { x: tf.gather(x, order), t: tf.gather(t, order), draws: {} })
    assertClose(permuted, tf.gather(direct, order), 1e-4)
  })
