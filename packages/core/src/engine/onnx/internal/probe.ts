/**
 * Finds out which blocked convolution the runtime has on this processor: a small convolution is lowered in each way, and
 * blocks are trusted if they give the same result. They hold 16 channels with AVX-512 and 8 with AVX2; other processors have
 * none, or another kind.
 */
import { Effect } from "effect"
import { float32, type HostTensor } from "../../../tensor/HostTensor.ts"
import type { Signature, Value } from "../../graph/Graph.ts"
import { convolveBy, filterOf, type Way } from "../lowering/convolve.ts"
import { ModelBuilder } from "../lowering/ModelBuilder.ts"
import type { OnnxModel } from "../Model.ts"
import type { Runtime } from "./Runtime.ts"

const candidates = [16, 8]

/** The channels of a block, or undefined where no blocked convolution can be used. */
export const probeConvolutionBlock = Effect.fnUntraced(
  function*(runtime: Runtime): Effect.fn.Return<number | undefined> {
    const plain = yield* Effect.option(run(runtime, ["plain"]))
    if (plain._tag === "None") return undefined
    const [expected] = plain.value as [HostTensor]
    for (const block of candidates) {
      const blocked = yield* Effect.option(run(runtime, ["blocks", "winograd"], block))
      if (blocked._tag === "Some" && blocked.value.every((actual) => agree(expected, actual))) return block
    }
    return undefined
  }
)

/** Twice the largest block of channels, so that a wrong order of blocks shows as well as one inside a block. */
const channels = 32
const x = wave([1, channels, 4, 4], 0.37)
const filter = wave([3, 3, channels, channels], 0.11)

/** The results of the convolution in some ways. */
const run = Effect.fnUntraced(function*(runtime: Runtime, ways: ReadonlyArray<Way>, block?: number) {
  const program = { program: "probe", signature: signatureOf(ways), model: convolutions(ways, block) }
  const executable = yield* runtime.compileModel(program)
  const results = (yield* (yield* executable.start({})).step({ x, filter })) as { readonly [way: string]: HostTensor }
  return ways.map((way) => results[way]!)
}, Effect.scoped)

const convolutions = (ways: ReadonlyArray<Way>, block: number | undefined): OnnxModel => {
  const model = new ModelBuilder({ convolutionBlock: block })
  const value: Value = { shape: filter.shape, dtype: "float32" }
  model.place(value, "input.filter")
  const window = { strides: [1, 1], dilations: [1, 1], padding: [1, 1, 1, 1] } as const
  const image = { name: "input.x", shape: x.shape }
  const results = ways.map((way) => convolveBy(way, model, image, filterOf(model, value), window))
  const { input, output } = signatureOf(ways)
  return {
    name: "probe",
    inputs: Object.entries(input).map(([name, spec]) => ({ name: `input.${name}`, ...spec })),
    outputs: Object.entries(output).map(([name, spec]) => ({ name: `output.${name}`, ...spec })),
    initializers: [...model.initializers.values()],
    nodes: [
      ...model.nodes,
      ...ways.map((way, i) => (
        { name: way, domain: "", op: "Identity", inputs: [results[i]!], outputs: [`output.${way}`], attributes: {} }
      ))
    ]
  }
}

const signatureOf = (ways: ReadonlyArray<Way>): Signature => {
  const spec = ({ shape }: HostTensor) => ({ shape, dtype: "float32" }) as const
  return {
    state: {},
    input: { x: spec(x), filter: spec(filter) },
    output: Object.fromEntries(ways.map((way) => [way, spec(x)]))
  }
}

function wave(shape: ReadonlyArray<number>, step: number): HostTensor<"float32"> {
  const size = shape.reduce((product, n) => product * n, 1)
  return float32(shape, Float32Array.from({ length: size }, (_, i) => Math.sin(1 + step * i)))
}

const agree = (a: HostTensor, b: HostTensor): boolean => a.data.every((value, i) => Math.abs(value - b.data[i]!) < 1e-4)
