/**
 * Lowers the gradient of the largest element of windows, as `onnx/lowering/maxPoolGradient.ts` does.
 *
 * TensorFlow has it as one operation. XLA refuses that where a step is to be the same each time, and nothing says which of
 * several largest elements takes the gradient on a GPU.
 */
import type { Node, Value } from "../../graph/Graph.ts"
import type { Operation, Window } from "../../graph/Operation.ts"
import { type Landing, phasesOf } from "../../graph/phases.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"
import { concat, pad, slice, stridedSlice } from "./shapes.ts"

type Shape4 = readonly [number, number, number, number]
type MaxPoolGradient = Extract<Operation, { readonly kind: "maxPoolGradient" }>

const T = { T: "float32" } as const

export const lowerMaxPoolGradient = (model: ModelBuilder, node: Node, { size, window }: MaxPoolGradient): void => {
  const [x, largest, gradient] = node.inputs as [Value, Value, Value]
  const [batch, height, width, channels] = x.shape as Shape4
  const shape = gradient.shape as Shape4
  const [, rows, columns] = shape
  const { padding: [top, bottom, left, right], strides } = window

  // Outside of the image there is what no maximum is.
  const within = pad(model, model.tensor(x), [[0, 0], [top, bottom], [left, right], [0, 0]], -Infinity)
  let taken: string | undefined
  const shares = Array.from({ length: size[0] }, (_, row) =>
    Array.from({ length: size[1] }, (_, column) => {
      const end = [batch, row + (rows - 1) * strides[0] + 1, column + (columns - 1) * strides[1] + 1, channels]
      const seen = stridedSlice(model, within, { begin: [0, row, column, 0], end, strides: [1, ...strides, 1] })
      const equal = model.node("Equal", [seen, model.tensor(largest)], T)
      const takes = taken === undefined
        ? equal
        : model.node("LogicalAnd", [equal, model.node("LogicalNot", [taken])])
      taken = taken === undefined ? equal : model.node("LogicalOr", [taken, equal])
      return model.node("SelectV2", [takes, model.tensor(gradient), model.scalar(0)], T)
    }))

  const { landings, size: [small, narrow] } = phasesOf([height, width], [rows, columns], size, window)
  const phase = (landed: ReadonlyArray<Landing>): string =>
    landed.length === 0
      ? model.node("BroadcastTo", [model.scalar(0), model.integers([batch, small, narrow, channels])], T)
      : landed.map(({ around, element: [row, column] }) => laid(model, shares[row]![column]!, shape, around))
        .reduce((sum, share) => model.node("AddV2", [sum, share], T))
  const interleave = (names: ReadonlyArray<string>, pieces: number, piece: number): string =>
    concat(model, names.map((name) => model.reshape(name, [pieces, piece])), 1)
  const lines = landings.map((across) => interleave(across.map(phase), batch * small * narrow, channels))
  const whole = [batch, small * strides[0], narrow * strides[1], channels] as const
  const image = model.reshape(interleave(lines, batch * small, whole[2] * channels), whole)
  const isWhole = whole[1] === height && whole[2] === width
  model.place(node.outputs[0]!, isWhole ? image : slice(model, image, [0, 0, 0, 0], x.shape))
}

/** An image with rows and columns laid around it, or cut off where they are negative. */
const laid = (
  model: ModelBuilder,
  name: string,
  [batch, height, width, channels]: Shape4,
  around: Window["padding"]
): string => {
  const [top, bottom, left, right] = around.map((pixels) => Math.max(0, -pixels)) as [number, number, number, number]
  const [above, below, before, after] = around.map((pixels) => Math.max(0, pixels)) as [number, number, number, number]
  const cut = [top, bottom, left, right].every((pixels) => pixels === 0)
    ? name
    : slice(model, name, [0, top, left, 0], [batch, height - top - bottom, width - left - right, channels])
  return pad(model, cut, [[0, 0], [above, below], [before, after], [0, 0]])
}
