/**
 * Laws of engines: that they compute what plain tfjs computes, keep states apart, and give back what they hold.
 */
import * as tf from "@tensorflow/tfjs"
import { Effect, Exit } from "effect"
import * as fc from "fast-check"
import { type HostOf, type Program, stateless, type Tensor, type Tensors } from "../engine/index.ts"
import { float32 } from "../tensor/index.ts"
import { elements } from "./arbitraries.ts"
import { same } from "./internal/compare.ts"
import { type EngineService, type HostTensors, nearTensors, runEach, runPlainly } from "./internal/onEngine.ts"
import { type Law, law, type Suite, suite } from "./Law.ts"

/**
 * The laws of an engine.
 *
 * @example
 * const suite = Laws.engine(yield* Engine)
 */
export const engine = (engine: EngineService, options: { readonly subject?: string | undefined } = {}): Suite =>
  suite(options.subject ?? `the engine "${engine.name}"`, lawsOf(engine))

const size = 3
const shape = [size, size]

/** A function of two matrices, as a tree of operations. */
type Expression =
  | { readonly op: "x" | "y" }
  | { readonly op: Unary; readonly of: Expression }
  | { readonly op: Binary; readonly left: Expression; readonly right: Expression }

type Unary = keyof typeof unary
type Binary = keyof typeof binary

const unary = {
  tanh: (a: Tensor) => tf.tanh(a),
  sigmoid: (a: Tensor) => tf.sigmoid(a),
  cos: (a: Tensor) => tf.cos(a),
  relu: (a: Tensor) => tf.relu(a),
  neg: (a: Tensor) => tf.neg(a),
  transpose: (a: Tensor) => tf.transpose(a),
  softmax: (a: Tensor) => tf.softmax(a),
  centred: (a: Tensor) => tf.sub(a, tf.mean(a, 1, true)),
  flipped: (a: Tensor) => tf.reshape(tf.transpose(tf.reshape(a, [1, size, size]), [2, 0, 1]), shape)
}

const binary = {
  add: (a: Tensor, b: Tensor) => tf.add(a, b),
  sub: (a: Tensor, b: Tensor) => tf.sub(a, b),
  mul: (a: Tensor, b: Tensor) => tf.mul(a, b),
  matMul: (a: Tensor, b: Tensor) => tf.div(tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D), size) as Tensor,
  row: (a: Tensor, b: Tensor) => tf.add(a, tf.slice(b, [0, 0], [1, size]))
}

const expressions: fc.Arbitrary<Expression> = fc.letrec<{ readonly expression: Expression }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom<Expression>({ op: "x" }, { op: "y" }),
    fc.record({ op: fc.constantFrom(...Object.keys(unary) as Array<Unary>), of: tie("expression") }),
    fc.record({
      op: fc.constantFrom(...Object.keys(binary) as Array<Binary>),
      left: tie("expression"),
      right: tie("expression")
    })
  )
})).expression

const valueOf = (expression: Expression, x: Tensor, y: Tensor): Tensor => {
  if ("of" in expression) return unary[expression.op](valueOf(expression.of, x, y))
  if ("left" in expression) {
    return binary[expression.op](valueOf(expression.left, x, y), valueOf(expression.right, x, y))
  }
  return expression.op === "x" ? x : y
}

const showExpression = (expression: Expression): string =>
  "of" in expression
    ? `${expression.op}(${showExpression(expression.of)})`
    : "left" in expression
    ? `${expression.op}(${showExpression(expression.left)}, ${showExpression(expression.right)})`
    : expression.op

/** An expression, and two matrices. */
interface Case {
  readonly expression: Expression
  readonly x: ReadonlyArray<number>
  readonly y: ReadonlyArray<number>
}

const cases: fc.Arbitrary<Case> = fc.record({
  expression: expressions,
  x: elements(size * size),
  y: elements(size * size)
})

const show = ({ expression, x, y }: Case): string =>
  `${showExpression(expression)}\nx = [${x.join(", ")}]\ny = [${y.join(", ")}]`

const input = ({ x, y }: Pick<Case, "x" | "y">) => ({ x: float32(shape, x), y: float32(shape, y) })

type Inputs = { readonly x: Tensor; readonly y: Tensor }

const specs = { x: { shape, dtype: "float32" }, y: { shape, dtype: "float32" } } as const

const programOf = (expression: Expression): Program<{}, Inputs, Tensors> =>
  stateless("a law of engines", specs, ({ x, y }: Inputs) => ({ value: valueOf(expression, x, y) }))

const gradientOf = (expression: Expression): Program<{}, Inputs, Tensors> =>
  stateless("a law of engines: gradient", specs, ({ x, y }: Inputs) => {
    // Both take part, so that both have a gradient.
    const [ofX, ofY] = tf.grads((x: Tensor, y: Tensor) =>
      tf.sum(tf.add(valueOf(expression, x, y), tf.mul(tf.add(x, y), 0.5))) as Tensor
    )([x, y])
    return { ofX: ofX!, ofY: ofY! }
  })

/** A state that remembers all of its inputs: sum becomes half of itself plus x. */
const remembering: Program<{ readonly sum: Tensor }, { readonly x: Tensor }, { readonly largest: Tensor }> = {
  name: "a law of engines: state",
  state: { sum: { shape: [2], dtype: "float32" } },
  input: { x: { shape: [2], dtype: "float32" } },
  apply: ({ sum }, { x }) => {
    const next = tf.add(tf.mul(sum, 0.5), x)
    return { state: { sum: next }, output: { largest: tf.max(next) } }
  }
}

