/**
 * Tensors in host memory: a typed array, a shape and a dtype.
 *
 * Batches, random draws, checkpoints and samples are host tensors. They are immutable by convention: whoever made
 * one may fill its array before handing it on, nobody writes to it afterwards.
 */

/** The element types that flow through Effusion. Arithmetic is done in `float32`; `int32` carries timesteps and labels. */
export type DType = "float32" | "int32"

/** The typed array that holds the elements of a dtype. */
export interface ArrayOf {
  readonly float32: Float32Array
  readonly int32: Int32Array
}

/** The sizes of a tensor's axes, outermost first; a scalar has none. */
export type Shape = ReadonlyArray<number>

/** What is known of a tensor before it exists: its shape and dtype. */
export interface TensorSpec<D extends DType = DType> {
  readonly shape: Shape
  readonly dtype: D
}

/** A tensor in host memory, row-major. */
export interface HostTensor<D extends DType = DType> extends TensorSpec<D> {
  readonly data: ArrayOf[D]
}

/**
 * The number of elements of a shape.
 *
 * @example
 * sizeOf([2, 3]) // => 6
 * sizeOf([]) // => 1
 */
export const sizeOf = (shape: Shape): number => shape.reduce((product, size) => product * size, 1)

/** Whether two shapes are the same, axis by axis. */
export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((size, i) => size === b[i])

/**
 * A shape as people write it.
 *
 * @example
 * showShape([32, 28, 28, 1]) // => "[32, 28, 28, 1]"
 */
export const showShape = (shape: Shape): string => `[${shape.join(", ")}]`

/**
 * A float32 host tensor over the given elements (not copied when they are a `Float32Array` already).
 *
 * @throws RangeError when the number of elements is not the shape's size: a mistake of the program, not of its input.
 * @example
 * float32([2], [0.5, 1.5]).data[1] // => 1.5
 */
export const float32 = (shape: Shape, elements: Float32Array | ArrayLike<number>): HostTensor<"float32"> => {
  requireSize(shape, elements.length)
  return { dtype: "float32", shape, data: elements instanceof Float32Array ? elements : Float32Array.from(elements) }
}

/** An int32 host tensor over the given elements; the counterpart of {@link float32}. */
export const int32 = (shape: Shape, elements: Int32Array | ArrayLike<number>): HostTensor<"int32"> => {
  requireSize(shape, elements.length)
  return { dtype: "int32", shape, data: elements instanceof Int32Array ? elements : Int32Array.from(elements) }
}

/** A float32 host tensor of zeros. */
export const zeros = (shape: Shape): HostTensor<"float32"> => float32(shape, new Float32Array(sizeOf(shape)))

/** A float32 host tensor without axes. */
export const scalar = (value: number): HostTensor<"float32"> => float32([], [value])

const requireSize = (shape: Shape, length: number): void => {
  if (sizeOf(shape) !== length) {
    throw new RangeError(`a tensor of shape ${showShape(shape)} has ${sizeOf(shape)} elements, not ${length}`)
  }
}
