/**
 * Derivatives by central differences, and the magnitude of what was summed on the way: the yardstick for float32.
 *
 * A float32 computation of y from x cannot be nearer to the truth than what rounding x to float32 does to y. To first
 * order that is the unit roundoff times `|y_j| + sum over i of |x_i dy_j/dx_i|`: for a sum of products, the sum of
 * the products' absolute values. Likewise the gradient of `sum over j of w_j y_j` is itself a sum over j, of
 * magnitude `sum over j of |w_j dy_j/dx_i|`. Both come out of the same differences.
 */
import { type NdArray, sizeOf } from "./NdArray.ts"

/** Named arrays. */
export type Arrays = { readonly [name: string]: NdArray }

/** A function's values and derivatives at a point. */
export interface Derivatives {
  readonly outputs: ReadonlyArray<NdArray>
  /** `|y_j| + sum over i of |x_i dy_j/dx_i|`, shaped as the outputs. */
  readonly outputMagnitudes: ReadonlyArray<NdArray>
  /** The gradient of `sum over j of w_j y_j` in each input. */
  readonly gradients: Arrays
  /** `sum over j of |w_j dy_j/dx_i|`, shaped as the gradients. */
  readonly gradientMagnitudes: Arrays
}

/**
 * The step. A difference errs by about 1e-11 of its terms through float64's rounding, and by the third derivative times
 * step^2 / 6 through curvature: 2e-7 of the derivative of 1/x at x = 1/64, as near to a pole as cases go.
 */
const step = 2 ** -17

/** A function's values at a point, and its derivatives along one direction of each input. */
export interface Slopes {
  readonly outputs: ReadonlyArray<NdArray>
  /** The derivative of `sum over j of w_j y_j` as one input moves along its direction. */
  readonly slopes: { readonly [name: string]: number }
  /** `sum over j of |w_j dy_j/dt|`. */
  readonly slopeMagnitudes: { readonly [name: string]: number }
}

/**
 * The derivatives of `f` as each named input moves along a direction, for functions of too many elements to move one
 * by one: two evaluations an input.
 *
 * @param weights one array for each output, shaped as it.
 * @param directions one array for each named input, shaped as it.
 */
export const differentiateAlong = (
  f: (inputs: Arrays) => ReadonlyArray<NdArray>,
  inputs: Arrays,
  directions: Arrays,
  weights: (outputs: ReadonlyArray<NdArray>) => ReadonlyArray<NdArray>
): Slopes => {
  const outputs = f(inputs)
  const weighting = weights(outputs)
  const terms = Object.entries(directions).map(([name, direction]) => {
    const input = inputs[name]!
    const moved = (distance: number): ReadonlyArray<NdArray> => {
      const data = input.data.map((x, i) => x + distance * direction.data[i]!)
      return f({ ...inputs, [name]: { shape: input.shape, data } })
    }
    const [above, below] = [moved(step), moved(-step)]
    return [
      name,
      outputs.flatMap((_, output) =>
        Array.from(
          weighting[output]!.data,
          (weight, j) => weight * (above[output]!.data[j]! - below[output]!.data[j]!) / (2 * step)
        )
      )
    ] as const
  })
  const total = (numbers: ReadonlyArray<number>): number => numbers.reduce((a, b) => a + b, 0)
  return {
    outputs,
    slopes: Object.fromEntries(terms.map(([name, products]) => [name, total(products)])),
    slopeMagnitudes: Object.fromEntries(terms.map(([name, products]) => [name, total(products.map(Math.abs))]))
  }
}

/**
 * The derivatives of `f` in the named inputs, one element at a time.
 *
 * @param weights one array for each output, shaped as it.
 */
export const differentiate = (
  f: (inputs: Arrays) => ReadonlyArray<NdArray>,
  inputs: Arrays,
  names: ReadonlyArray<string>,
  weights: (outputs: ReadonlyArray<NdArray>) => ReadonlyArray<NdArray>
): Derivatives => {
  const outputs = f(inputs)
  const weighting = weights(outputs)
  const outputMagnitudes = outputs.map(({ data, shape }) => ({ shape, data: data.map(Math.abs) }))
  const gradients: { [name: string]: NdArray } = {}
  const gradientMagnitudes: { [name: string]: NdArray } = {}
  for (const name of names) {
    const input = inputs[name]!
    const gradient = new Float64Array(sizeOf(input.shape))
    const magnitude = new Float64Array(gradient.length)
    for (let i = 0; i < gradient.length; i++) {
      const moved = (distance: number): ReadonlyArray<NdArray> => {
        const data = Float64Array.from(input.data)
        data[i] = data[i]! + distance
        return f({ ...inputs, [name]: { shape: input.shape, data } })
      }
      const above = moved(step)
      const below = moved(-step)
      outputs.forEach((_, output) => {
        const up = above[output]!.data
        const down = below[output]!.data
        const weight = weighting[output]!.data
        const yardstick = outputMagnitudes[output]!.data
        for (let j = 0; j < up.length; j++) {
          if (up[j] === down[j]) continue
          const slope = (up[j]! - down[j]!) / (2 * step)
          gradient[i] = gradient[i]! + weight[j]! * slope
          magnitude[i] = magnitude[i]! + Math.abs(weight[j]! * slope)
          yardstick[j] = yardstick[j]! + Math.abs(input.data[i]! * slope)
        }
      })
    }
    gradients[name] = { shape: input.shape, data: gradient }
    gradientMagnitudes[name] = { shape: input.shape, data: magnitude }
  }
  return { outputs, outputMagnitudes, gradients, gradientMagnitudes }
}
