/**
 * Tells programs whose weights are constants from those whose weights are state.
 */
import type { OnnxModel } from "../Model.ts"

/**
 * Whether a model has weights that are constants.
 *
 * ONNX Runtime's own optimizer lays out weights that are constants, as those of a network that samples are: its
 * convolutions then take half the time. Where weights are state it finds nothing to gain, takes a tenth of a second to
 * a second to do so, and joins transposes that are faster apart.
 *
 * @example
 * computesWithConstants(lower(graph))
 */
export const computesWithConstants = ({ initializers }: OnnxModel): boolean =>
  initializers.some(({ data, shape }) => shape.length >= 2 && data.length >= 1024)
