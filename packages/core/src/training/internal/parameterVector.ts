/**
 * The parameters of a model as one vector: one after the other, in the order in which they were declared.
 */
import * as tf from "@tensorflow/tfjs"
import type { Tensor, Tensors } from "../../engine/Program.ts"
import type { HostTensors } from "../../pipeline/Pipeline.ts"
import { float32, sizeOf } from "../../tensor/HostTensor.ts"
import type { HostTensor, Shape } from "../../tensor/HostTensor.ts"

interface Entry {
  readonly name: string
  readonly shape: Shape
  readonly offset: number
  readonly size: number
}

/** Where each parameter is in the vector. */
export interface VectorLayout {
  readonly entries: ReadonlyArray<Entry>
  /** The number of elements of all parameters. */
  readonly size: number
}

export const layoutOf = (specs: { readonly [name: string]: { readonly shape: Shape } }): VectorLayout => {
  let offset = 0
  const entries = Object.entries(specs).map(([name, { shape }]) => {
    const entry = { name, shape, offset, size: sizeOf(shape) }
    offset += entry.size
    return entry
  })
  return { entries, size: offset }
}

/** Copies named tensors, which must have the shapes of the layout, into a vector. Each is asked for when its turn comes. */
export const pack = (layout: VectorLayout, tensorOf: (name: string) => HostTensor): Float32Array => {
  const vector = new Float32Array(layout.size)
  for (const { name, offset } of layout.entries) vector.set(tensorOf(name).data, offset)
  return vector
}

/** The named tensors of a vector: views of it, not copies. */
export const unpack = (layout: VectorLayout, vector: Float32Array): HostTensors =>
  Object.fromEntries(
    layout.entries.map(({ name, offset, shape, size }) => [
      name,
      float32(shape, vector.subarray(offset, offset + size))
    ])
  )

/** {@link unpack} inside a program. */
export const split = (layout: VectorLayout, vector: Tensor): Tensors => {
  const parts = layout.entries.length === 1 ? [vector] : tf.split(vector, layout.entries.map(({ size }) => size))
  return Object.fromEntries(
    layout.entries.map(({ name, shape }, i) => [name, tf.reshape(parts[i]!, [...shape])])
  )
}

/** {@link pack} inside a program, of tensors in the order of the layout. */
export const join = (tensors: ReadonlyArray<Tensor>): Tensor =>
  tf.concat(tensors.map((tensor) => tf.reshape(tensor, [-1])))
