/**
 * ONNX Runtime, as the worker uses it: the only module that touches `onnxruntime-node`.
 *
 * The package's public `InferenceSession.run` copies every output into a fresh array, at 0.1 ms/MB for a few MB and
 * 0.5 ms/MB, page faults included, for tens and hundreds: 80 ms more a step for a state of 150 MB. The native session
 * underneath does write outputs in place, into arrays that the caller gives, and then makes the copies. So this module
 * calls the native session, and has it stop before the copies: each model gets one more output, before all others, of a
 * type that has no JavaScript counterpart (bfloat16), and the native session throws when it comes to convert that.
 *
 * Both are internals of one version of the package. {@link loadSessions} therefore tries the way in place on a small
 * model, and uses the public interface, with its copies, unless the result is exactly what it should be.
 */
import { createRequire } from "node:module"
import type * as OnnxRuntime from "onnxruntime-node"
import { type Arrays, type Elements, messageOf } from "../../worker/protocol.ts"
import { encode, irVersion, opsets, weightsFile } from "../encode.ts"
import type { OnnxValueInfo } from "../Model.ts"
import { modelProto } from "./schema.ts"

/** A graph input or output that is fed from, or read into, an {@link Elements} array. */
export interface Port extends OnnxValueInfo {
  readonly dtype: "float32" | "int32"
}

/** An encoded model with what goes in and out of it. */
export interface SessionSource {
  readonly model: Uint8Array<ArrayBuffer>
  /** The elements that the model does not have itself (`encodeApart`); none unless given. A session copies them. */
  readonly weights?: Uint8Array<ArrayBuffer> | undefined
  readonly inputs: ReadonlyArray<Port>
  readonly outputs: ReadonlyArray<Port>
  readonly threads: number
  /** Whether outputs are written in place where that works. Default true. */
  readonly inPlace?: boolean | undefined
  /** The states whose next elements are written over the present ones; none unless given. */
  readonly overwritten?: ReadonlySet<string> | undefined
  /** What the path begins with of the file that ONNX Runtime times every node in, once the session is released. */
  readonly profile?: string | undefined
}

/** A model that can be run. */
export interface Session {
  /** Computes the outputs from the inputs, into the arrays given for them. Throws what ONNX Runtime reports. */
  readonly run: (inputs: Arrays, outputs: Arrays) => Promise<void>
  readonly release: () => Promise<void>
}

/** How sessions are made. */
export interface Sessions {
  /** Whether outputs are written in place, without ONNX Runtime's copies. */
  readonly inPlace: boolean
  readonly create: (source: SessionSource) => Promise<Session>
}

/** The native session of `onnxruntime-node` 1.30 (its `dist/binding.d.ts`). */
interface NativeSession {
  loadModel(
    buffer: ArrayBuffer,
    offset: number,
    length: number,
    options: OnnxRuntime.InferenceSession.SessionOptions
  ): void
  run(feeds: Tensors, fetches: { readonly [name: string]: Tensor | null }, options: {}): unknown
  dispose(): void
}

interface NativeBinding {
  readonly binding: { readonly InferenceSession: new() => NativeSession }
  readonly initOrt: () => void
}

/** What the native session reads of a tensor; no copy is made of `data`. */
interface Tensor {
  readonly type: "float32" | "int32"
  readonly dims: ReadonlyArray<number>
  readonly location: "cpu"
  readonly data: Elements
}

type Tensors = { readonly [name: string]: Tensor }

/** Loads ONNX Runtime and finds out how it can be used. Throws when it does not load. */
export const loadSessions = async (): Promise<Sessions> => {
  const copying = loadCopyingSessions()
  const inPlace = loadSessionsInPlace()
  return inPlace !== undefined && await worksInPlace(inPlace) ? eitherWay(inPlace, copying) : copying
}

/** Each session as its source asks for. */
export const eitherWay = (inPlace: Sessions, copying: Sessions): Sessions => ({
  inPlace: true,
  create: (source) => (source.inPlace === false ? copying : inPlace).create(source)
})

/** Whether a session computes 2x of [1, 2, 3] into the array that it is given. */
export const worksInPlace = async (sessions: Sessions): Promise<boolean> => {
  const x: Port = { name: "x", dtype: "float32", shape: [3] }
  const y: Port = { name: "y", dtype: "float32", shape: [3] }
  const add = { name: "add", domain: "", op: "Add", inputs: ["x", "x"], outputs: ["y"], attributes: {} }
  try {
    const model = encode({ name: "probe", inputs: [x], outputs: [y], initializers: [], nodes: [add] })
    const session = await sessions.create({ model, inputs: [x], outputs: [y], threads: 1 })
    const result = new Float32Array(3)
    await session.run({ x: Float32Array.of(1, 2, 3) }, { y: result })
    await session.release()
    return result.join() === "2,4,6"
  } catch {
    return false
  }
}

