/**
 * What goes wrong is said in types, and changes nothing else.
 */
import { expect } from "@effect/vitest"
import { Engine, type Program, stateless, type Tensor } from "@effusion/core/engine"
import { float32, type HostTensor, int32 } from "@effusion/core/tensor"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import { accumulate } from "./state.ts"
import { type EngineTests, f32, type Named, plain } from "./tests.ts"

const x = { x: f32(4) }
const ofX = (name: string, apply: (x: Tensor) => unknown) =>
  stateless(name, x, (input: { x: Tensor }) => {
    const y = apply(input.x)
    return { y: y instanceof tf.Tensor ? y : input.x }
  })

/** The error of a program that must not compile. */
const refused = (program: Program<{}, { x: Tensor }, Named>) =>
  Effect.flatMap(Engine, (engine) => Effect.flip(Effect.scoped(engine.compile(program))))

type Refusal = readonly [string, Program<{}, { x: Tensor }, Named>, string, ReadonlyArray<string>]

/** Equations that are no sum of one or two tensors, or not of these; what is recorded of them would be something else. */
const einsums = ([
  ["of three tensors", "ij,jk,kl->il", [[2, 2], [2, 2], [2, 2]], "more than 2 input tensors"],
  ["of a tensor too many", "ij->ij", [[2, 2], [2, 2]], "Expected 1 input tensors, received 2"],
  ["that is a trace", "ii->", [[2, 2]], "duplicate axes in input component ii"],
  ["that is a diagonal", "ii->i", [[2, 2]], "duplicate axes in input component ii"],
  ["that makes a diagonal", "i->ii", [[4]], "the output has \"i\" twice"],
  ["without an arrow", "ij,jk", [[2, 2], [2, 2]], "without an arrow"],
  ["with two arrows", "i->i->i", [[4]], "exactly one arrow"],
  ["with an ellipsis", "...j->j", [[2, 2]], "ellipsis"],
  ["of an axis from nowhere", "ij->ik", [[2, 2]], "label k not present"],
  ["of sizes that differ", "ij,jk->ik", [[1, 4], [2, 2]], "Expected dimension 4"],
  ["of a tensor of a lower rank", "ij->j", [[4]], "of rank 2, and was given one of rank 1"],
  ["of a tensor of a higher rank", "i->i", [[2, 2]], "of rank 1, and was given one of rank 2"]
] as const).map(([what, equation, shapes, word]): Refusal => [
  `a sum of products ${what}`,
  ofX("einsum", (x) => tf.einsum(equation, ...shapes.map((shape) => tf.reshape(x, [...shape])))),
  "InvalidProgram",
  ["einsum", `tf.einsum of "${equation}"`, word]
])

const square = (x: Tensor) => tf.reshape(x, [1, 2, 2, 1]) as tf.Tensor4D
const filter = (side: number) => tf.ones([side, side, 1, 1]) as tf.Tensor4D

/** Windows that are none, or do not lie over the image. */
const windows = ([
  [
    "a convolution whose filter is larger than the image",
    (x) => tf.conv2d(square(x), filter(3), 1, "valid"),
    ["a convolution", "over 3 elements", "2 with its padding"]
  ],
  [
    "a convolution with less padding than none",
    (x) => tf.conv2d(square(x), filter(1), 1, -1),
    ["a convolution with padding -1", "a whole number"]
  ],
  [
    "a convolution with half a pixel of padding",
    (x) => tf.depthwiseConv2d(square(x), filter(1), 1, 0.5 as unknown as "same"),
    ["a convolution with padding 0.5", "a whole number"]
  ],
  [
    "a convolution that pads channels",
    (x) => tf.conv2d(square(x), filter(1), 1, [[0, 0], [0, 0], [0, 0], [1, 1]]),
    ["padding [[0,0],[0,0],[0,0],[1,1]]", "[top, bottom]"]
  ],
  ["pooling with strides of 0", (x) => tf.maxPool(square(x), 2, 0, "valid"), ["pooling with strides 0", "above 0"]],
  [
    "pooling over padding alone",
    (x) => tf.avgPool(square(x), 1, 1, 1),
    ["pooling over windows of 1x1", "2x2 with padding 1", "nothing but padding"]
  ],
  [
    "pooling over padding alone at the end",
    (x) => tf.maxPool(tf.reshape(x, [1, 1, 4, 1]) as tf.Tensor4D, [1, 2], 3, 1, "ceil"),
    ["nothing but padding"]
  ],
  [
    "a transposed convolution to a size that no convolution comes from",
    (x) => tf.conv2dTranspose(square(x), filter(3), [1, 7, 7, 1], 2, "same"),
    ["transpose", "7 elements", "4 windows", "has 2"]
  ]
] as ReadonlyArray<readonly [string, (x: Tensor) => Tensor, ReadonlyArray<string>]>).map((
  [what, apply, words]
): Refusal => [what, ofX("windows", apply), "InvalidProgram", ["windows", ...words]])

