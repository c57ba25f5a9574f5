/**
 * How a kernel of ours is written.
 */
import type * as tf from "@tensorflow/tfjs"
import type { Backend } from "../load.ts"

export type Attributes = { readonly [name: string]: unknown }

export type Inputs = { readonly [name: string]: tf.TensorInfo }

/** Computes with TensorFlow's operations, or with tfjs's, of which no gradient is taken inside a kernel. */
export type Kernel = (
  inputs: Inputs,
  attributes: Attributes,
  backend: Backend
) => tf.TensorInfo

/** Kernels by tfjs's names. */
export type Kernels = { readonly [kernelName: string]: Kernel }

export type Shape4 = [number, number, number, number]
