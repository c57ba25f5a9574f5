/**
 * What every lowered program must be, as data, whatever it computes. (That it computes the right elements is the business
 * of the tests that have TensorFlow, in test/tensorflow.)
 */
import { assert, describe, it } from "@effect/vitest"
import { type Program, stateless, type Tensor, UnsupportedOperation } from "@effusion/core/engine"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import * as fc from "fast-check"
import { lower } from "../../../../packages/core/src/engine/tensorflow/lowering/lower.ts"
import type {
  SessionCall,
  TensorflowModel,
  TensorflowNode
} from "../../../../packages/core/src/engine/tensorflow/Model.ts"
import { trace } from "../../../../packages/core/src/engine/trace/trace.ts"
import type { Case, Instance } from "../../../conformance/Case.ts"
import { chains } from "../../../conformance/cases/chains.ts"
import { composites } from "../../../conformance/cases/composites.ts"
import { elementwise } from "../../../conformance/cases/elementwise.ts"
import { linear } from "../../../conformance/cases/linear.ts"
import { movement } from "../../../conformance/cases/movement.ts"
import { networks } from "../../../conformance/cases/networks.ts"
import { reductions } from "../../../conformance/cases/reductions.ts"
import { expressions } from "../../../conformance/expressions.ts"
import { f32, i32 } from "../../../conformance/tests.ts"
import { tinyTrainingProgram } from "../../../support/tinyTraining.ts"
import { operators } from "./operators.ts"

type Named = { readonly [name: string]: Tensor }

const record = <S extends Named, I extends Named, O extends Named>(program: Program<S, I, O>) =>
  Effect.runSync(trace(program, "tensorflow"))

/** An instance's results and gradients, as a program. */
const programOf = ({ differentiable, inputs, program }: Instance) =>
  stateless<Named, Named>(
    "case",
    Object.fromEntries(Object.entries(inputs).map(([name, { array, dtype }]) => [name, { shape: array.shape, dtype }])),
    (given) => {
      const functional = (...moved: ReadonlyArray<Tensor>) =>
        program({ ...given, ...Object.fromEntries(differentiable.map((name, i) => [name, moved[i]!])) })
          .map((tensor) => tf.sum(tf.square(tensor)))
          .reduce((total, term) => tf.add(total, term)) as tf.Scalar
      const gradients = differentiable.length === 0
        ? []
        : tf.grads(functional)(differentiable.map((name) => given[name]!))
      return Object.fromEntries([...program(given), ...gradients].map((tensor, i) => [`y${i}`, tensor]))
    }
  )

const isControl = (input: string) => input.startsWith("^")
const nodeOf = (input: string) => input.replace(/^\^/, "").replace(/:\d+$/, "")
const outputOf = (input: string) => Number(/:(\d+)$/.exec(input)?.[1] ?? 0)
const countOf = (node: TensorflowNode, count: number | string): number => {
  if (typeof count === "number") return count
  const attribute = node.attributes[count]
  return attribute?.type === "int" ? attribute.value : attribute?.type === "types" ? attribute.value.length : Number.NaN
}
const calls = ({ read, step, write }: TensorflowModel): ReadonlyArray<SessionCall> => [step, write, read]

/** Throws unless TensorFlow would take the graph. */
const checkWellFormed = (model: TensorflowModel): void => {
  for (const { inputs, name, nodes, outputs } of model.functions) {
    const parameters = inputs.map(({ dtype, name }): TensorflowNode => ({
      name,
      op: "Placeholder",
      inputs: [],
      attributes: { dtype: { type: "type", value: dtype } }
    }))
    const seen = checkNodes([...parameters, ...nodes])
    for (const { tensor } of outputs) assert.isTrue(seen.has(nodeOf(tensor)), `${tensor} is there`)
    const call = model.nodes.filter(({ attributes: { f } }) => f?.type === "function" && f.value === name)
    assert.strictEqual(call.length, 1)
    const types = (attribute: string) => call[0]!.attributes[attribute]
    assert.deepStrictEqual(types("Tin"), { type: "types", value: inputs.map(({ dtype }) => dtype) })
    assert.deepStrictEqual(types("Tout"), { type: "types", value: outputs.map(({ dtype }) => dtype) })
  }
  const seen = checkNodes(model.nodes)
  for (const { feeds, fetches } of calls(model)) {
    const [fed, fetched] = [Object.values(feeds), Object.values(fetches)]
    for (const tensor of [...fed, ...fetched, model.stepped, model.written]) {
      assert.match(tensor, /:\d+$/)
      assert.isTrue(seen.has(nodeOf(tensor)), `${tensor} is there`)
    }
    for (const tensor of fed) assert.strictEqual(seen.get(nodeOf(tensor))!.op, "Placeholder")
    assert.strictEqual(new Set([...fed, ...fetched]).size, fed.length + fetched.length, "no tensor twice")
  }
}

