import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { encode } from "../../../../packages/core/src/engine/tensorflow/encode.ts"
import type {
  TensorflowAttribute,
  TensorflowModel,
  TensorflowNode,
  TensorflowType
} from "../../../../packages/core/src/engine/tensorflow/Model.ts"
import { readSavedModel } from "./savedModel.ts"

const float = fc.float({ noNaN: true })
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 150 })
const shape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 })
const dtype: fc.Arbitrary<TensorflowType> = fc.constantFrom("float32", "float64", "int32", "int64", "bool")
const elementOf: { readonly [T in TensorflowType]: fc.Arbitrary<number> } = {
  float32: float,
  float64: fc.double({ noNaN: true }),
  int32,
  int64: fc.maxSafeInteger(),
  bool: fc.integer({ min: 0, max: 1 })
}
/** Records as object literals make them. */
const record = <A>(fields: { [K in keyof A]: fc.Arbitrary<A[K]> }) => fc.record<A>(fields, { noNullPrototype: true })

const tensor = fc.tuple(dtype, shape, fc.boolean()).chain(([dtype, shape, uniform]) => {
  const length = uniform ? 1 : shape.reduce((product, size) => product * size, 1)
  return fc.array(elementOf[dtype], { minLength: length, maxLength: length })
    .map((data) => ({ type: "tensor" as const, dtype, shape, data }))
})

const attribute: fc.Arbitrary<TensorflowAttribute> = fc.oneof(
  record({ type: fc.constant("int" as const), value: fc.maxSafeInteger() }),
  record({ type: fc.constant("float" as const), value: float }),
  record({ type: fc.constant("bool" as const), value: fc.boolean() }),
  record({ type: fc.constant("string" as const), value: fc.string({ unit: "grapheme" }) }),
  record({ type: fc.constant("type" as const), value: dtype }),
  record({ type: fc.constant("shape" as const), value: shape }),
  record({ type: fc.constant("ints" as const), value: fc.array(fc.maxSafeInteger(), { minLength: 1 }) }),
  record({ type: fc.constant("types" as const), value: fc.array(dtype, { minLength: 1 }) }),
  record({ type: fc.constant("function" as const), value: name }),
  tensor
)

const node: fc.Arbitrary<TensorflowNode> = record({
  name,
  op: name,
  inputs: fc.array(fc.string()),
  attributes: fc.dictionary(name, attribute, { noNullPrototype: true })
})

const modelOf = (nodes: ReadonlyArray<TensorflowNode>): TensorflowModel => {
  const nothing = { feeds: {}, fetches: {} }
  return {
    name: "m",
    nodes,
    functions: [],
    step: nothing,
    stepped: "s:0",
    write: nothing,
    written: "w:0",
    read: nothing
  }
}

const constant = (dtype: TensorflowType, shape: ReadonlyArray<number>, data: ArrayLike<number>): TensorflowNode => ({
  name: "c",
  op: "Const",
  inputs: [],
  attributes: { dtype: { type: "type", value: dtype }, value: { type: "tensor", dtype, shape, data } }
})

