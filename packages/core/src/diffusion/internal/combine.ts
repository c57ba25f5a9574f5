/** a x + b y, element by element. */
export const combine = (a: number, x: ArrayLike<number>, b: number, y: ArrayLike<number>): Float64Array => {
  if (x.length !== y.length) {
    throw new RangeError(`arrays of ${x.length} and ${y.length} elements cannot be combined element by element`)
  }
  return new Float64Array(x.length).map((_, i) => a * x[i]! + b * y[i]!)
}
