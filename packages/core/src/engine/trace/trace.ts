/**
 * Tracing: runs a program's function once, on the recording backend, and keeps what it recorded.
 */
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import type { TensorSpec } from "../../tensor/HostTensor.ts"
import { showShape } from "../../tensor/HostTensor.ts"
import { withBackend } from "../backend.ts"
import type { CompileError } from "../EngineError.ts"
import { InvalidProgram, TracedValueRead, UnsupportedOperation } from "../EngineError.ts"
import type { Binding, Graph } from "../graph/Graph.ts"
import { kernelNames, withoutKernels } from "../operations/composite.ts"
import type { Program, Tensors } from "../Program.ts"
import { makeOrigins } from "./origins.ts"
import { backend } from "./register.ts"
import { backendName, ElementsRead, Recorder, UnknownKernel } from "./Tracer.ts"

/** How a program is recorded. */
export interface TraceOptions {
  /** Whether nodes know where in the program's source they come from, which takes several times as long. Default false. */
  readonly origins?: boolean
  /** The composite operations that are recorded as the plain ones that specify them. None unless given. */
  readonly composed?: ReadonlyArray<Composite>
}

/** A composite operation (`engine/operations`), which is recorded as one node. */
export type Composite = "attention" | "groupNorm" | "silu" | "upsampleNearest"

/**
 * Records a program as a graph.
 *
 * tfjs's global state (its backend and its tensors) is as before when this returns, also when it fails.
 *
 * @param engine the engine that asks, for error messages
 */
export const trace = <State extends Tensors, Input extends Tensors, Output extends Tensors>(
  program: Program<State, Input, Output>,
  engine: string,
  options: TraceOptions = {}
): Effect.Effect<Graph, CompileError> =>
  Effect.try({
    try: () =>
      withoutKernels((options.composed ?? []).map((name) => kernelNames[name]), () =>
        withBackend(backendName, () => record(program as unknown as Program<Tensors, Tensors, Tensors>, options))),
    catch: (cause) =>
      explain(cause, program.name, engine)
  })

const record = (program: Program<Tensors, Tensors, Tensors>, options: TraceOptions): Graph => {
  const origins = options.origins === true ? makeOrigins(import.meta.url) : undefined
  const recorder = new Recorder(origins?.present)
  backend.recorder = recorder
  try {
    let graph: Graph | undefined
    tf.tidy(() => {
      const state = bind("state", program.state)
      const input = bind("input", program.input)
      const apply = () => program.apply(state.tensors, input.tensors)
      const result = origins === undefined ? apply() : origins.watch(apply)
      graph = {
        name: program.name,
        signature: {
          state: program.state,
          input: program.input,
          output: specsOf(result.output)
        },
        arguments: [...state.bindings, ...input.bindings],
        nodes: recorder.builder.nodes,
        results: [
          ...results(recorder, "state", nextState(program, result.state)),
          ...results(recorder, "output", result.output)
        ]
      }
    })
    return graph!
  } finally {
    backend.recorder = undefined
  }
}

const bind = (role: "state" | "input", specs: { readonly [name: string]: TensorSpec }) => {
  const bindings: Array<Binding> = []
  const tensors: Record<string, tf.Tensor> = {}
  for (const [name, { dtype, shape }] of Object.entries(specs)) {
    const value = { shape: [...shape], dtype }
    bindings.push({ role, name, value })
    tensors[name] = tf.engine().makeTensorFromDataId(backend.identify(value), [...shape], dtype)
  }
  return { bindings, tensors }
}

/** The next state, which must have the names, shapes and dtypes of the state before. */
const nextState = (program: Program<Tensors, Tensors, Tensors>, next: Tensors): Tensors => {
  for (const [name, spec] of Object.entries(program.state)) {
    const tensor = next[name]
    if (tensor === undefined) throw new RangeError(`the next state lacks "${name}"`)
    if (tensor.dtype !== spec.dtype || showShape(tensor.shape) !== showShape(spec.shape)) {
      throw new RangeError(
        `the state "${name}" is ${spec.dtype} ${showShape(spec.shape)} before a step and ` +
          `${tensor.dtype} ${showShape(tensor.shape)} after it`
      )
    }
  }
  const extra = Object.keys(next).find((name) => !Object.hasOwn(program.state, name))
  if (extra !== undefined) throw new RangeError(`the next state has "${extra}", which the program's state has not`)
  return next
}

const results = (recorder: Recorder, role: "state" | "output", tensors: Tensors): ReadonlyArray<Binding> =>
  Object.entries(tensors).map(([name, tensor]) => ({ role, name, value: recorder.value(tensor) }))

const specsOf = (tensors: Tensors): { readonly [name: string]: TensorSpec } =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, { dtype, shape }]) => {
      if (dtype !== "float32" && dtype !== "int32") {
        throw new RangeError(`the output "${name}" is ${dtype}; cast it to float32 or int32`)
      }
      return [name, { shape: [...shape], dtype }]
    })
  )

const explain = (cause: unknown, program: string, engine: string): CompileError => {
  if (cause instanceof ElementsRead) return new TracedValueRead({ program })
  if (cause instanceof UnknownKernel) {
    return new UnsupportedOperation({ program, operation: cause.kernel, engine, remedy: cause.remedy })
  }
  const reason = cause instanceof Error ? cause.message : String(cause)
  const kernel = /Kernel '(\w+)' not registered for backend/.exec(reason)?.[1]
  if (kernel !== undefined) {
    return new UnsupportedOperation({ program, operation: kernel, engine, remedy: remedies[kernel] })
  }
  const undifferentiable = /gradient function not found for (\w+)/.exec(reason)?.[1]
  if (undifferentiable !== undefined) {
    const operation = `gradient of ${undifferentiable}`
    const remedy =
      "tfjs has none: keep what it is applied to from being differentiated (stopGradient), or write it with " +
      "other tfjs operations"
    return new UnsupportedOperation({ program, operation, engine, remedy })
  }
  if (/dilation rates greater than 1 are not/.test(reason)) {
    const remedy =
      "tfjs has none: put the zeros of the dilation between the filter's elements, with tf.pad and tf.reshape"
    return new UnsupportedOperation({ program, operation: "gradient of a dilated convolution", engine, remedy })
  }
  return new InvalidProgram({ program, reason, cause })
}

const random = "declare what it draws as draws, or take it as input: a program is the same function at every step"

/** What to do instead of operations that are not recorded, by tfjs's names. */
const remedies: { readonly [kernelName: string]: string } = {
  Multinomial: random,
  Complex: "keep real and imaginary parts in two tensors",
  Conv3D: "write it as a sum of tf.conv2d over the depth of the filter",
  NonMaxSuppressionV3: "do it on the host, with what the program gives back",
  SparseToDense: "write it with tf.scatterND"
}
