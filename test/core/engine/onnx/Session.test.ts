import { assert, describe, it } from "@effect/vitest"
import { encode, type OnnxModel } from "@effusion/core/engine/onnx"
import * as fc from "fast-check"
import {
  loadCopyingSessions,
  loadSessions,
  loadSessionsInPlace,
  type Port,
  type Sessions,
  worksInPlace
} from "../../../../packages/core/src/engine/onnx/internal/session.ts"
import type { Arrays } from "../../../../packages/core/src/engine/worker/protocol.ts"
import { node } from "./models.ts"

const inPlace = loadSessionsInPlace()!
const copying = loadCopyingSessions()

const port = (name: string, shape: ReadonlyArray<number>, dtype: Port["dtype"] = "float32"): Port => ({
  name,
  dtype,
  shape
})

const allocate = ({ dtype, shape }: Port) => {
  const size = shape.reduce((product, length) => product * length, 1)
  return dtype === "float32" ? new Float32Array(size).fill(Number.NaN) : new Int32Array(size).fill(-77)
}

/** Runs a model on arrays that hold nonsense before. */
const run = async (sessions: Sessions, model: OnnxModel, inputs: Arrays) => {
  const ports = { inputs: model.inputs as ReadonlyArray<Port>, outputs: model.outputs as ReadonlyArray<Port> }
  const session = await sessions.create({ model: encode(model), ...ports, threads: 1 })
  const outputs = Object.fromEntries(ports.outputs.map((port) => [port.name, allocate(port)]))
  try {
    await session.run(inputs, outputs)
  } finally {
    await session.release()
  }
  return Object.fromEntries(Object.entries(outputs).map(([name, elements]) => [name, Array.from(elements)]))
}

const model = (parts: Partial<OnnxModel>): OnnxModel => ({
  name: "m",
  inputs: [],
  outputs: [],
  initializers: [],
  nodes: [],
  ...parts
})

const x = port("x", [2])
const constant = { name: "c", dtype: "float32" as const, shape: [2], data: [5, 6] }
const twoByOne = { name: "shape", dtype: "int64" as const, shape: [2], data: [2, 1] }

/** Models whose outputs ONNX Runtime's optimizer makes aliases, constants or copies of something, and their results. */
const cases: ReadonlyArray<readonly [string, Partial<OnnxModel>, { readonly [name: string]: ReadonlyArray<number> }]> =
  [
    ["a copy of an input", { inputs: [x], outputs: [port("y", [2])], nodes: [node("Identity", ["x"], ["y"])] }, {
      y: [1, 2]
    }],
    [
      "two copies of an input",
      {
        inputs: [x],
        outputs: [port("y", [2]), port("z", [2])],
        nodes: [node("Identity", ["x"], ["y"]), node("Identity", ["x"], ["z"])]
      },
      { y: [1, 2], z: [1, 2] }
    ],
    [
      "two copies of a value",
      {
        inputs: [x],
        outputs: [port("y", [2]), port("z", [2])],
        nodes: [node("Add", ["x", "x"], ["v"]), node("Identity", ["v"], ["y"]), node("Identity", ["v"], ["z"])]
      },
      { y: [2, 4], z: [2, 4] }
    ],
    [
      "the same expression twice",
      {
        inputs: [x],
        outputs: [port("y", [2]), port("z", [2])],
        nodes: [node("Add", ["x", "x"], ["y"]), node("Add", ["x", "x"], ["z"])]
      },
      { y: [2, 4], z: [2, 4] }
    ],
    [
      "a copy of a constant",
      { outputs: [port("y", [2])], initializers: [constant], nodes: [node("Identity", ["c"], ["y"])] },
      { y: [5, 6] }
    ],
    [
      "constants that the optimizer computes",
      {
        outputs: [port("y", [2]), port("z", [2])],
        initializers: [constant],
        nodes: [node("Add", ["c", "c"], ["y"]), node("Mul", ["c", "c"], ["z"])]
      },
      { y: [10, 12], z: [25, 36] }
    ],
    [
      "a value and a view of it",
      {
        inputs: [x],
        outputs: [port("v", [2]), port("y", [2, 1])],
        initializers: [twoByOne],
        nodes: [node("Add", ["x", "x"], ["v"]), node("Reshape", ["v", "shape"], ["y"])]
      },
      { v: [2, 4], y: [2, 4] }
    ],
    [
      "a view of an input",
      {
        inputs: [x],
        outputs: [port("y", [2, 1])],
        initializers: [twoByOne],
        nodes: [node("Reshape", ["x", "shape"], ["y"])]
      },
      { y: [1, 2] }
    ],
    ["nothing at all", {}, {}]
  ]

