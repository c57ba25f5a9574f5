/**
 * Parameters as a stage or a model declares them: a shape and the way to fill it, by dotted path.
 */
import type { Key } from "../random/Key.ts"
import type { Shape } from "../tensor/HostTensor.ts"

/** Fills a parameter of a shape; a pure function of the key. */
export type Initializer = (key: Key, shape: Shape) => Float32Array

/** A parameter before it exists. */
export interface ParameterSpec {
  readonly shape: Shape
  readonly initializer: Initializer
}

/** Parameters by dotted path, named as the field's checkpoints name them (`down_blocks.0.resnets.0.conv1.weight`). */
export type ParameterSpecs = { readonly [path: string]: ParameterSpec }
