/**
 * Finds out which blocked convolution the runtime has on this processor: a small convolution is lowered both ways, and
 * the blocked one is trusted if it gives the same result. Blocks hold 16 channels with AVX-512 and 8 with AVX2; other
 * processors have none, or another kind.
 */
import { Effect } from "effect"
import { float32, type HostTensor } from "../../../tensor/HostTensor.ts"
import type { Signature, Value } from "../../graph/Graph.ts"
import { convolve, filterOf } from "../lowering/convolve.ts"
import { ModelBuilder } from "../lowering/ModelBuilder.ts"
import type { OnnxModel } from "../Model.ts"
import type { Runtime } from "./Runtime.ts"

const candidates = [16, 8]

/** The channels of a block, or undefined where no blocked convolution can be used. */
export const probeConvolutionBlock = Effect.fnUntraced(
  function*(runtime: Runtime): Effect.fn.Return<number | undefined> {
    const plain = yield* Effect.option(run(runtime, undefined))
    if (plain._tag === "None") return undefined
    for (const block of candidates) {
      const blocked = yield* Effect.option(run(runtime, block))
      if (blocked._tag === "Some" && agree(plain.value, blocked.value)) return block
    }
    return undefined
  }
)

/** Twice the largest block of channels, so that a wrong order of blocks shows as well as one inside a block. */
const channels = 32
const x = wave([1, channels, 4, 4], 0.37)
const filter = wave([3, 3, channels, channels], 0.11)

const run = Effect.fnUntraced(function*(runtime: Runtime, block: number | undefined) {
  const executable = yield* runtime.compileModel({ program: "probe", signature, model: convolution(block) })
  const instance = yield* executable.start({})
  const { y } = (yield* instance.step({ x, filter })) as { readonly y: HostTensor }
  return y
}, Effect.scoped)

const convolution = (block: number | undefined): OnnxModel => {
  const model = new ModelBuilder({ convolutionBlock: block })
  const value: Value = signature.input.filter
  model.place(value, "input.filter")
  const window = { strides: [1, 1], dilations: [1, 1], padding: [1, 1, 1, 1] } as const
  const result = convolve(model, "input.x", filterOf(model, value), window)
  return {
    name: "probe",
    inputs: [{ name: "input.x", ...signature.input.x }, { name: "input.filter", ...signature.input.filter }],
    outputs: [{ name: "output.y", ...signature.output.y }],
    initializers: [...model.initializers.values()],
    nodes: [
      ...model.nodes,
      { name: "y", domain: "", op: "Identity", inputs: [result], outputs: ["output.y"], attributes: {} }
    ]
  }
}

const signature = {
  state: {},
  input: { x: { shape: x.shape, dtype: "float32" }, filter: { shape: filter.shape, dtype: "float32" } },
  output: { y: { shape: x.shape, dtype: "float32" } }
} as const satisfies Signature

function wave(shape: ReadonlyArray<number>, step: number): HostTensor<"float32"> {
  const size = shape.reduce((product, n) => product * n, 1)
  return float32(shape, Float32Array.from({ length: size }, (_, i) => Math.sin(1 + step * i)))
}

const agree = (a: HostTensor, b: HostTensor): boolean => a.data.every((value, i) => Math.abs(value - b.data[i]!) < 1e-4)