/** Programs that no engine that traces can compile, by the error that they must be refused with. */
const refusals: ReadonlyArray<Refusal> = [
  ["a Fourier transform", ofX("fft", (x) => tf.real(tf.fft(tf.complex(x, x)))), "UnsupportedOperation", ["fft"]],
  ["a running product", ofX("products", (x) => tf.cumprod(x)), "UnsupportedOperation", ["products", "Cumprod"]],
  [
    "non-maximum suppression",
    ofX("suppress", (x) => tf.image.nonMaxSuppression(tf.reshape(x, [1, 4]) as tf.Tensor2D, tf.tensor1d([1]), 1)),
    "UnsupportedOperation",
    ["suppress", "NonMaxSuppressionV3"]
  ],
  [
    "a convolution of images whose channels come first",
    ofX(
      "planes",
      (x) => tf.conv2d(tf.reshape(x, [1, 1, 2, 2]) as tf.Tensor4D, tf.ones([1, 1, 1, 1]), 1, "same", "NCHW")
    ),
    "UnsupportedOperation",
    ["planes", "NCHW", "transpose"]
  ],
  [
    "a gradient that tfjs does not have",
    ofX("slice", (x) => tf.grad((x) => tf.sum(tf.stridedSlice(x, [0], [2])))(x)),
    "UnsupportedOperation",
    ["slice", "gradient of StridedSlice", "stopGradient"]
  ],
  [
    "the gradient of a dilated convolution",
    ofX(
      "dilated",
      (x) =>
        tf.grad((x) =>
          tf.sum(tf.conv2d(tf.reshape(x, [1, 2, 2, 1]) as tf.Tensor4D, tf.ones([2, 2, 1, 1]), 1, "same", "NHWC", 2))
        )(x)
    ),
    "UnsupportedOperation",
    ["dilated", "gradient of a dilated convolution"]
  ],
  ["normal numbers", ofX("noise", (x) => tf.add(x, tf.randomNormal([4]))), "InvalidProgram", [
    "tf.randomNormal",
    "draws"
  ]],
  ["uniform numbers", ofX("noise", (x) => tf.add(x, tf.randomUniform([4]))), "InvalidProgram", ["tf.randomUniform"]],
  ["dropout", ofX("drop", (x) => tf.dropout(x, 0.5)), "InvalidProgram", ["drop", "tf.dropout", "draws"]],
  [
    "dropout in a gradient",
    ofX("drop", (x) => tf.grad((x) => tf.sum(tf.dropout(tf.square(x), 0.5)))(x)),
    "InvalidProgram",
    ["drop", "tf.dropout", "draws"]
  ],
  ["reading with dataSync", ofX("read", (x) => x.dataSync()), "TracedValueRead", ["read"]],
  ["reading with arraySync", ofX("read", (x) => tf.exp(x).arraySync()), "TracedValueRead", ["read"]],
  [
    "branching on a value",
    ofX("branch", (x) => tf.sum(x).dataSync()[0]! > 0 ? x : tf.neg(x)),
    "TracedValueRead",
    ["branch"]
  ],
  [
    "throwing",
    ofX("throw", () => {
      throw new RangeError("the reason for it")
    }),
    "InvalidProgram",
    ["throw", "the reason for it"]
  ],
  [
    "throwing something that is no error",
    ofX("throw", () => {
      // oxlint-disable-next-line no-throw-literal, typescript/only-throw-error
      throw "a bare string"
    }),
    "InvalidProgram",
    ["throw", "a bare string"]
  ],
  [
    "throwing in a gradient",
    ofX("throw", (x) =>
      tf.grad(() => {
        throw new Error("thrown in the function that is differentiated")
      })(x)),
    "InvalidProgram",
    ["throw", "thrown in the function that is differentiated"]
  ],
  [
    "throwing in a gradient, after operations that keep tensors for it,",
    ofX("throw late", (x) =>
      tf.grad((x) => {
        tf.square(tf.sigmoid(x))
        throw new Error("thrown after a sigmoid")
      })(x)),
    "InvalidProgram",
    ["throw late", "thrown after a sigmoid"]
  ],
  [
    "an unsupported operation in a gradient",
    ofX("products late", (x) => tf.grad((x) => tf.sum(tf.cumprod(tf.square(tf.sigmoid(x)))))(x)),
    "UnsupportedOperation",
    ["products late", "Cumprod"]
  ],
  ...einsums,
  ...windows,
  ["shapes that do not fit", ofX("misfit", (x) => tf.add(x, tf.zeros([3]))), "InvalidProgram", ["misfit"]],
  [
    "a gradient of what is not a function of the input",
    ofX("constant", (x) => tf.grad(() => tf.scalar(1))(x)),
    "InvalidProgram",
    ["constant"]
  ],
  [
    "an output that is no tensor",
    stateless("no tensor", x, ({ x }: { x: Tensor }) => ({ y: x.shape[0] as unknown as Tensor })),
    "InvalidProgram",
    ["no tensor", "y"]
  ],
  [
    "an output of booleans",
    ofX("booleans", (x) => tf.greater(x, 0)),
    "InvalidProgram",
    ["booleans", "y", "bool"]
  ],
  [
    "no result at all",
    { name: "nothing", state: {}, input: x, apply: () => undefined as never },
    "InvalidProgram",
    ["nothing"]
  ],
  [
    "a tensor of another program",
    stateless("foreign", x, ({ x }: { x: Tensor }) => ({ y: tf.add(x, foreign()) })),
    "InvalidProgram",
    ["foreign"]
  ]
]

