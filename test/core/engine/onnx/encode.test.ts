import { assert, describe, it } from "@effect/vitest"
import {
  encode,
  type OnnxAttribute,
  type OnnxInitializer,
  type OnnxModel,
  type OnnxType
} from "@effusion/core/engine/onnx"
import * as fc from "fast-check"
import { encodeApart } from "../../../../packages/core/src/engine/onnx/encode.ts"
import {
  loadCopyingSessions,
  loadSessions,
  loadSessionsInPlace,
  type Port
} from "../../../../packages/core/src/engine/onnx/internal/session.ts"
import { inOrder, permuted, summed } from "../../../../packages/core/src/engine/onnx/Reading.ts"
import type { Elements } from "../../../../packages/core/src/engine/worker/protocol.ts"
import { node } from "./models.ts"
import { readModel } from "./wire.ts"

const sessions = await loadSessions()

const float = fc.float({ noNaN: true })
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
/** Records as object literals make them. */
const record = <A>(fields: { [K in keyof A]: fc.Arbitrary<A[K]> }) => fc.record<A>(fields, { noNullPrototype: true })
const shape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 })
const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 150 })
const dtype: fc.Arbitrary<OnnxType> = fc.constantFrom("float32", "float64", "int32", "int64", "bool")
const elementOf: { readonly [T in OnnxType]: fc.Arbitrary<number> } = {
  float32: float,
  float64: fc.double({ noNaN: true }),
  int32,
  int64: fc.maxSafeInteger(),
  bool: fc.integer({ min: 0, max: 1 })
}

const initializer: fc.Arbitrary<OnnxInitializer> = record({ name, dtype, shape }).chain((spec) => {
  const length = spec.shape.reduce((product, size) => product * size, 1)
  return fc.array(elementOf[spec.dtype], { minLength: length, maxLength: length }).map((data) => ({ ...spec, data }))
})

const attribute: fc.Arbitrary<OnnxAttribute> = fc.oneof(
  record({ type: fc.constant("float" as const), value: float }),
  record({ type: fc.constant("int" as const), value: fc.maxSafeInteger() }),
  record({ type: fc.constant("string" as const), value: fc.string({ unit: "grapheme" }) }),
  record({ type: fc.constant("floats" as const), value: fc.array(float) }),
  record({ type: fc.constant("ints" as const), value: fc.array(fc.maxSafeInteger()) })
)

const value = record({ name, dtype, shape })

const model: fc.Arbitrary<OnnxModel> = record({
  name,
  inputs: fc.array(value),
  outputs: fc.array(value),
  initializers: fc.array(initializer),
  nodes: fc.array(record({
    name,
    domain: fc.constantFrom("", "com.microsoft"),
    op: name,
    inputs: fc.array(fc.string()),
    outputs: fc.array(name),
    attributes: fc.dictionary(name, attribute, { noNullPrototype: true })
  }))
})

