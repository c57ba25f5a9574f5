/**
 * Optimisers as gradient transformations (as in optax): a transformation is a value that turns a gradient into an
 * update, and keeps a few vectors from step to step. Transformations compose with {@link chain}.
 *
 * All parameters of a model are one vector, [P], float32: a step of an optimiser is a handful of passes over few big
 * tensors, not over hundreds of small ones. Numbers that change from step to step (a learning rate, a bias correction)
 * are computed on the host in float64 and given to the compiled program as scalars.
 */
import type { Tensor, Tensors } from "../engine/Program.ts"

/** Numbers that change from step to step, by name. */
export type Hyperparameters = { readonly [name: string]: number }

/** What a transformation is given besides the gradient. */
export interface TransformationContext {
  /** The parameters before this step: [P]. */
  readonly parameters: Tensor
  /** The vectors that the transformation keeps, as the step before left them: each [P]. */
  readonly vectors: Tensors
  /** A scalar for each of the transformation's hyperparameters. */
  readonly hyperparameters: Tensors
}

/** What a transformation makes of a gradient. */
export interface Transformed {
  /** Handed to the next transformation of a chain; what the last one makes is added to the parameters. [P]. */
  readonly update: Tensor
  /** The kept vectors after this step, under the same names. */
  readonly vectors: Tensors
}

/**
 * A gradient transformation.
 *
 * Names of vectors and hyperparameters begin with the name of the transformation (`adam.firstMoment`), so that they
 * mean the same thing inside a chain, on its own, and in a checkpoint.
 *
 * @example
 * // Reverses the gradient: with it, a run descends.
 * const descend: GradientTransformation = {
 *   name: "descend",
 *   vectors: [],
 *   hyperparameters: () => ({}),
 *   update: (gradient) => ({ update: tf.neg(gradient), vectors: {} })
 * }
 */
export interface GradientTransformation {
  readonly name: string
  /** The names of the vectors that it keeps. Each is shaped as the gradient, [P], and begins as zeros. */
  readonly vectors: ReadonlyArray<string>
  /**
   * The numbers of one step, computed in float64. `step` counts the optimiser's steps from 0; the names are the same at
   * every step.
   */
  readonly hyperparameters: (step: number) => Hyperparameters
  /** The learning rate of a step, for reports; absent where there is none. */
  readonly learningRate?: (step: number) => number
  /** A pure function on tensors; it may be traced and compiled. */
  readonly update: (gradient: Tensor, context: TransformationContext) => Transformed
}

/**
 * The transformation that changes nothing.
 *
 * @example
 * chain(identity, adam({ learningRate: 1e-3 })) // behaves as adam({ learningRate: 1e-3 })
 */
export const identity: GradientTransformation = {
  name: "identity",
  vectors: [],
  hyperparameters: () => ({}),
  update: (gradient) => ({ update: gradient, vectors: {} })
}

/**
 * Transformations one after the other: each is given what the one before made. The learning rate of a chain is that of
 * its last transformation that has one.
 *
 * Chaining is associative, and {@link identity} is its neutral element.
 *
 * @throws Error when two transformations keep a vector, or use a hyperparameter, of the same name: a mistake of the
 *   program.
 * @example
 * const optimizer = chain(clipByGlobalNorm(1), adamW({ learningRate: LearningRate.cosine({ peak: 1e-3, steps: 10_000 }) }))
 */
export const chain = (...parts: ReadonlyArray<GradientTransformation>): GradientTransformation => {
  requireDistinct(parts.flatMap((part) => part.vectors), "keep a vector named")
  requireDistinct(parts.flatMap((part) => Object.keys(part.hyperparameters(0))), "use a hyperparameter named")
  const learningRate = parts.findLast((part) => part.learningRate !== undefined)?.learningRate
  return {
    name: parts.map((part) => part.name).join(" -> "),
    vectors: parts.flatMap((part) => part.vectors),
    hyperparameters: (step) => Object.assign({}, ...parts.map((part) => part.hyperparameters(step))),
    ...(learningRate === undefined ? {} : { learningRate }),
    update: (gradient, context) =>
      parts.reduce<Transformed>((done, part) => {
        const { update, vectors } = part.update(done.update, context)
        return { update, vectors: { ...done.vectors, ...vectors } }
      }, { update: gradient, vectors: {} })
  }
}

const requireDistinct = (names: ReadonlyArray<string>, what: string): void => {
  const repeated = names.find((name, i) => names.indexOf(name) !== i)
  if (repeated !== undefined) throw new Error(`two gradient transformations of a chain both ${what} "${repeated}"`)
}