/** Exact in float32: a few halvings of small whole numbers. */
const series = fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 1, maxLength: 6 })

const few = 20

const agrees = (
  name: string,
  sentence: string,
  engine: EngineService,
  program: (expression: Expression) => Program<{}, Inputs, Tensors>
): Law =>
  law({
    name: `engine/${name}`,
    sentence,
    source: "tfjs's plain backend is the specification of its operations",
    atMost: few,
    inputs: cases,
    show,
    violation: Effect.fnUntraced(function*(given: Case) {
      const compiled = program(given.expression)
      const [output] = yield* runEach(engine, compiled, [input(given)])
      return nearTensors(
        "the engine's output",
        output as HostTensors,
        "plain tfjs has",
        runPlainly(compiled, input(given)),
        1e-5
      )
    })
  })

const lawsOf = (engine: EngineService): ReadonlyArray<Law> => [
  agrees(
    "computes",
    "a program of any operations gives what plain tfjs gives, within 1e-5 of the largest element",
    engine,
    programOf
  ),
  agrees(
    "gradient",
    "the gradient of a program gives what it gives on plain tfjs, within 1e-5 of the largest element",
    engine,
    gradientOf
  ),
  law({
    name: "engine/steps-state",
    sentence: "each step begins with the state that the one before it left, and reading it changes nothing",
    source: "a program steps a state: (state, input) to (next state, output)",
    atMost: few,
    inputs: fc.record({ start: fc.integer({ min: -8, max: 8 }), xs: series }),
    show: ({ start, xs }) => `the state ${start}, the inputs ${xs.join(", ")}`,
    violation: ({ start, xs }) =>
      Effect.scoped(Effect.gen(function*() {
        const executable = yield* engine.compile(remembering)
        const instance = yield* executable.start({ sum: float32([2], [start, start]) })
        let sum = start
        const outputs: Array<number> = []
        const expected: Array<number> = []
        for (const x of xs) {
          const { largest } = yield* instance.step({ x: float32([2], [x, x]) })
          sum = sum / 2 + x
          outputs.push(largest.data[0]!, (yield* instance.read).sum.data[0]!)
          expected.push(sum, sum)
        }
        return same("the list of outputs and states", outputs, "by hand it has", expected)
      }))
  }),
  law({
    name: "engine/instances-apart",
    sentence: "two states of one compiled program do not know of each other",
    source: "an instance is the only holder of its state",
    atMost: few,
    inputs: fc.tuple(series, series),
    show: ([a, b]) => `the inputs ${a.join(", ")}; and ${b.join(", ")}`,
    violation: (both) =>
      Effect.scoped(Effect.gen(function*() {
        const executable = yield* engine.compile(remembering)
        const start = executable.start({ sum: float32([2], [0, 0]) })
        const instances = [yield* start, yield* start]
        for (let i = 0; i < Math.max(...both.map(({ length }) => length)); i++) {
          for (const k of [0, 1]) {
            const x = both[k]![i]
            if (x !== undefined) yield* instances[k]!.step({ x: float32([2], [x, x]) })
          }
        }
        const states = yield* Effect.forEach(instances, (instance) => instance.read)
        return same(
          "the list of both states",
          states.map(({ sum }) => sum.data[0]!),
          "by hand it has",
          both.map((xs) => xs.reduce((sum, x) => sum / 2 + x, 0))
        )
      }))
  }),
  law({
    name: "engine/releases",
    sentence: "when a scope closes, after a success or a failure, the engine holds what it held before",
    source: "what lives in an engine is acquired in a scope, and gone when it closes",
    atMost: few,
    inputs: fc.record({ instances: fc.integer({ min: 0, max: 3 }), fails: fc.boolean() }),
    show: ({ fails, instances }) =>
      `${instances} states of one program, ${fails ? "a failure" : "a success"} at the end`,
    violation: Effect.fnUntraced(
      function*({ fails, instances }: { readonly instances: number; readonly fails: boolean }) {
        const before = yield* engine.memory
        yield* Effect.exit(Effect.scoped(Effect.gen(function*() {
          const executable = yield* engine.compile(remembering)
          for (let i = 0; i < instances; i++) {
            const instance = yield* executable.start({ sum: float32([2], [i, i]) })
            yield* instance.step({ x: float32([2], [1, 1]) })
          }
          return fails ? yield* Effect.fail("on purpose") : undefined
        })))
        const after = yield* engine.memory
        const changed = (["executables", "instances", "tensors", "bytes"] as const).find((name) =>
          before[name] !== after[name]
        )
        return changed === undefined
          ? undefined
          : `it holds ${after[changed]} ${changed} after, and ${before[changed]} before`
      }
    )
  }),
  law({
    name: "engine/refuses",
    sentence:
      "an input of another shape than the program's is refused with a typed error, and the state stays as it was",
    source: "a signature is checked where host tensors enter",
    atMost: few,
    inputs: fc.integer({ min: 1, max: 5 }).filter((length) => length !== 2),
    show: (length) => `${length} elements where the program takes 2`,
    violation: (length) =>
      Effect.scoped(Effect.gen(function*() {
        const executable = yield* engine.compile(remembering)
        const instance = yield* executable.start({ sum: float32([2], [3, 3]) })
        const wrong = { x: float32([length], new Float32Array(length)) } as HostOf<{ readonly x: Tensor }>
        const exit = yield* Effect.exit(instance.step(wrong))
        if (Exit.isSuccess(exit)) return `${length} elements were taken for 2`
        return same("the state after it", (yield* instance.read).sum.data, "before it there was", [3, 3])
      }))
  })
]
