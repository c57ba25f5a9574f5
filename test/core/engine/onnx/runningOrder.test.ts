/**
 * The order in which a model is to run, as far as it is told.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { lower, simplify } from "../../../../packages/core/src/engine/onnx/lowering/lower.ts"
import { asListed, isView } from "../../../../packages/core/src/engine/onnx/lowering/runningOrder.ts"
import type { OnnxModel, OnnxNode } from "../../../../packages/core/src/engine/onnx/Model.ts"
import { trace } from "../../../../packages/core/src/engine/trace/trace.ts"
import { tinyTrainingProgram } from "../../../support/tinyTraining.ts"

/** The nodes as ONNX Runtime runs them: back from what nobody reads, of several the one that is listed last first. */
const asRun = ({ nodes }: OnnxModel): ReadonlyArray<OnnxNode> => {
  const places = new Map(nodes.flatMap((node, i) => node.outputs.map((output) => [output, i] as const)))
  const needs = nodes.map(({ inputs }) => [...new Set(inputs.flatMap((input) => places.get(input) ?? []))])
  const needed = new Set(needs.flat())
  const run = new Set<number>()
  const visit = (place: number): void => {
    if (run.has(place)) return
    needs[place]!.toSorted((a, b) => b - a).forEach(visit)
    run.add(place)
  }
  nodes.map((_, i) => i).filter((i) => !needed.has(i)).toReversed().forEach(visit)
  return [...run].map((place) => nodes[place]!)
}

const node = (name: string, inputs: ReadonlyArray<string>, outputs: ReadonlyArray<string> = [name]): OnnxNode => ({
  name,
  domain: "",
  op: "Split",
  inputs,
  outputs,
  attributes: {}
})

/** Nodes of which each reads some of what was made before. */
const model: fc.Arbitrary<OnnxModel> = fc.array(fc.array(fc.nat(), { maxLength: 3 }), { minLength: 1, maxLength: 20 })
  .map((reads): OnnxModel => ({
    name: "nodes",
    inputs: [{ name: "input.x", dtype: "float32", shape: [2] }],
    outputs: [],
    initializers: [],
    nodes: reads.map((places, i) => node(`n${i}`, i === 0 ? ["input.x"] : places.map((place) => `n${place % i}`)))
  }))

describe("a model as it is listed", () => {
  it("runs in its order, whatever reads what", () =>
    fc.assert(fc.property(model, (model) => {
      const run = asRun(asListed(model, () => true)).filter(({ op }) => op !== "Shape")
      assert.deepStrictEqual(run, model.nodes)
    })))

  it("runs what is to come in its place in the order of these, where others run when they are needed", () =>
    fc.assert(fc.property(model, fc.infiniteStream(fc.boolean()), (model, choices) => {
      const placed = new Set(model.nodes.filter(() => choices.next().value))
      const run = asRun(asListed(model, (node) => placed.has(node)))
      assert.deepStrictEqual(run.filter((node) => placed.has(node)), model.nodes.filter((node) => placed.has(node)))
    })))

  it("reads everything that is made, which is kept until the end otherwise", () => {
    const split = node("split", ["input.x"], ["read", "unread"])
    const given: OnnxModel = {
      name: "halves",
      inputs: [],
      outputs: [],
      initializers: [],
      nodes: [split, node("y", ["read"])]
    }
    const { nodes } = asListed(given, () => false)
    assert.sameMembers(nodes.slice(2).flatMap(({ inputs }) => inputs), ["unread", "y"])
  })
})

it.effect("is told of a training step where anything may be computed again, and not otherwise", () =>
  Effect.gen(function*() {
    const graph = yield* trace((yield* tinyTrainingProgram).program, "onnx")
    const ends = (rematerialize: boolean | "all") =>
      lower(graph, { rematerialize }).nodes.filter(({ name }) => name.endsWith(".end"))
    assert.isEmpty(ends(false))
    assert.isEmpty(ends(true))
    assert.isNotEmpty(ends("all"))
    // A view that is read after a state was written over would say that the state is still needed.
    const model = lower(graph, { rematerialize: "all" })
    const views = new Set(model.nodes.filter(isView).flatMap(({ outputs }) => outputs))
    assert.isEmpty(ends("all").filter(({ inputs }) => views.has(inputs[0]!)))
    assert.isAbove(simplify(graph, { rematerialize: "all" }).nodes.length, simplify(graph, {}).nodes.length)
  }))