/** A tensor that a program let out while it was traced. */
let escaped: Tensor | undefined
const foreign = (): Tensor => escaped!

/** A program with a state of two elements, and what it makes of it. */
const stateful = (name: string, next: (a: Tensor) => Named): Program<Named, {}, {}> => ({
  name,
  state: { a: f32(2) },
  input: {},
  apply: (state) => ({ state: next(state["a"]!), output: {} })
})

const stateRefusals: ReadonlyArray<readonly [string, Program<Named, {}, {}>, ReadonlyArray<string>]> = [
  ["a state whose shape changes", stateful("grow", (a) => ({ a: tf.concat([a, a]) })), ["grow", "a", "[2]", "[4]"]],
  [
    "a state whose dtype changes",
    stateful("change", (a) => ({ a: tf.cast(a, "int32") })),
    ["change", "a", "float32", "int32"]
  ],
  ["a state that is lost", stateful("lose", () => ({})), ["lose", "a"]],
  ["a state that appears", stateful("appear", (a) => ({ a, extra: a })), ["appear", "extra"]]
]

const good = { x: float32([3], [1, 2, 3]) }
type Wrong = { readonly [name: string]: HostTensor }

/** Tensors that do not fit, by what the error must name. */
const misfits = (name: string): ReadonlyArray<readonly [string, Wrong, ReadonlyArray<string>]> => [
  ["a wrong shape", { [name]: float32([2], [1, 2]) }, [name, "[3]", "[2]"]],
  ["a wrong rank of the same size", { [name]: float32([1, 3], [1, 2, 3]) }, [name, "[3]", "[1, 3]"]],
  ["a wrong dtype", { [name]: int32([3], [1, 2, 3]) }, [name, "float32", "int32"]],
  ["a missing name", {}, [name]],
  ["an extra name", { [name]: float32([3], [1, 2, 3]), extra: float32([], [1]) }, ["extra"]],
  [
    "too few elements for the shape",
    { [name]: { shape: [3], dtype: "float32", data: new Float32Array(2) } },
    [name]
  ],
  [
    "an array of another type than the dtype says",
    { [name]: { shape: [3], dtype: "float32", data: new Int32Array(3) as unknown as Float32Array } },
    [name]
  ]
]