describe("encode", () => {
  it("writes every graph so that a reader of TensorFlow's format finds the same graph", () => {
    fc.assert(fc.property(fc.array(node), (nodes) => {
      const decoded = readSavedModel(encode(modelOf(nodes)))
      assert.deepStrictEqual(decoded.nodes, nodes)
      assert.deepStrictEqual(
        [decoded.schemaVersion, decoded.tags, decoded.producer, decoded.minConsumer],
        [1, ["serve"], 987, 0]
      )
    }))
  })

  it("writes functions, whose nodes call each other's outputs by name", () => {
    const T = { type: "type", value: "float32" } as const
    const nodes: ReadonlyArray<TensorflowNode> = [
      { name: "sum", op: "AddV2", inputs: ["a", "b"], attributes: { T } },
      { name: "two", op: "Const", inputs: [], attributes: { dtype: { type: "type", value: "int32" } } },
      { name: "largest", op: "TopKV2", inputs: ["sum", "two"], attributes: { T } },
      { name: "parts", op: "SplitV", inputs: ["largest", "largest:1", "two"], attributes: { T } },
      { name: "halves", op: "Neg", inputs: ["parts:1"], attributes: { T } }
    ]
    const model: TensorflowModel = {
      ...modelOf([]),
      functions: [{
        name: "step",
        inputs: [{ name: "a", dtype: "float32" }, { name: "b", dtype: "int32" }],
        outputs: [{ name: "y", dtype: "float32", tensor: "halves" }, {
          name: "i",
          dtype: "int32",
          tensor: "largest:1"
        }],
        attributes: { _XlaMustCompile: { type: "bool", value: true } },
        nodes
      }]
    }
    assert.deepStrictEqual(readSavedModel(encode(model)).functions, [{
      name: "step",
      inputs: [{ name: "a", dtype: "float32" }, { name: "b", dtype: "int32" }],
      outputs: [{ name: "y", dtype: "float32" }, { name: "i", dtype: "int32" }],
      results: { y: "halves:y:0", i: "largest:indices:0" },
      attributes: { _XlaMustCompile: { type: "bool", value: true } },
      nodes: [
        nodes[0],
        nodes[1],
        { ...nodes[2], inputs: ["sum:z:0", "two:output:0"] },
        { ...nodes[3], inputs: ["largest:values:0", "largest:indices:0", "two:output:0"] },
        { ...nodes[4], inputs: ["parts:output:1"] }
      ]
    }])
  })

  it("writes typed arrays, whole or as views into larger ones, as it writes plain arrays", () => {
    fc.assert(fc.property(fc.array(int32), fc.nat(5), (data, offset) => {
      const bytesOf = (dtype: TensorflowType, data: ArrayLike<number>) =>
        encode(modelOf([constant(dtype, [data.length], data)]))
      const padded = [...Array.from({ length: offset }, () => 7), ...data, 7]
      const view = [offset, offset + data.length] as const
      assert.deepStrictEqual(bytesOf("int32", Int32Array.from(padded).subarray(...view)), bytesOf("int32", data))
      const floats = data.map(Math.fround)
      assert.deepStrictEqual(
        bytesOf("float32", Float32Array.from(padded).subarray(...view)),
        bytesOf("float32", floats)
      )
    }))
  })

  it("holds megabytes of constants and thousands of nodes", () => {
    const data = Float32Array.from({ length: 3_000_000 }, (_, i) => i)
    const chain = Array.from({ length: 3000 }, (_, i): TensorflowNode => ({
      name: `n${i}`,
      op: "Neg",
      inputs: [i === 0 ? "c" : `n${i - 1}`],
      attributes: { T: { type: "type", value: "float32" } }
    }))
    const [first, ...rest] = readSavedModel(encode(modelOf([constant("float32", [3_000_000], data), ...chain]))).nodes
    assert.deepStrictEqual(rest, chain)
    const { data: read } = first!.attributes["value"] as Extract<TensorflowAttribute, { readonly type: "tensor" }>
    assert.strictEqual(read.length, data.length)
    assert.isTrue(Array.from(read).every((element, i) => element === data[i]))
  })

  it("writes one element for a tensor of one number throughout, however large", () => {
    assert.isBelow(encode(modelOf([constant("float32", [1000, 1000, 1000], [0.5])])).byteLength, 200)
  })

  it("refuses a constant whose elements do not fill its shape", () => {
    assert.throws(
      () => encode(modelOf([constant("float32", [2, 3], [1, 2])])),
      `constant "c" has 2 elements, and its shape asks for 6`
    )
  })

  it("refuses constants that TensorFlow could not read, before it makes room for them", () => {
    const data = { length: 2 ** 28 } as ArrayLike<number>
    const large = (name: string) => ({ ...constant("float32", [2 ** 28], data), name })
    assert.throws(
      () => encode(modelOf([large("a"), large("b")])),
      "its constants take 2147483648 bytes, and a graph may take 2080374784; give the largest as state"
    )
  })
})
