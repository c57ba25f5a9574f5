/** Small models by hand, as lowering names their inputs and outputs, and ways to run them. */
import type { OnnxAttribute, OnnxInitializer, OnnxNode, OnnxValueInfo } from "@effusion/core/engine/onnx"
import type { HostTensor, TensorSpec } from "@effusion/core/tensor"
import { Context, Effect, Layer } from "effect"
import {
  type Compilation,
  makeRuntime,
  type Runtime,
  type RuntimeOptions
} from "../../../../packages/core/src/engine/onnx/internal/Runtime.ts"

/** A runtime that the tests of a file share. */
export class TestRuntime extends Context.Service<TestRuntime, Runtime>()("test/core/engine/onnx/TestRuntime") {}

export const runtimeLayer = (options: RuntimeOptions) => Layer.effect(TestRuntime, makeRuntime(options))

/** The worker that uses ONNX Runtime as the engine does where it cannot write in place. */
export const copyingWorker = new URL("./workers/copying.ts", import.meta.url)

export const f32 = (...shape: ReadonlyArray<number>): TensorSpec => ({ dtype: "float32", shape })
export const i32 = (...shape: ReadonlyArray<number>): TensorSpec => ({ dtype: "int32", shape })

/** A node of the standard domain, named after its first output. */
export const node = (
  op: string,
  inputs: ReadonlyArray<string>,
  outputs: ReadonlyArray<string>,
  attributes: { readonly [name: string]: OnnxAttribute } = {}
): OnnxNode => ({ name: outputs[0]!, domain: "", op, inputs, outputs, attributes })

type Specs = { readonly [name: string]: TensorSpec }

export const tensor = (spec: TensorSpec, elements: ArrayLike<number>): HostTensor => ({
  ...spec,
  data: spec.dtype === "float32" ? Float32Array.from(elements) : Int32Array.from(elements)
})

/** A program as it comes from lowering: of its state and inputs, the model has those that its nodes use or make. */
export const compilation = (parts: {
  readonly name?: string
  readonly state?: Specs
  readonly input?: Specs
  readonly output?: Specs
  readonly initializers?: ReadonlyArray<OnnxInitializer>
  readonly nodes: ReadonlyArray<OnnxNode>
}): Compilation => {
  const { initializers = [], input = {}, name = "test", nodes, output = {}, state = {} } = parts
  const used = new Set(nodes.flatMap((node) => node.inputs))
  const made = new Set(nodes.flatMap((node) => node.outputs))
  const values = (role: string, specs: Specs, among: ReadonlySet<string>): ReadonlyArray<OnnxValueInfo> =>
    Object.entries(specs)
      .map(([name, { dtype, shape }]) => ({ name: `${role}.${name}`, dtype, shape }))
      .filter(({ name }) => among.has(name))
  return {
    program: name,
    signature: { state, input, output },
    model: {
      name,
      inputs: [...values("state", state, used), ...values("input", input, used)],
      outputs: [...values("next", state, made), ...values("output", output, made)],
      initializers,
      nodes
    }
  }
}

/** A running sum with a counter, and a state that the model has no use for. */
export const accumulate = compilation({
  name: "accumulate",
  state: { sum: f32(3), count: i32(), unused: f32(2) },
  input: { x: f32(3) },
  output: { doubled: f32(3) },
  initializers: [{ name: "one", dtype: "int32", shape: [], data: [1] }],
  nodes: [
    node("Add", ["state.sum", "input.x"], ["next.sum"]),
    node("Add", ["state.count", "one"], ["next.count"]),
    node("Add", ["next.sum", "next.sum"], ["output.doubled"])
  ]
})

export const accumulateState = {
  sum: tensor(f32(3), [0, 0, 0]),
  count: tensor(i32(), [0]),
  unused: tensor(f32(2), [8, 9])
}

/** The input of {@link accumulate}. */
export const x = (...elements: ReadonlyArray<number>) => ({ x: tensor(f32(3), elements) })

/** A step that takes tens of milliseconds: repeated products of a matrix with itself, and a count of the steps. */
export const slow = compilation({
  name: "slow",
  state: { count: i32(), matrix: f32(640, 640) },
  initializers: [{ name: "one", dtype: "int32", shape: [], data: [1] }],
  nodes: [
    node("Add", ["state.count", "one"], ["next.count"]),
    ...Array.from(
      { length: 12 },
      (_, i) =>
        node("MatMul", [i === 0 ? "state.matrix" : `product${i - 1}`, "state.matrix"], [
          i === 11 ? "next.matrix" : `product${i}`
        ])
    )
  ]
})

export const slowState = { count: tensor(i32(), [0]), matrix: tensor(f32(640, 640), new Float32Array(640 * 640)) }

/** The elements of each tensor, as plain arrays. */
export const elementsOf = (
  tensors: { readonly [name: string]: HostTensor }
): { readonly [name: string]: ReadonlyArray<number> } =>
  Object.fromEntries(Object.entries(tensors).map(([name, { data }]) => [name, Array.from(data)]))

type HostTensors = { readonly [name: string]: HostTensor }

/** Compiles and starts in one go. */
export const instanceOf = (runtime: Runtime, compilation: Compilation, state: HostTensors) =>
  Effect.flatMap(runtime.compileModel(compilation), (executable) => executable.start(state))

/** The outputs of one step of a program without state. */
export const evaluate = (runtime: Runtime, compilation: Compilation, input: HostTensors) =>
  Effect.scoped(Effect.flatMap(instanceOf(runtime, compilation, {}), (instance) => instance.step(input)))

/** That nothing is held. */
export const nothingHeld = { executables: 0, instances: 0, tensors: 0, bytes: 0 }