describe("encode", () => {
  it("writes every model so that a reader of the ONNX format finds the same model", () => {
    fc.assert(fc.property(model, (model) => {
      const decoded = readModel(encode(model))
      assert.deepStrictEqual(decoded.model, model)
      assert.strictEqual(decoded.irVersion, 10)
      assert.deepStrictEqual(decoded.opsets, { "": 21, "com.microsoft": 1, "com.microsoft.nchwc": 1 })
    }))
  })

  it("writes typed arrays, whole or as views into larger ones, as it writes plain arrays", () => {
    fc.assert(fc.property(fc.array(int32), fc.nat(5), (data, offset) => {
      const bytesOf = (dtype: OnnxType, data: ArrayLike<number>) =>
        encode({
          name: "m",
          inputs: [],
          outputs: [],
          nodes: [],
          initializers: [{ name: "c", dtype, shape: [data.length], data }]
        })
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

  it("holds megabytes of initializers and thousands of nodes", () => {
    const data = Float32Array.from({ length: 3_000_000 }, (_, i) => i)
    const chain = Array.from({ length: 3000 }, (_, i) => node("Neg", [i === 0 ? "weights" : `v${i - 1}`], [`v${i}`]))
    const initializers = [{ name: "weights", dtype: "float32" as const, shape: [3_000_000], data }]
    const bytes = encode({ name: "large", inputs: [], outputs: [], initializers, nodes: chain })
    const { model } = readModel(bytes)
    assert.deepStrictEqual(model.nodes, chain)
    assert.isTrue(Array.from(model.initializers[0]!.data).every((element, i) => element === data[i]))
    assert.strictEqual(model.initializers[0]!.data.length, data.length)
  })

  it("writes elements in the order in which they are to be read", () => {
    fc.assert(fc.property(movedInitializer, ({ expected, initializer }) => {
      const { model } = readModel(
        encode({ name: "m", inputs: [], outputs: [], nodes: [], initializers: [initializer] })
      )
      assert.deepStrictEqual(model.initializers, [expected])
    }))
  })

  it("adds up what is read as a sum", () => {
    // a - e, b - f; and what is neither large enough to be kept apart nor a typed array is one as well.
    const reading = summed(inOrder([3, 2]), [3, 2], [1, 0, -1])!
    const small = { name: "small", dtype: "float32", shape: [2], data: [1, 2, 3, 4, 5, 6.5], reading } as const
    const data = Float32Array.from({ length: 3000 }, (_, i) => i * i)
    const large = {
      name: "large",
      dtype: "float32",
      shape: [10, 100],
      data,
      reading: summed(inOrder([3, 1000]), [3, 1000], [.5, 0, -1])!
    } as const
    const sums = Array.from({ length: 1000 }, (_, i) => Math.fround(i * i / 2 - (i + 2000) ** 2))
    const model = { name: "m", inputs: [], outputs: [], nodes: [], initializers: [small, large] }
    const { model: bytes, weights } = encodeApart(model)
    assert.strictEqual(weights.byteLength, 4032)
    for (const decoded of [readModel(encode(model)), readModel(bytes, weights)]) {
      assert.deepStrictEqual(decoded.model.initializers.map(({ data }) => data), [[-4, -4.5], sums])
    }
  })

  it("refuses an initializer whose elements do not fill its shape", () => {
    const refused = (initializer: Omit<OnnxInitializer, "name" | "dtype" | "shape">) => {
      const initializers = [{ name: "w", dtype: "float32" as const, shape: [2, 3], ...initializer }]
      const model = { name: "m", inputs: [], outputs: [], initializers, nodes: [] }
      const message = `initializer "w" has 2 elements, and its shape asks for 6`
      assert.throws(() => encode(model), message)
      assert.throws(() => encodeApart(model), message)
    }
    refused({ data: [1, 2] })
    refused({ data: [1, 2, 3, 4, 5, 6], reading: summed(inOrder([3, 2]), [3, 2], [1, 1, 1])! })
  })
})

/** An initializer that is read with its axes permuted, and how it is then. */
const movedInitializer = fc.tuple(initializer, fc.gen()).map(([{ data, shape, ...rest }, gen]) => {
  const axes = shape.map((_, axis) => axis)
  const permutation = gen(() => fc.shuffledSubarray(axes, { minLength: axes.length }))
  const result = permutation.map((axis) => shape[axis]!)
  const strides = inOrder(shape).axes.map(({ stride }) => stride)
  const moved = Array.from(data, (_, i) => {
    const source = inOrder(result).axes.reduce(
      (at, { size, stride }, axis) => at + (Math.floor(i / stride) % size) * strides[permutation[axis]!]!,
      0
    )
    return data[source]!
  })
  const reading = permuted(inOrder(shape), shape, permutation)
  return {
    initializer: { ...rest, shape: result, data, ...(reading === undefined ? {} : { reading }) },
    expected: { ...rest, shape: result, data: moved }
  }
})

describe("encodeApart", () => {
  /** Some of them just below a kibibyte, some just above. */
  const large: fc.Arbitrary<OnnxInitializer> = fc.record({
    name,
    dtype: fc.constantFrom<OnnxType>("float32", "int64", "float64"),
    length: fc.integer({ min: 250, max: 260 })
  }).map(({ dtype, length, name }) => ({
    name,
    dtype,
    shape: [length],
    data: Array.from({ length }, (_, i) => i)
  }))

  it("writes every model so that a reader of the model and its weights finds the same model", () => {
    const some = fc.tuple(model, fc.array(fc.oneof(large, initializer)))
    fc.assert(fc.property(some, ([model, initializers]) => {
      const whole = { ...model, initializers }
      const encoded = encodeApart(whole)
      assert.deepStrictEqual(readModel(encoded.model, encoded.weights).model, whole)
    }))
  })

  it("keeps large float32 initializers out of the model, and no others", () => {
    const sizes = (dtype: OnnxType, length: number) => {
      const data = Array.from({ length }, (_, i) => i)
      const initializers = [{ name: "c", dtype, shape: [length], data }]
      return encodeApart({ name: "m", inputs: [], outputs: [], nodes: [], initializers })
    }
    assert.strictEqual(sizes("float32", 256).weights.byteLength, 1024)
    assert.isBelow(sizes("float32", 256).model.byteLength, 256)
    assert.strictEqual(sizes("float32", 255).weights.byteLength, 0)
    // The runtime reads shapes before it has read any file.
    assert.strictEqual(sizes("int64", 1000).weights.byteLength, 0)
  })

  it("moves elements as it writes them, for the runtime to find in their place", async () => {
    const filters = Float32Array.from({ length: 3 * 4 * 5 * 8 }, (_, i) => i)
    const reading = permuted(inOrder([3, 4, 5, 8]), [3, 4, 5, 8], [3, 1, 0, 2])!
    const constant = { name: "c", dtype: "float32", shape: [8, 4, 15], data: filters, reading } as const
    const output: Port = { name: "y", dtype: "float32", shape: [8, 4, 15] }
    const model = { inputs: [], outputs: [output], initializers: [constant] }
    const source = encodeApart({ name: "m", ...model, nodes: [node("Neg", ["c"], ["y"])] })
    assert.strictEqual(source.weights.byteLength, filters.byteLength)
    const expected = Array.from({ length: 480 }, (_, i) => {
      const [o, n, p, q] = [Math.floor(i / 60), Math.floor(i / 15) % 4, Math.floor(i / 5) % 3, i % 5]
      return -filters[((p * 4 + n) * 5 + q) * 8 + o]!
    })
    for (const sessions of [loadSessionsInPlace()!, loadCopyingSessions()]) {
      const weights = source.weights.slice()
      const session = await sessions.create({
        ...source,
        ...model,
        weights,
        threads: 1,
        outputs: [output]
      })
      // They are the session's own from then on.
      weights.fill(0)
      const y = new Float32Array(480)
      await session.run({}, { y })
      await session.release()
      assert.deepStrictEqual(Array.from(y), expected)
    }
  })
})

/** Runs a model of one output without inputs. */
const run = async (output: Port, initializers: ReadonlyArray<OnnxInitializer>, nodes: OnnxModel["nodes"]) => {
  const model = encode({ name: "m", inputs: [], outputs: [output], initializers, nodes })
  const session = await sessions.create({ model, inputs: [], outputs: [output], threads: 1 })
  const size = output.shape.reduce((product, size) => product * size, 1)
  const result: Elements = output.dtype === "float32" ? new Float32Array(size) : new Int32Array(size)
  await session.run({}, { [output.name]: result })
  await session.release()
  return Array.from(result)
}

describe("ONNX Runtime reads what encode writes", () => {
  it("initializers of every type", async () => {
    const narrow = initializer.map(({ data, dtype, ...rest }): OnnxInitializer => ({
      ...rest,
      dtype,
      // Wider integers are compared after a cast to int32, the widest that comes out of a session of ours.
      data: dtype === "int64" ? Array.from(data, (element) => element % 2 ** 31) : data
    }))
    await fc.assert(
      fc.asyncProperty(narrow, async (initializer) => {
        const isFloat = initializer.dtype === "float32" || initializer.dtype === "float64"
        const output: Port = {
          name: `${initializer.name} out`,
          dtype: isFloat ? "float32" : "int32",
          shape: initializer.shape
        }
        const to = { type: "int", value: output.dtype === "float32" ? 1 : 6 } as const
        const result = await run(output, [initializer], [node("Cast", [initializer.name], [output.name], { to })])
        assert.deepStrictEqual(result, Array.from(initializer.data, isFloat ? Math.fround : Number))
      })
    )
  })

  it("attributes of every type", async () => {
    // ONNX's Constant gives back the attribute that it is given; attribute names tell the types apart.
    await fc.assert(
      fc.asyncProperty(
        float,
        int32,
        fc.array(float, { minLength: 1 }),
        fc.array(int32, { minLength: 1 }),
        async (f, i, fs, is) => {
          const constant = async (attribute: OnnxAttribute, dtype: Port["dtype"], shape: Port["shape"]) => {
            const attributes = { [`value_${attribute.type}`]: attribute }
            const to = { type: "int", value: dtype === "float32" ? 1 : 6 } as const
            return run({ name: "y", dtype, shape }, [], [
              node("Constant", [], ["c"], attributes),
              node("Cast", ["c"], ["y"], { to })
            ])
          }
          assert.deepStrictEqual(await constant({ type: "float", value: f }, "float32", []), [f])
          assert.deepStrictEqual(await constant({ type: "int", value: i }, "int32", []), [i])
          assert.deepStrictEqual(await constant({ type: "floats", value: fs }, "float32", [fs.length]), fs)
          assert.deepStrictEqual(await constant({ type: "ints", value: is }, "int32", [is.length]), is)
        }
      ),
      { numRuns: 30 }
    )
    // A string chooses the order of the blocks.
    const blocks = { name: "x", dtype: "float32" as const, shape: [1, 8, 1, 1], data: [0, 1, 2, 3, 4, 5, 6, 7] }
    const depthToSpace = (mode: string) =>
      run({ name: "y", dtype: "float32", shape: [1, 2, 2, 2] }, [blocks], [
        node("DepthToSpace", ["x"], ["y"], {
          blocksize: { type: "int", value: 2 },
          mode: { type: "string", value: mode }
        })
      ])
    assert.deepStrictEqual(await depthToSpace("DCR"), [0, 2, 4, 6, 1, 3, 5, 7])
    assert.deepStrictEqual(await depthToSpace("CRD"), [0, 1, 2, 3, 4, 5, 6, 7])
  })
})
