/**
 * Nodes know where in a program's source they come from, and keep that through the passes.
 */
import { assert, describe, it } from "@effect/vitest"
import { type Program, stateless, type Tensor, type Tensors } from "@effusion/core/engine"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import * as fc from "fast-check"
import type { Graph, Node } from "../../../../packages/core/src/engine/graph/Graph.ts"
import { passes } from "../../../../packages/core/src/engine/graph/optimize.ts"
import { trace } from "../../../../packages/core/src/engine/trace/trace.ts"
import type { Instance } from "../../../conformance/Case.ts"
import { property } from "../../../conformance/check.ts"
import { expressions } from "../../../conformance/expressions.ts"
import { tinyTrainingProgram } from "../../../support/tinyTraining.ts"

const x = { shape: [4], dtype: "float32" } as const

const recorded = (apply: (x: Tensor) => Tensor) =>
  trace(stateless("test", { x }, (input) => ({ y: apply(input.x) })), "onnx", { origins: true })

/** Part and innermost function of a node, and the operation. */
const describeNode = ({ operation, origin }: Node) =>
  `${origin?.pass} ${origin?.frames.at(-1)?.function}: ${
    operation.kind === "unary" || operation.kind === "binary" ? operation.function : operation.kind
  }`

/** Two functions of a model. */
const steep = (x: Tensor): Tensor => tf.exp(x)
const shallow = (x: Tensor): Tensor => tf.neg(x)
const network = (x: Tensor): Tensor => tf.add(steep(x), shallow(x))
const gradient = (x: Tensor): Tensor => tf.neg(tf.grad(network)(x))

describe("an origin", () => {
  it.effect("is the call in the program's own source, whoever calls it", () =>
    Effect.gen(function*() {
      const { nodes } = yield* recorded(network)
      assert.deepStrictEqual(nodes.map(describeNode), [
        "outside steep: exp",
        "outside shallow: neg",
        "outside network: add"
      ])
      const frames = nodes[0]!.origin!.frames
      assert.deepStrictEqual(frames.map((frame) => frame.function).slice(-2), ["network", "steep"])
      assert.isTrue(frames.every(({ file, line }) => file === import.meta.filename && line > 0))
    }))

  it.effect("of a backward node is that of the operation that it differentiates", () =>
    Effect.gen(function*() {
      const nodes = (yield* recorded(gradient)).nodes.map(describeNode)
      assert.includeMembers(nodes, ["forward steep: exp", "forward shallow: neg", "forward network: add"])
      assert.includeMembers(nodes, ["backward steep: mul", "backward shallow: neg"])
      // The two gradients of x meet at the operation whose gradient came second: the tape is gone through backwards.
      assert.include(nodes, "backward steep: add")
      assert.strictEqual(nodes.at(-1), "outside gradient: neg")
    }))

  it.effect("of a second derivative is there as well", () =>
    Effect.gen(function*() {
      const { nodes } = yield* recorded(tf.grad(tf.grad((x) => tf.sum(tf.mul(steep(x), steep(x))))))
      assert.isTrue(nodes.every(({ origin }) => origin !== undefined))
      assert.includeMembers(nodes.map(describeNode), ["forward steep: exp", "backward steep: mul"])
    }))

  it.effect("of a gradient of one's own is the call of the operation", () =>
    Effect.gen(function*() {
      const clipped = tf.customGrad((x) => {
        return { value: tf.relu(x as Tensor), gradFunc: (dy: Tensor | Array<Tensor>) => tf.mul(dy as Tensor, 0.5) }
      })
      const layer = (x: Tensor) => clipped(x)
      const nodes = (yield* recorded(tf.grad(layer))).nodes.map(describeNode)
      assert.include(nodes, "backward layer: mul")
    }))
})

describe("tracing", () => {
  it.effect("records the same with origins and without, and without them there are none", () =>
    Effect.gen(function*() {
      const program = stateless("test", { x }, (input) => ({ y: gradient(input.x) }))
      const plain = yield* trace(program, "onnx")
      const known = yield* trace(program, "onnx", { origins: true })
      const summary = ({ inputs, operation, outputs }: Node) => ({ operation, inputs, outputs })
      assert.deepStrictEqual(known.nodes.map(summary), plain.nodes.map(summary))
      assert.isTrue(plain.nodes.every((node) => !("origin" in node)))
    }))

  it.effect("leaves tfjs's tape and the form of stack traces as they were, also when a program fails", () =>
    Effect.gen(function*() {
      const { prepareStackTrace, stackTraceLimit } = Error
      yield* recorded(gradient)
      yield* Effect.flip(recorded((x) => tf.grad(() => tf.scalar(x.dataSync()[0]!))(x)))
      assert.strictEqual(Error.stackTraceLimit, stackTraceLimit)
      assert.strictEqual(Error.prepareStackTrace, prepareStackTrace)
      assert.notProperty(Object.getOwnPropertyDescriptors(tf.engine()), "addTapeNode")
      assert.notProperty(Object.getOwnPropertyDescriptors(tf.engine()), "gradients")
    }))
})

const instances = fc.oneof(...expressions.map((expression) => expression.instances))

const programOf = ({ inputs, program }: Instance) =>
  stateless<Tensors, Tensors>(
    "expression",
    Object.fromEntries(Object.entries(inputs).map(([name, { array, dtype }]) => [name, { shape: array.shape, dtype }])),
    (tensors) => Object.fromEntries(program(tensors).map((tensor, i) => [`y${i}`, tensor]))
  )

const assertKnown = (graph: Graph, after: string) =>
  assert.deepStrictEqual(graph.nodes.filter(({ origin }) => origin === undefined), [], after)

const keepsOrigins = Effect.fnUntraced(function*(program: Program<Tensors, Tensors, Tensors>) {
  const first = yield* trace(program, "onnx", { origins: true })
  assertKnown(first, "tracing")
  return passes.reduce((graph, [name, pass]) => {
    const next = pass(graph)
    assertKnown(next, name)
    return next
  }, first)
})

describe("passes", () => {
  it.effect("keep origins, of any expression", () =>
    property(instances, (instance) => Effect.asVoid(keepsOrigins(programOf(instance))), { numRuns: 100 }))

  it.effect("keep origins, of a training step of a U-Net, whose every node is called somewhere", () =>
    Effect.gen(function*() {
      const { program } = yield* tinyTrainingProgram
      const { nodes } = yield* keepsOrigins(program as unknown as Program<Tensors, Tensors, Tensors>)
      assert.deepStrictEqual(nodes.filter(({ origin }) => origin!.frames.length === 0), [])
      const passesOf = (kind: string) =>
        new Set(nodes.filter(({ operation }) => operation.kind === kind).map(({ origin }) => origin!.pass))
      assert.deepStrictEqual(passesOf("convolution"), new Set(["forward"]))
      assert.deepStrictEqual(passesOf("convolutionFilterGradient"), new Set(["backward"]))
      assert.deepStrictEqual(passesOf("groupNormGradient"), new Set(["backward"]))
      // A gradient is that of a convolution in the same line.
      const linesOf = (kind: string) =>
        new Set(
          nodes.filter(({ operation }) => operation.kind === kind).map(({ origin }) => JSON.stringify(origin!.frames))
        )
      assert.deepStrictEqual(linesOf("convolutionFilterGradient"), linesOf("convolution"))
    }))
})