/** Registers the tests. */
export const errorTests = (it: EngineTests): void => {
  for (const [what, program, tag, words] of refusals) {
    it.effect(`compiling: ${what} is ${tag}, and leaves tfjs as it was`, () =>
      Effect.gen(function*() {
        const engine = yield* Engine
        yield* Effect.scoped(engine.compile(ofX("escape", (x) => escaped = tf.neg(x))))
        const before = globalState()
        const error = yield* refused(program)
        expect(error._tag).toBe(tag)
        for (const word of [...words, ...(tag === "UnsupportedOperation" ? [engine.name] : [])]) {
          expect(error.message).toContain(word)
        }
        expect(globalState()).toEqual(before)
        // ... and the next program compiles and runs, gradients and all.
        const executable = yield* engine.compile(ofX("cubed", (x) => tf.grad((x) => tf.sum(tf.pow(x, 3)))(x)))
        const instance = yield* executable.start({})
        const { y } = yield* instance.step({ x: float32([4], [0.5, 1, 2, 4]) })
        Array.from(y!.data).forEach((value, i) => expect(value).toBeCloseTo([0.75, 3, 12, 48][i]!, 4))
        expect(globalState()).toEqual(before)
      }))
  }

  for (const [what, program, words] of stateRefusals) {
    it.effect(`compiling: ${what} is InvalidProgram`, () =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const error = yield* Effect.flip(Effect.scoped(engine.compile(program)))
        expect(error._tag).toBe("InvalidProgram")
        for (const word of words) expect(error.message).toContain(word)
      }))
  }

  it.effect("compiling leaves tfjs as it was", () =>
    Effect.gen(function*() {
      const engine = yield* Engine
      const kept = tf.tensor1d([1, 2, 3])
      const before = globalState()
      yield* Effect.scoped(engine.compile(accumulate))
      expect(globalState()).toEqual(before)
      expect(Array.from(kept.dataSync())).toEqual([1, 2, 3])
      kept.dispose()
    }))

  for (const [what, wrong, words] of misfits("x")) {
    it.effect(`stepping: ${what} is SignatureMismatch, and the state stays`, () =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const executable = yield* engine.compile(accumulate)
        const instance = yield* executable.start({ sum: float32([3], [1, 2, 3]) })
        const error = yield* Effect.flip(instance.step(wrong as never))
        expect(error._tag).toBe("SignatureMismatch")
        for (const word of [...words, "accumulate"]) expect(error.message).toContain(word)
        expect(plain((yield* instance.read).sum).data).toEqual([1, 2, 3])
        expect(plain((yield* instance.step(good)).mean).data).toEqual([4])
      }))
  }

  for (const [what, wrong, words] of misfits("sum")) {
    it.effect(`starting and writing: ${what} is SignatureMismatch`, () =>
      Effect.gen(function*() {
        const engine = yield* Engine
        const executable = yield* engine.compile(accumulate)
        const instance = yield* executable.start({ sum: float32([3], [1, 2, 3]) })
        for (const attempt of [executable.start(wrong as never), instance.write(wrong as never)]) {
          const error = yield* Effect.flip(attempt as Effect.Effect<unknown, Error & { _tag: string }, never>)
          expect(error._tag).toBe("SignatureMismatch")
          for (const word of [...words, "accumulate"]) expect(error.message).toContain(word)
        }
        expect(plain((yield* instance.read).sum).data).toEqual([1, 2, 3])
      }))
  }
}

/** What a trace must leave alone. (`tf.memory` chooses a backend if there is none yet, so it comes first.) */
const globalState = () => {
  const { numDataBuffers, numTensors } = tf.memory()
  return { backend: tf.getBackend(), numTensors, numDataBuffers }
}
