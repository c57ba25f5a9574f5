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
import { operands, wrongSums } from "../tensorflow/installation/index.ts"

const { filter, x } = operands

const convolve = stateless<{ readonly x: Tensor; readonly filter: Tensor }, { readonly y: Tensor }>(
  "trial",
  { x: { shape: x.shape, dtype: "float32" }, filter: { shape: filter.shape, dtype: "float32" } },
  ({ filter, x }) => ({ y: tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, "valid") })
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
    const { y } = yield* instance.step({ x: float32(x.shape, x.data), filter: float32(filter.shape, filter.data) })
    const reason = wrongSums(y.data)
    if (reason !== undefined) {
      return yield* new ExecutionFailed({ program: convolve.name, engine: engine.name, reason })
    }
  }))
