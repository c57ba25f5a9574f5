/**
 * Holds an engine to the reference: many instances in one compiled program, every element of every result compared.
 */
import { Engine, stateless, type Tensor } from "@effusion/core/engine"
import { float32, type HostTensor, int32 } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { type Context, Data, Effect } from "effect"
import * as fc from "fast-check"
import { values } from "./arbitraries.ts"
import type { Argument, Case, Instance } from "./Case.ts"
import { abs, type Arrays, differentiate, differentiateAlong, type NdArray, scalar } from "./reference/index.ts"

/** How near an engine must be to the reference. */
export interface Tolerance {
  /**
   * The largest difference of an element, relative to the magnitude of the sums that it came from
   * (`reference/differences.ts`): 2^-24, float32's unit roundoff, would be perfection.
   */
  readonly relative: number
}

/** An element that is not what the reference says. */
export class Mismatch extends Data.TaggedError("Mismatch")<{ readonly message: string }> {}

/** A host tensor's elements as the reference's array, or the other way round. */
export const toHost = ({ array, dtype }: Argument): HostTensor =>
  dtype === "float32" ? float32(array.shape, array.data) : int32(array.shape, array.data)

const weighting = (outputs: ReadonlyArray<NdArray>): ReadonlyArray<NdArray> =>
  outputs.map(({ shape }, i) => values(i + 1, shape, { low: -2, high: 2, away: [0] }))

/** What one instance should give: its outputs, then its gradients. */
interface Expectation {
  readonly name: string
  readonly what: string
  readonly expected: NdArray
  readonly magnitude: NdArray
}

/** A magnitude that counts what the instance computes on the way too. */
const withScale = (scale: number, { data, shape }: NdArray): NdArray => ({ shape, data: data.map((x) => x + scale) })

/** One instance inside a program that evaluates many: names are prefixed by its place. */
interface Prepared {
  readonly instance: Instance
  readonly inputs: { readonly [name: string]: Argument }
  readonly apply: (inputs: { readonly [name: string]: Tensor }) => { readonly [name: string]: Tensor }
  readonly expectations: ReadonlyArray<Expectation>
}

/** The expected outputs of an instance, and what its gradients are compared by. */
interface Truth {
  readonly outputs: ReadonlyArray<NdArray>
  readonly outputMagnitudes: ReadonlyArray<NdArray>
  readonly derivatives: Arrays
  readonly derivativeMagnitudes: Arrays
  /** What the program makes of a gradient before it is compared. */
  readonly directions: Arrays
}

const truthOf = (instance: Instance, arrays: Arrays): Truth => {
  if (instance.by === "elements") {
    const smooth = Object.keys(arrays).filter((name) => instance.inputs[name]!.dtype === "float32")
    const truth = differentiate(instance.reference, arrays, smooth, weighting)
    return { ...truth, derivatives: truth.gradients, derivativeMagnitudes: truth.gradientMagnitudes, directions: {} }
  }
  const directions = Object.fromEntries(
    instance.differentiable.map((name, i) => [name, values(i + 1, arrays[name]!.shape, { low: -1, high: 1 })])
  )
  const { outputs, slopeMagnitudes, slopes } = differentiateAlong(instance.reference, arrays, directions, weighting)
  const scalars = (numbers: { readonly [name: string]: number }): Arrays =>
    Object.fromEntries(Object.entries(numbers).map(([name, number]) => [name, scalar(number)]))
  return {
    outputs,
    outputMagnitudes: outputs.map(abs),
    derivatives: scalars(slopes),
    derivativeMagnitudes: scalars(slopeMagnitudes),
    directions
  }
}

const prepare = (instance: Instance, place: number): Prepared => {
  const names = Object.keys(instance.inputs)
  const arrays: Arrays = Object.fromEntries(names.map((name) => [name, instance.inputs[name]!.array]))
  const truth = truthOf(instance, arrays)
  const weights = instance.differentiable.length === 0 ? [] : weighting(truth.outputs)
  const inputName = (name: string) => `${place}.${name}`
  const weightName = (output: number) => `${place}.weight.${output}`
  const directionName = (name: string) => `${place}.direction.${name}`
  const outputName = (output: number) => `${place}.output.${output}`
  const gradientName = (name: string) => `${place}.gradient.${name}`
  const given = (name: string, array: NdArray) => [name, { array, dtype: "float32" }] as const
  return {
    instance,
    inputs: Object.fromEntries([
      ...names.map((name) => [inputName(name), instance.inputs[name]!] as const),
      ...weights.map((array, output) => given(weightName(output), array)),
      ...Object.entries(truth.directions).map(([name, array]) => given(directionName(name), array))
    ]),
    apply: (all) => {
      const inputs = Object.fromEntries(names.map((name) => [name, all[inputName(name)]!]))
      const outputs = instance.program(inputs).map((tensor, output) => [outputName(output), tensor] as const)
      if (weights.length === 0) return Object.fromEntries(outputs)
      const functional = (...tensors: ReadonlyArray<Tensor>): tf.Scalar => {
        const moved = Object.fromEntries(instance.differentiable.map((name, i) => [name, tensors[i]!]))
        return instance.program({ ...inputs, ...moved })
          .map((tensor, output) => tf.sum(tf.mul(tensor, all[weightName(output)]!)))
          .reduce((total, term) => tf.add(total, term)) as tf.Scalar
      }
      const gradients = tf.grads(functional)(instance.differentiable.map((name) => inputs[name]!))
      const compared = gradients.map((gradient, i) => {
        const direction = all[directionName(instance.differentiable[i]!)]
        return direction === undefined ? gradient : tf.sum(tf.mul(gradient, direction))
      })
      return Object.fromEntries([
        ...outputs,
        ...compared.map((tensor, i) => [gradientName(instance.differentiable[i]!), tensor] as const)
      ])
    },
    expectations: [
      ...truth.outputs.map((expected, output) => ({
        name: outputName(output),
        what: `output ${output}`,
        expected,
        magnitude: withScale(instance.scale, truth.outputMagnitudes[output]!)
      })),
      ...instance.differentiable.map((name) => ({
        name: gradientName(name),
        what: instance.by === "elements" ? `gradient in ${name}` : `slope along a direction of ${name}`,
        expected: truth.derivatives[name]!,
        magnitude: withScale(instance.scale, truth.derivativeMagnitudes[name]!)
      }))
    ]
  }
}

