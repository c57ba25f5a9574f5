/**
 * Padding of `tf.conv1d` that is a number: tfjs (4.22) makes an image of one row of each line, and pads that above and below as
 * well.
 */
import { presentOperations } from "./presentOperations.ts"

/** Attributes of tfjs's kernel `Conv2D`. */
export interface PaddedAttributes {
  pad?: unknown
}

/** Whether a kernel `Conv2D` is part of `tf.conv1d`, with padding that is a number. */
export const padsLines = ({ pad }: PaddedAttributes): boolean =>
  typeof pad === "number" && presentOperations().at(-2) === "conv1d"

/**
 * Has such a kernel pad along the lines only. tfjs keeps the very object for the gradient.
 *
 * @example
 * padLines(attributes) // attributes.pad is [[0, 0], [0, 0], [1, 1], [0, 0]] afterwards
 */
export const padLines = (attributes: PaddedAttributes): void => {
  const { pad } = attributes
  attributes.pad = [[0, 0], [0, 0], [pad, pad], [0, 0]]
}