const require = createRequire(import.meta.url)

/** Sessions over the native ones; undefined when the package does not look as expected. */
export const loadSessionsInPlace = (): Sessions | undefined => {
  try {
    const { binding, initOrt } = require("onnxruntime-node/dist/binding.js") as NativeBinding
    initOrt()
    return sessionsInPlace(binding.InferenceSession)
  } catch {
    return undefined
  }
}

const sessionsInPlace = (InferenceSession: new() => NativeSession): Sessions => ({
  inPlace: true,
  create: async ({ inputs, model, outputs, ...settings }) => {
    const session = new InferenceSession()
    const bytes = withStop(model)
    session.loadModel(bytes.buffer, bytes.byteOffset, bytes.byteLength, sessionOptions(settings))
    return {
      run: async (inputArrays, outputArrays) => {
        const feeds = tensors(inputs, inputArrays)
        const fetches = { [stop]: null, ...tensors(outputs, outputArrays) }
        try {
          session.run(feeds, fetches, {})
        } catch (cause) {
          if (!isStop(cause)) throw cause
        }
      },
      release: async () => session.dispose()
    }
  }
})

/** Sessions by the public interface. */
export const loadCopyingSessions = (): Sessions => {
  const ort = require("onnxruntime-node") as typeof OnnxRuntime
  // What goes wrong is thrown as well; printed, it would tear a progress display.
  ort.env.logLevel = "fatal"
  return {
    inPlace: false,
    create: async ({ inputs, model, outputs, ...settings }) => {
      // ONNX Runtime refuses a model without outputs; it has nothing to compute.
      if (outputs.length === 0) return { run: async () => {}, release: async () => {} }
      const session = await ort.InferenceSession.create(model, sessionOptions(settings))
      return {
        run: async (inputArrays, outputArrays) => {
          const feeds = Object.entries(tensors(inputs, inputArrays)).map(([name, { data, dims, type }]) =>
            [name, new ort.Tensor(type, data, dims)] as const
          )
          const results = await session.run(Object.fromEntries(feeds))
          for (const { name } of outputs) outputArrays[name]!.set(results[name]!.data as Elements)
        },
        release: () => session.release()
      }
    }
  }
}

/**
 * How sessions run, by measurement.
 *
 * Denormals are left as they are: with `set_denormal_as_zero` arithmetic on them is 7 times as fast, but ONNX Runtime
 * sets it once a process, for the thread that makes the first session, so in a second worker the threads that share an
 * operation would disagree.
 */
const sessionOptions = (
  { profile, threads, weights }: Pick<SessionSource, "profile" | "threads" | "weights">
): OnnxRuntime.InferenceSession.SessionOptions => ({
  intraOpNumThreads: threads,
  // Programs are lowered to what it would make of them, or faster; what it rewrites goes by shapes, and keeps to no order.
  graphOptimizationLevel: "disabled",
  // A plan of all allocations saved no time that could be told from noise, and took half as much memory again.
  enableMemPattern: false,
  logSeverityLevel: 4,
  ...(weights === undefined || weights.byteLength === 0
    ? {}
    : { externalData: [{ path: weightsFile, data: weights }] }),
  ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile }),
  // Threads that spin between operations save 2 %, and 7 % on a busy machine; if they go on spinning after a run, the
  // next run of another session takes 1.8 times as long.
  extra: { session: { intra_op: { allow_spinning: "1" }, force_spinning_stop: "1" } }
})

const tensors = (ports: ReadonlyArray<Port>, arrays: Arrays): Tensors => {
  const result: Record<string, Tensor> = {}
  for (const { dtype, name, shape } of ports) {
    result[name] = { type: dtype, dims: shape, location: "cpu", data: arrays[name]! }
  }
  return result
}

/** The name of the output that the native session stops at. */
const stop = "effusion.stop"

const bfloat16 = 16

/**
 * A model with the output {@link stop} before its own. Protobuf messages are merged by appending their bytes, repeated
 * fields (the outputs) in the order of the parts.
 */
const withStop = (model: Uint8Array): Uint8Array<ArrayBuffer> => {
  const type = { tensorType: { elemType: bfloat16, shape: { dim: [] } } }
  const prefix = modelProto.encode({
    irVersion,
    opsetImport: [{ domain: "", version: opsets[""] }],
    graph: {
      initializer: [{ name: stop, dims: [], dataType: bfloat16, rawData: new Uint8Array(2) }],
      output: [{ name: stop, type }]
    }
  }).finish()
  const bytes = new Uint8Array(prefix.byteLength + model.byteLength)
  bytes.set(prefix)
  bytes.set(model, prefix.byteLength)
  return bytes
}

const isStop = (cause: unknown): boolean => messageOf(cause) === `Tensor type (${bfloat16}) is not supported.`