const show = (numbers: ReadonlyArray<number>): string => `[${numbers.join(", ")}]`

const indexOf = (position: number, { shape }: NdArray): ReadonlyArray<number> => {
  const index: Array<number> = []
  let rest = position
  for (const size of [...shape].toReversed()) {
    index.unshift(rest % size)
    rest = Math.floor(rest / size)
  }
  return index
}

/** The first element of `actual` that is not what is expected, in words. */
export const firstMismatch = (
  actual: HostTensor,
  expected: NdArray,
  magnitude: NdArray,
  tolerance: Tolerance
): string | undefined => {
  if (show(actual.shape) !== show(expected.shape)) {
    return `has the shape ${show(actual.shape)}, not ${show(expected.shape)}`
  }
  if (actual.data.length !== expected.data.length) {
    return `has ${actual.data.length} elements, not ${expected.data.length}`
  }
  const largest = magnitude.data.reduce((a, b) => Math.max(a, b), 0)
  const misplaced = expected.data.findIndex((truth, i) => {
    const value = actual.data[i]!
    if (!Number.isFinite(truth)) return !Object.is(value, truth)
    const allowed = actual.dtype === "int32" ? 0 : tolerance.relative * Math.max(magnitude.data[i]!, largest / 100)
    return !(Math.abs(value - truth) <= allowed)
  })
  if (misplaced === -1) return undefined
  const scale = Math.max(magnitude.data[misplaced]!, largest / 100)
  const difference = Math.abs(actual.data[misplaced]! - expected.data[misplaced]!)
  return `is ${actual.data[misplaced]} at ${show(indexOf(misplaced, expected))}, not ${expected.data[misplaced]}: ` +
    `a difference of ${difference.toPrecision(3)}, where sums of magnitude ${scale.toPrecision(3)} allow ` +
    `${(actual.dtype === "int32" ? 0 : tolerance.relative * scale).toPrecision(3)}`
}

/** Compiles the instances as one program, runs it, and compares everything that it gives back; gives that back too. */
export const checkInstances = Effect.fnUntraced(function*(
  instances: ReadonlyArray<Instance>,
  tolerance: Tolerance
) {
  const engine = yield* Engine
  const prepared = instances.map(prepare)
  const inputs: { readonly [name: string]: Argument } = Object.assign({}, ...prepared.map(({ inputs }) => inputs))
  const specs = Object.fromEntries(
    Object.entries(inputs).map(([name, { array, dtype }]) => [name, { shape: array.shape, dtype }])
  )
  const program = stateless<{ readonly [name: string]: Tensor }, { readonly [name: string]: Tensor }>(
    "cases",
    specs,
    (tensors) => Object.assign({}, ...prepared.map(({ apply }) => apply(tensors)))
  )
  const executable = yield* engine.compile(program)
  const running = yield* executable.start({})
  const outputs = yield* running.step(
    Object.fromEntries(Object.entries(inputs).map(([name, argument]) => [name, toHost(argument)]))
  )
  for (const { expectations, instance } of prepared) {
    for (const { expected, magnitude, name, what } of expectations) {
      const actual = outputs[name]
      const mismatch = actual === undefined ? "is missing" : firstMismatch(actual, expected, magnitude, tolerance)
      if (mismatch !== undefined) return yield* new Mismatch({ message: `${what} of ${instance.label} ${mismatch}` })
    }
  }
  return outputs
}, Effect.scoped)

/**
 * A property whose predicate is an effect. It runs in the test's own context (so an engine is made once), each run in a
 * scope of its own.
 */
export const property = <A, E, R>(
  arbitrary: fc.Arbitrary<A>,
  predicate: (a: A) => Effect.Effect<void, E, R>,
  parameters: fc.Parameters<[A]> = {}
): Effect.Effect<void, never, R> =>
  Effect.contextWith((context: Context.Context<R>) =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(arbitrary, (a) => Effect.runPromiseWith(context)(predicate(a))),
        parameters
      )
    )
  )

/** Holds an engine to a case: its examples, then random instances, up to `batch` of them in one program. */
export const checkCase = (
  { examples = [], instances }: Case,
  { batch, runs, tolerance }: { readonly batch: number; readonly runs: number; readonly tolerance: Tolerance }
): Effect.Effect<void, never, Engine> =>
  property(
    fc.noBias(fc.array(instances, { minLength: 1, maxLength: batch, size: "max" })),
    (some) => Effect.asVoid(checkInstances(some, tolerance)),
    // Examples count as runs, and none may be left out.
    { numRuns: Math.max(runs, examples.length), examples: examples.map((example) => [[example]] as [Array<Instance>]) }
  )
