/**
 * The pixels of an image by their places in the strides of windows.
 *
 * Pixels that are a stride apart lie under the same elements of windows, each under those of other windows: what windows have for
 * these pixels is added up as small images, one for each place of the strides, and the image is these, interleaved.
 */
import type { Window } from "./Operation.ts"

type Pair = readonly [number, number]

/** One element of all windows, over the pixels of a phase. */
export interface Landing {
  /** Row and column of the element in a window. */
  readonly element: Pair
  /** Rows and columns to lay around what there is one of a window, to bring it over its pixels; to cut off, where negative. */
  readonly around: Window["padding"]
}

/** The pixels of an image, apart by their places. */
export interface Phases {
  /** Rows and columns of each phase. Interleaved, they are the image, with more rows and columns after it where strides do not divide it. */
  readonly size: Pair
  /** For each place down, for each place across: the elements that land there, row by row. */
  readonly landings: ReadonlyArray<ReadonlyArray<ReadonlyArray<Landing>>>
}

/**
 * The phases of an image.
 *
 * @param image rows and columns of the image
 * @param count how many windows there are, down and across
 * @param size rows and columns of a window, without gaps
 * @example
 * phasesOf([4, 4], [2, 2], [2, 2], { strides: [2, 2], dilations: [1, 1], padding: [0, 0, 0, 0] }).size // => [2, 2]
 */
export const phasesOf = (image: Pair, count: Pair, size: Pair, { padding: [top, , left], strides }: Window): Phases => {
  const rows = Math.ceil(image[0] / strides[0])
  const columns = Math.ceil(image[1] / strides[1])
  const down = landingsAlong(size[0], strides[0], top, count[0], rows)
  const across = landingsAlong(size[1], strides[1], left, count[1], columns)
  return {
    size: [rows, columns],
    landings: down.map((vertical) =>
      across.map((horizontal) =>
        vertical.flatMap(([row, above, below]) =>
          horizontal.map(([column, before, after]): Landing => ({
            element: [row, column],
            around: [above, below, before, after]
          }))
        )
      )
    )
  }
}

/** For each place of a stride, the elements that land there, with what is to be laid before and after them. */
const landingsAlong = (size: number, stride: number, padding: number, count: number, length: number) =>
  Array.from({ length: stride }, (_, place) =>
    Array.from({ length: size }, (_, element) => {
      const before = (element - padding - place) / stride
      return [element, before, length - count - before] as const
      // What lands beside the image in all windows is nothing.
    }).filter(([, before, after]) => Number.isInteger(before) && before > -count && after > -count))
