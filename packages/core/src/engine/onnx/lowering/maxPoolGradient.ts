/**
 * Lowers the gradient of the largest element of windows.
 *
 * Each element of a window takes the window's gradient where it equals the largest and none before it does: one pass over what
 * there is one of a window. What they take is added up by phases (`graph/phases.ts`). With channels in blocks, pixels are
 * moved whole.
 */
import type { Node, Value } from "../../graph/Graph.ts"
import type { Operation, Window } from "../../graph/Operation.ts"
import { type Landing, phasesOf } from "../../graph/phases.ts"
import { inBlocks, outOfBlocks } from "./convolve.ts"
import type { ModelBuilder } from "./ModelBuilder.ts"
import { channelsFirst } from "./order.ts"
import { interleave, slice } from "./shapes.ts"

type MaxPoolGradient = Extract<Operation, { readonly kind: "maxPoolGradient" }>
type Shape4 = readonly [number, number, number, number]

/** NHWC kept as NCHW. */
const image = channelsFirst(4)

export const lowerMaxPoolGradient = (
  model: ModelBuilder,
  node: Node,
  { size, window }: MaxPoolGradient
): void => {
  const { padding, strides } = window
  const [x, largest, gradient] = node.inputs as [Value, Value, Value]
  const [batch, height, width, channels] = x.shape as Shape4
  const [, rows, columns] = gradient.shape as Shape4
  // As [batch, channels, height, width], or [batch, blocks of channels, height, width, channels of a block].
  const block = model.convolutionBlock !== undefined && channels % model.convolutionBlock === 0
    ? model.convolutionBlock
    : 1
  const ofBlock = block === 1 ? [] : [block]
  const shapeOf = (height: number, width: number) => [batch, channels / block, height, width, ...ofBlock]
  const kept = (value: Value): string => {
    const name = model.inOrder(value, image)
    return block === 1
      ? name
      : model.reshape(inBlocks(model, name), shapeOf(value.shape[1]!, value.shape[2]!))
  }
  const padded = (name: string, [top, bottom, left, right]: Window["padding"], value: string): string =>
    [top, bottom, left, right].every((pixels) => pixels === 0) ? name : model.node("Pad", [
      name,
      model.integers([0, 0, top, left, ...ofBlock.map(() => 0), 0, 0, bottom, right, ...ofBlock.map(() => 0)]),
      value
    ])
  const zero = model.scalar(0)

  // Outside of the image there is what no maximum is.
  const within = padded(kept(x), padding, model.scalar(-Infinity))
  const [maxima, dy] = [kept(largest), kept(gradient)]
  const along = (axis: number, begin: number, stride: number, count: number) => ({
    axis,
    begin,
    end: begin + (count - 1) * stride + 1,
    stride
  })
  let taken: string | undefined
  const shares = Array.from({ length: size[0] }, (_, row) =>
    Array.from({ length: size[1] }, (_, column) => {
      const seen = slice(model, within, [along(2, row, strides[0], rows), along(3, column, strides[1], columns)])
      const equal = model.node("Equal", [seen, maxima])
      const takes = taken === undefined ? equal : model.node("And", [equal, model.node("Not", [taken])])
      taken = taken === undefined ? equal : model.node("Or", [taken, equal])
      return model.node("Where", [takes, dy, zero])
    }))

  const { landings, size: small } = phasesOf([height, width], [rows, columns], size, window)
  const phase = (landed: ReadonlyArray<Landing>): string =>
    landed.length === 0
      ? model.node("Expand", [zero, model.integers(shapeOf(...small))])
      : landed.map(({ around, element: [row, column] }) => padded(shares[row]![column]!, around, zero))
        .reduce((sum, share) => model.node("Add", [sum, share]))
  const phases = landings.map((across) => interleave(model, across.map(phase), block))
  const whole = [small[0] * strides[0], small[1] * strides[1]] as const
  const interleaved = model.reshape(interleave(model, phases, whole[1] * block), shapeOf(...whole))
  const cut = whole[0] === height && whole[1] === width
    ? interleaved
    : slice(model, interleaved, [along(2, 0, 1, height), along(3, 0, 1, width)])
  const dx = block === 1
    ? cut
    : outOfBlocks(model, model.reshape(cut, [batch, channels, height, width]), channels)
  model.place(node.outputs[0]!, dx, image)
}
