/**
 * The engine that suits the machine: TensorFlow where it is installed and a GPU works, else ONNX Runtime.
 */
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { Engine } from "../Engine.ts"
import type { CompileError, EngineUnavailable, RunError } from "../EngineError.ts"
import { type GpuError, GpuUnusable } from "../tensorflow/GpuError.ts"
import {
  describeGpu,
  find,
  type FindOptions,
  gpusOf,
  type Installation,
  isGpuExpected,
  type Sources,
  whyNoGpu
} from "../tensorflow/installation/index.ts"
import { type LoadError, unavailable } from "../tensorflow/TensorflowError.ts"
import { type EngineOptions, type Engines, engines } from "./engines.ts"
import { trial } from "./trial.ts"

/** Which engine was taken, and why. */
export class EngineChoice extends Context.Service<EngineChoice, {
  readonly name: string
  /** Why it was taken, as a sentence without its end: "TensorFlow is not installed". */
  readonly reason: string
  /** What went wrong with a better one that should work, with its remedy. */
  readonly warning?: string
}>()("@effusion/core/engine/EngineChoice") {}

/** How to choose. */
export interface Options extends EngineOptions {}

/** What is chosen from, and where facts come from; tests have others than this machine. */
export interface Surroundings extends Sources, Pick<FindOptions, "workingDirectory"> {
  readonly engines?: Engines | undefined
}

/**
 * The engine that suits the machine, as a layer, with the reason for the choice. Whatever is not taken is not loaded; where
 * TensorFlow is not installed, a dozen looks at the file system are all that it costs.
 *
 * `device: "cpu"` takes ONNX Runtime, and `device: "gpu"` TensorFlow or nothing. Fails with `EngineUnavailable` where the
 * engine that is taken does not work.
 *
 * @example
 * const program = Effect.gen(function*() {
 *   const { name, reason } = yield* EngineChoice
 *   const engine = yield* Engine
 * }).pipe(Effect.provide(AutoEngine.layer({ threads: 4 })))
 */
export const layer = (
  options: Options = {},
  surroundings: Surroundings = {}
): Layer.Layer<Engine | EngineChoice, EngineUnavailable> => Layer.effectContext(choose(options, surroundings))

type Chosen = Context.Context<Engine | EngineChoice>

const choose = (
  options: Options,
  surroundings: Surroundings
): Effect.Effect<Chosen, EngineUnavailable, Scope.Scope> => {
  if (options.device === "cpu") return take("onnx", options, surroundings, { reason: "the processor was asked for" })
  return Effect.gen(function*() {
    const { environment, workingDirectory } = surroundings
    const installation = yield* find({
      package: options.package,
      device: options.device,
      environment,
      workingDirectory
    })
    yield* requireGpu(installation, surroundings)
    return yield* tryTensorflow(installation, options, surroundings)
  }).pipe(
    Effect.catch((error) => {
      const failure = error._tag === "EngineUnavailable" ? error : unavailable(error)
      if (options.device === "gpu") return Effect.fail(failure)
      const { reason, remedy } = failure
      const warning = isNormal(error) ? {} : { warning: `${reason}; ${remedy}` }
      return take("onnx", options, surroundings, { reason, ...warning })
    })
  )
}

/** What leaves a machine without a GPU to compute with, and is as its owner wants it. */
const isNormal = ({ _tag }: EngineUnavailable | LoadError | GpuError): boolean =>
  _tag === "PackageMissing" || _tag === "GpuMissing" || _tag === "GpuHidden"

const take = Effect.fnUntraced(
  function*(
    name: keyof Engines,
    options: Options,
    surroundings: Surroundings,
    choice: Omit<EngineChoice["Service"], "name">
  ): Effect.fn.Return<Chosen, EngineUnavailable, Scope.Scope> {
    const context = yield* Layer.buildWithScope((surroundings.engines ?? engines)[name](options), yield* Effect.scope)
    return Context.add(context, EngineChoice, { name, ...choice })
  }
)

/** Fails where there is no point in loading an installation, as far as that can be told without loading it. */
const requireGpu = Effect.fnUntraced(
  function*(installation: Installation, surroundings: Surroundings): Effect.fn.Return<void, GpuError> {
    if (isGpuExpected(surroundings) && installation.builtFor !== "cpu") return
    return yield* yield* whyNoGpu(installation, surroundings)
  }
)

/** Takes TensorFlow, if it computes with a GPU; if not, nothing of it is left. */
const tryTensorflow = Effect.fnUntraced(
  function*(
    installation: Installation,
    options: Options,
    surroundings: Surroundings
  ): Effect.fn.Return<Chosen, EngineUnavailable | GpuError, Scope.Scope> {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const reason = "TensorFlow is installed, and a GPU works"
    const exit = yield* Effect.exit(
      Effect.gen(function*() {
        const context = yield* take("tensorflow", { ...options, device: "gpu" }, surroundings, { reason })
        yield* trial(Context.get(context, Engine)).pipe(
          Effect.catch((error) => Effect.flatMap(whyTrialFails(installation, error, surroundings), Effect.fail))
        )
        return context
      }).pipe(Effect.provideService(Scope.Scope, scope))
    )
    if (Exit.isFailure(exit)) yield* Scope.close(scope, exit)
    return yield* exit
  }
)

/** The log may say more than the failure itself. */
const whyTrialFails = (installation: Installation, failure: CompileError | RunError, surroundings: Surroundings) =>
  Effect.map(
    whyNoGpu(installation, surroundings),
    (why): GpuError =>
      why._tag === "GpuUnusable" || why._tag === "BuiltWithoutCuda"
        ? new GpuUnusable({ model: describeGpu(gpusOf(surroundings.root), {}), detail: failure.message })
        : why
  )
