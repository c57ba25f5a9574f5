/**
 * What the parts of the suite share.
 */
import type { Vitest } from "@effect/vitest"
import type { Engine, Tensor } from "@effusion/core/engine"
import { type DType, float32, type HostTensor, int32, type Shape, type TensorSpec } from "@effusion/core/tensor"
import { values } from "./arbitraries.ts"
import type { Tolerance } from "./check.ts"

/** vitest with an engine at hand. */
export type EngineTests = Vitest.MethodsNonLive<Engine>

/** What an engine's conformance is measured with. */
export interface ConformanceOptions {
  readonly tolerance: Tolerance
  /**
   * How near sums of many elements are to those in float64, relative to the sum of the absolute elements. Default 2^-22;
   * `undefined` where they are not held to it.
   */
  readonly sums?: number | undefined
}

/** Tensors by name, where the names are data. */
export type Named = { readonly [name: string]: Tensor }

/** Host tensors by name. */
export type NamedHost = { readonly [name: string]: HostTensor }

export const f32 = (...shape: Shape): TensorSpec<"float32"> => ({ shape, dtype: "float32" })
export const i32 = (...shape: Shape): TensorSpec<"int32"> => ({ shape, dtype: "int32" })

/** Elements in [-2, 2], a pure function of the seed. */
export const filled = (seed: number, spec: TensorSpec): HostTensor => {
  const { data } = values(seed, spec.shape, { low: -2, high: 2 })
  return spec.dtype === "float32" ? float32(spec.shape, data) : int32(spec.shape, data)
}

/** A tensor of each spec. */
export const filledAll = <Name extends string>(
  seed: number,
  specs: { readonly [N in Name]: TensorSpec }
): { readonly [N in Name]: HostTensor } =>
  Object.fromEntries(
    Object.entries<TensorSpec>(specs).map(([name, spec], i) => [name, filled(seed + i, spec)])
  ) as { readonly [N in Name]: HostTensor }

/** A host tensor as JSON shows it, for comparing whole. */
export const plain = ({ data, dtype, shape }: HostTensor): { dtype: DType; shape: Shape; data: Array<number> } => ({
  dtype,
  shape: [...shape],
  data: Array.from(data)
})

/** The bytes of all tensors, by name: equal when every bit is. */
export const bits = (tensors: NamedHost): { readonly [name: string]: string } =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, { data }]) => [
      name,
      Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex")
    ])
  )