const checkNodes = (nodes: ReadonlyArray<TensorflowNode>): ReadonlyMap<string, TensorflowNode> => {
  const seen = new Map<string, TensorflowNode>()
  for (const node of nodes) {
    const operator = operators.get(node.op)
    if (operator === undefined) throw new Error(`the operation ${node.op} is not known`)
    assert.match(node.name, /^[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*$/)
    assert.isFalse(seen.has(node.name), `${node.name} twice`)
    const data = node.inputs.filter((input) => !isControl(input))
    assert.deepStrictEqual(node.inputs.slice(0, data.length), data, "control inputs come last")
    const { inputs, optional, outputs, required } = operator
    const expected = typeof inputs === "number" ? inputs : countOf(node, inputs.attribute) + inputs.besides
    assert.strictEqual(data.length, expected, `inputs of ${node.name}`)
    for (const input of node.inputs) {
      const source = seen.get(nodeOf(input))
      if (source === undefined) throw new Error(`${node.name} takes ${input}, which no node before it gives`)
      if (!isControl(input)) {
        assert.isBelow(
          outputOf(input),
          countOf(source, operators.get(source.op)!.outputs),
          `${node.name} takes ${input}`
        )
      }
    }
    const names = Object.keys(node.attributes).filter((name) => !name.startsWith("_"))
    for (const name of required) assert.include(names, name, `an attribute of ${node.name}`)
    for (const name of names) assert.include([...required, ...optional], name, `an attribute of ${node.name}`)
    assert.isAtLeast(countOf(node, outputs), 0)
    seen.set(node.name, node)
  }
  return seen
}

/** The names of nodes that must run for some tensors. */
const ancestors = (model: TensorflowModel, tensors: ReadonlyArray<string>): ReadonlySet<string> => {
  const needed = new Set(tensors.map(nodeOf))
  for (const node of model.nodes.toReversed()) {
    if (needed.has(node.name)) { for (const input of node.inputs) needed.add(nodeOf(input)) }
  }
  return needed
}

const placeholdersOf = (model: TensorflowModel, tensors: ReadonlyArray<string>) => {
  const needed = ancestors(model, tensors)
  return model.nodes.filter(({ name, op }) => op === "Placeholder" && needed.has(name)).map(({ name }) => `${name}:0`)
}

/** Throws unless each call feeds just what it needs, and all that a step computes is compiled where it is to be. */
const checkCalls = (model: TensorflowModel, xla: boolean): void => {
  const feedsOf = ({ feeds }: SessionCall) => Object.values(feeds).toSorted()
  const { read, step, stepped, write, written } = model
  assert.deepStrictEqual(feedsOf(step), placeholdersOf(model, [...Object.values(step.fetches), stepped]).toSorted())
  assert.deepStrictEqual(feedsOf(write), placeholdersOf(model, [written]).toSorted())
  assert.deepStrictEqual(placeholdersOf(model, Object.values(read.fetches)), [])
  const around = new Set([
    "VarHandleOp",
    "ReadVariableOp",
    "AssignVariableOp",
    "Placeholder",
    "DeepCopy",
    "Identity",
    "NoOp",
    "Const",
    "PartitionedCall"
  ])
  if (!xla) return assert.deepStrictEqual(model.functions, [])
  for (const { op } of model.nodes) assert.isTrue(around.has(op), `${op} is compiled`)
  for (const { attributes } of [...model.functions, ...model.nodes.filter(({ op }) => op === "PartitionedCall")]) {
    assert.deepStrictEqual(attributes["_XlaMustCompile"], { type: "bool", value: true })
  }
}

const groups: ReadonlyArray<readonly [string, ReadonlyArray<Case>]> = [
  ["elementwise operations", elementwise],
  ["reductions", reductions],
  ["movement", movement],
  ["linear operations", linear],
  ["networks", networks],
  ["composite operations", composites],
  ["chains", chains],
  ["random expressions", expressions]
]

describe("lowering makes well-formed graphs", () => {
  for (const [group, cases] of groups) {
    it(`of ${group}`, () => {
      for (const { instances } of cases) {
        fc.assert(
          fc.property(instances, fc.boolean(), fc.boolean(), (instance, xla, optimize) => {
            const model = lower(record(programOf(instance)), { xla, optimize })
            checkWellFormed(model)
            checkCalls(model, xla)
          }),
          { numRuns: 4 }
        )
      }
    })
  }
})

/** States that trade places, stay, come from the input, and are computed. */
const trade: Program<
  { a: Tensor; b: Tensor; kept: Tensor; last: Tensor; n: Tensor },
  { x: Tensor; unused: Tensor },
  { a: Tensor; again: Tensor; x: Tensor; sum: Tensor }
> = {
  name: "trade",
  state: { a: f32(2), b: f32(2), kept: f32(2), last: f32(2), n: i32() },
  input: { x: f32(2), unused: i32(3) },
  apply: ({ a, b, kept, n }, { x }) => ({
    state: { a: b, b: a, kept, last: tf.reshape(x, [2]), n: tf.add(n, tf.scalar(1, "int32")) },
    output: { a, again: a, x, sum: tf.sum(tf.add(kept, x)) }
  })
}

describe("lowering keeps the state in variables", () => {
  const model = lower(record(trade), { xla: false })
  const byName = new Map(model.nodes.map((node) => [node.name, node]))
  const find = (tensor: string) => byName.get(nodeOf(tensor))!
  const assigned = (signal: string) => find(signal).inputs.map(find)
  /** The name of the state that a node holds, reads or replaces. */
  const stateOf = (node: TensorflowNode): string => {
    const handle = node.op === "VarHandleOp" ? node : find(node.inputs[0]!)
    return Object.entries(model.read.fetches).find(([, tensor]) => find(tensor).inputs[0] === handle.name)![0]
  }

  it("well-formed, with only what is used fed", () => {
    checkWellFormed(model)
    checkCalls(model, false)
    assert.deepStrictEqual(Object.keys(model.step.feeds), ["x"])
    assert.deepStrictEqual(Object.keys(model.step.fetches), ["a", "again", "x", "sum"])
    assert.deepStrictEqual(Object.keys(model.write.feeds), ["a", "b", "kept", "last", "n"])
    assert.deepStrictEqual(Object.keys(model.read.fetches), ["a", "b", "kept", "last", "n"])
  })

  it("each its own", () => {
    const names = model.nodes.filter(({ op }) => op === "VarHandleOp").map(({ attributes }) =>
      attributes["shared_name"]
    )
    assert.strictEqual(new Set(names.map((name) => JSON.stringify(name))).size, 5)
  })

  it("replaced by a step where it changes, by a write everywhere", () => {
    assert.deepStrictEqual(assigned(model.stepped).map(stateOf), ["a", "b", "last", "n"])
    assert.deepStrictEqual(assigned(model.written).map(stateOf), ["a", "b", "kept", "last", "n"])
  })

  it("replaced when all that is new is there, and every output", () => {
    for (const [signal, outputs] of [[model.stepped, model.step.fetches], [model.written, {}]] as const) {
      const assignments = assigned(signal)
      const needed = [...assignments.map((node) => node.inputs[1]!), ...Object.values(outputs)].map(nodeOf)
      for (const assignment of assignments) {
        const before = ancestors(model, assignment.inputs.filter(isControl))
        for (const node of needed) assert.isTrue(before.has(node), `${assignment.name} waits for ${node}`)
      }
    }
  })

  it("by values that were read before, and by copies of what is fed", () => {
    const [a, b, last] = assigned(model.stepped)
    assert.strictEqual(stateOf(find(a!.inputs[1]!)), "b")
    assert.strictEqual(stateOf(find(b!.inputs[1]!)), "a")
    assert.strictEqual(find(last!.inputs[1]!).op, "DeepCopy")
    for (const { inputs } of assigned(model.written)) assert.strictEqual(find(inputs[1]!).op, "DeepCopy")
    // Nothing but copies takes what is fed, where a state could keep it.
    for (const { inputs, op } of model.nodes) {
      if (inputs.some((input) => find(input).op === "Placeholder")) assert.strictEqual(op, "DeepCopy")
    }
  })
})

describe("lowering", () => {
  it("names nodes by what they are, whatever the program's names are", () => {
    const model = lower(
      record({
        name: "日本語",
        state: { "": f32(2), "a b/c": f32(2) },
        input: { "α.β": f32(2) },
        apply: (state: Named, input: Named) => ({
          state: { "": tf.add(state[""]!, input["α.β"]!), "a b/c": state["a b/c"]! },
          output: { constructor: tf.scalar(1) }
        })
      }),
      { xla: true }
    )
    checkWellFormed(model)
    checkCalls(model, true)
    assert.deepStrictEqual(Object.keys(model.write.feeds), ["", "a b/c"])
  })

  it("refuses functions of integers that TensorFlow has no kernel for", () => {
    const graph = record(stateless("whole", { n: i32(2) }, ({ n }: { n: Tensor }) => ({ y: tf.exp(n) })))
    try {
      lower(graph, { xla: false })
      assert.fail("was not refused")
    } catch (error) {
      assert.instanceOf(error, UnsupportedOperation)
      assert.include(String((error as Error).message), "exp of int32")
    }
  })

  it("has what is computed again wait, and nothing else, where that is asked for", () => {
    const graph = record(Effect.runSync(tinyTrainingProgram).program)
    /** What hands on a tensor after another one is there; replacing the state waits otherwise. */
    const waiting = (rematerialize: boolean | "all" | undefined) => {
      const model = lower(graph, { xla: false, rematerialize })
      checkWellFormed(model)
      return model.nodes.filter(({ inputs, op }) => op === "Identity" && inputs.some(isControl))
    }
    assert.isEmpty(waiting(undefined))
    assert.isEmpty(waiting(false))
    assert.isNotEmpty(waiting(true))
    assert.isNotEmpty(waiting("all"))
  })
})