describe("sessions", () => {
  it("works in place with the version of onnxruntime-node that is pinned", async () => {
    assert.isTrue((await loadSessions()).inPlace)
  })

  for (const [name, sessions] of [["in place", inPlace], ["copying", copying]] as const) {
    describe(name, () => {
      for (const [what, parts, expected] of cases) {
        it(`gives ${what}`, async () => {
          const inputs = (parts.inputs ?? []).length === 0 ? {} : { x: Float32Array.of(1, 2) }
          assert.deepStrictEqual(await run(sessions, model(parts), inputs), expected)
        })
      }

      it("adds, multiplies and convolves", async () => {
        const product = model({
          inputs: [port("a", [2, 3]), port("b", [3, 1])],
          outputs: [port("y", [2, 1])],
          nodes: [node("MatMul", ["a", "b"], ["y"])]
        })
        const operands = { a: Float32Array.of(1, 2, 3, 4, 5, 6), b: Float32Array.of(1, 10, 100) }
        assert.deepStrictEqual(await run(sessions, product, operands), { y: [321, 654] })

        const pads = { type: "ints", value: [1, 1, 1, 1] } as const
        const convolution = model({
          inputs: [port("x", [1, 1, 3, 3]), port("w", [1, 1, 3, 3])],
          outputs: [port("y", [1, 1, 3, 3])],
          nodes: [node("Conv", ["x", "w"], ["y"], { pads })]
        })
        const neighbours = Float32Array.of(0, 1, 0, 1, 0, 1, 0, 1, 0)
        const image = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9)
        assert.deepStrictEqual(await run(sessions, convolution, { x: image, w: neighbours }), {
          y: [6, 9, 8, 13, 20, 17, 12, 21, 14]
        })

        const integers = model({
          inputs: [port("n", [], "int32")],
          outputs: [port("y", [], "int32")],
          nodes: [node("Add", ["n", "n"], ["y"])]
        })
        assert.deepStrictEqual(await run(sessions, integers, { n: Int32Array.of(-21) }), { y: [-42] })
      })

      it("computes in place what it is given, whatever the size, and leaves inputs as they are", async () => {
        await fc.assert(
          fc.asyncProperty(fc.array(fc.float({ noNaN: true }), { maxLength: 100 }), async (elements) => {
            const negate = model({
              inputs: [port("x", [elements.length])],
              outputs: [port("y", [elements.length])],
              nodes: [node("Neg", ["x"], ["y"])]
            })
            const input = Float32Array.from(elements)
            const { y } = await run(sessions, negate, { x: input })
            assert.deepStrictEqual(y, elements.map((element) => -element))
            assert.deepStrictEqual(Array.from(input), elements)
          }),
          { numRuns: 30 }
        )
      })

      it("throws what ONNX Runtime reports, of a model and of a run", async () => {
        const unknown = model({ inputs: [x], outputs: [port("y", [2])], nodes: [node("Frobnicate", ["x"], ["y"])] })
        await rejects(run(sessions, unknown, { x: Float32Array.of(1, 2) }), /No Op registered for Frobnicate/)

        const gather = model({
          inputs: [x, port("i", [1], "int32")],
          outputs: [port("y", [1])],
          nodes: [node("Gather", ["x", "i"], ["y"])]
        })
        const outside = { x: Float32Array.of(1, 2), i: Int32Array.of(7) }
        await rejects(run(sessions, gather, outside), /idx=7 must be within the inclusive range \[-2,1\]/)
        assert.deepStrictEqual(await run(sessions, gather, { ...outside, i: Int32Array.of(1) }), { y: [2] })
      })
    })
  }
})

const rejects = async (promise: Promise<unknown>, pattern: RegExp): Promise<void> => {
  const outcome = await promise.then(() => "nothing", (cause: unknown) => String(cause))
  assert.match(outcome, pattern)
}

describe("a released session", () => {
  it("does not run", async () => {
    for (const sessions of [inPlace, copying]) {
      const negate = model({ inputs: [x], outputs: [port("y", [2])], nodes: [node("Neg", ["x"], ["y"])] })
      const session = await sessions.create({
        model: encode(negate),
        inputs: [x],
        outputs: [port("y", [2])],
        threads: 1
      })
      await session.release()
      await rejects(session.run({ x: new Float32Array(2) }, { y: new Float32Array(2) }), /disposed/)
    }
  })
})

describe("the probe", () => {
  it("accepts sessions that write into the arrays that they are given, and no others", async () => {
    const sessionThat = (run: (inputs: Arrays, outputs: Arrays) => void): Sessions => ({
      inPlace: true,
      create: async () => ({ run: async (inputs, outputs) => run(inputs, outputs), release: async () => {} })
    })
    assert.isTrue(await worksInPlace(inPlace))
    assert.isTrue(await worksInPlace(copying))
    assert.isFalse(await worksInPlace(sessionThat(() => {})))
    assert.isFalse(await worksInPlace(sessionThat((inputs, outputs) => outputs["y"]!.set(inputs["x"]!))))
    assert.isFalse(
      await worksInPlace(sessionThat(() => {
        throw new Error("another version refuses")
      }))
    )
  })
})
