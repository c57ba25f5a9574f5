/**
 * A trial of an engine: whether it computes what it is made for. A GPU can be there, and its library of convolutions of
 * another version, which shows when the first one is computed.
 */
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import { float32 } from "../../tensor/index.ts"
import type { Engine } from "../Engine.ts"
import type { CompileError, RunError } from "../EngineError.ts"
import { ExecutionFailed } from "../EngineError.ts"
import { stateless, type Tensor } from "../Program.ts"

const size = 8

/** Sums over windows of 3 by 3 pixels, and over channels. */
const convolve = stateless<{ readonly x: Tensor; readonly w: Tensor }, { readonly y: Tensor }>(
  "trial",
  { x: { shape: [1, size, size, 4], dtype: "float32" }, w: { shape: [3, 3, 4, 2], dtype: "float32" } },
  ({ w, x }) => ({ y: tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, "valid") })
)

/**
 * Computes a small convolution. Fails as compiling and running do, and with `ExecutionFailed` where the numbers are wrong.
 *
 * @example
 * yield* trial(yield* Engine)
 */
export const trial = (engine: Engine["Service"]): Effect.Effect<void, CompileError | RunError> =>
  Effect.scoped(Effect.gen(function*() {
    const instance = yield* (yield* engine.compile(convolve)).start({})
    const ones = (shape: ReadonlyArray<number>) =>
      float32(shape, new Float32Array(shape.reduce((product, length) => product * length, 1)).fill(1))
    const { y } = yield* instance.step({ x: ones([1, size, size, 4]), w: ones([3, 3, 4, 2]) })
    if (y.data.every((value) => value === 36)) return
    const reason = `a convolution of ones gave ${y.data[0]} in place of 36`
    return yield* new ExecutionFailed({ program: convolve.name, engine: engine.name, reason })
  }))
