/**
 * Operations that take each element by itself, with broadcasting as NumPy defines it.
 */
import { build, get, type NdArray, type Shape } from "./NdArray.ts"

/** Applies a function of one number to every element. */
export const map = (f: (x: number) => number) => (x: NdArray): NdArray => ({ shape: x.shape, data: x.data.map(f) })

/** The common shape of two shapes: aligned at the last axis, an axis of size 1 (or none) stretches. */
export const broadcastShape = (a: Shape, b: Shape): Shape => {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, axis) => {
    const sizeA = a[axis - (rank - a.length)] ?? 1
    const sizeB = b[axis - (rank - b.length)] ?? 1
    if (sizeA !== sizeB && sizeA !== 1 && sizeB !== 1) {
      throw new RangeError(`[${a.join(", ")}] and [${b.join(", ")}] do not broadcast`)
    }
    return sizeA === 1 ? sizeB : sizeA
  })
}

/** An array stretched to a shape that it broadcasts to. */
export const broadcastTo = (x: NdArray, shape: Shape): NdArray => {
  const offset = shape.length - x.shape.length
  return build(shape, (index) => get(x, x.shape.map((size, axis) => size === 1 ? 0 : index[axis + offset]!)))
}

/** Applies a function of two numbers to every pair of elements. */
export const zip = (f: (a: number, b: number) => number) => (a: NdArray, b: NdArray): NdArray => {
  const shape = broadcastShape(a.shape, b.shape)
  const left = broadcastTo(a, shape).data
  const right = broadcastTo(b, shape).data
  return { shape, data: left.map((value, i) => f(value, right[i]!)) }
}

/**
 * The error function, by its series of positive terms (Abramowitz and Stegun 7.1.6):
 * erf(x) = 2/sqrt(pi) exp(-x^2) sum over n of 2^n x^(2n+1) / (1 * 3 * ... * (2n+1)).
 */
export const erfOf = (x: number): number => {
  if (Math.abs(x) > 6) return Math.sign(x)
  let term = x
  let total = x
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(total); n++) {
    term *= (2 * x * x) / (2 * n + 1)
    total += term
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total
}

const sigmoidOf = (x: number): number => 1 / (1 + Math.exp(-x))

/** To the nearest integer; halves go to the even one (IEEE 754, as tfjs and ONNX round). */
const roundOf = (x: number): number => {
  const below = Math.floor(x)
  const rest = x - below
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1
  return below % 2 === 0 ? below : below + 1
}

// Klambauer et al. 2017, "Self-Normalizing Neural Networks", equation (2) and its constants.
const seluAlpha = 1.6732632423543772
const seluScale = 1.0507009873554805

export const abs = map(Math.abs)
export const neg = map((x) => -x)
export const sign = map(Math.sign)
export const exp = map(Math.exp)
export const expm1 = map(Math.expm1)
export const log = map(Math.log)
export const log1p = map(Math.log1p)
export const sqrt = map(Math.sqrt)
export const rsqrt = map((x) => 1 / Math.sqrt(x))
export const square = map((x) => x * x)
export const reciprocal = map((x) => 1 / x)
export const floor = map(Math.floor)
export const ceil = map(Math.ceil)
export const round = map(roundOf)
export const sin = map(Math.sin)
export const cos = map(Math.cos)
export const tan = map(Math.tan)
export const asin = map(Math.asin)
export const acos = map(Math.acos)
export const atan = map(Math.atan)
export const sinh = map(Math.sinh)
export const cosh = map(Math.cosh)
export const tanh = map(Math.tanh)
export const asinh = map(Math.asinh)
export const acosh = map(Math.acosh)
export const atanh = map(Math.atanh)
export const erf = map(erfOf)
export const sigmoid = map(sigmoidOf)
export const logSigmoid = map((x) => -Math.log1p(Math.exp(-x)))
export const softplus = map((x) => Math.log1p(Math.exp(x)))
export const relu = map((x) => Math.max(0, x))
export const relu6 = map((x) => Math.min(6, Math.max(0, x)))
export const elu = map((x) => x > 0 ? x : Math.expm1(x))
export const selu = map((x) => seluScale * (x > 0 ? x : seluAlpha * Math.expm1(x)))
export const leakyRelu = (x: NdArray, alpha: number): NdArray => map((x) => x > 0 ? x : alpha * x)(x)
export const step = (x: NdArray, alpha: number): NdArray => map((x) => x > 0 ? 1 : alpha)(x)
export const clipByValue = (x: NdArray, low: number, high: number): NdArray =>
  map((x) => Math.min(high, Math.max(low, x)))(x)
/** x sigmoid(x). */
export const silu = map((x) => x * sigmoidOf(x))
/** x Phi(x), Phi the normal distribution function. */
export const gelu = map((x) => 0.5 * x * (1 + erfOf(x / Math.SQRT2)))
/** Towards zero, as a conversion to an integer does. */
export const truncate = map(Math.trunc)
export const logicalNot = map((x) => x === 0 ? 1 : 0)

export const add = zip((a, b) => a + b)
export const sub = zip((a, b) => a - b)
export const mul = zip((a, b) => a * b)
export const div = zip((a, b) => a / b)
export const divNoNan = zip((a, b) => b === 0 ? 0 : a / b)
export const floorDiv = zip((a, b) => Math.floor(a / b))
/** The remainder with the divisor's sign. */
export const mod = zip((a, b) => a - b * Math.floor(a / b))
export const pow = zip((a, b) => a ** b)
export const atan2 = zip(Math.atan2)
export const maximum = zip((a, b) => Math.max(a, b))
export const minimum = zip((a, b) => Math.min(a, b))
export const squaredDifference = zip((a, b) => (a - b) ** 2)
export const prelu = zip((x, alpha) => x > 0 ? x : alpha * x)
export const equal = zip((a, b) => Number(a === b))
export const notEqual = zip((a, b) => Number(a !== b))
export const greater = zip((a, b) => Number(a > b))
export const greaterEqual = zip((a, b) => Number(a >= b))
export const less = zip((a, b) => Number(a < b))
export const lessEqual = zip((a, b) => Number(a <= b))
export const logicalAnd = zip((a, b) => Number(a !== 0 && b !== 0))
export const logicalOr = zip((a, b) => Number(a !== 0 || b !== 0))
export const logicalXor = zip((a, b) => Number((a !== 0) !== (b !== 0)))

/** `a` where the condition holds and `b` elsewhere, all three broadcast. */
export const where = (condition: NdArray, a: NdArray, b: NdArray): NdArray => {
  const shape = broadcastShape(condition.shape, broadcastShape(a.shape, b.shape))
  const [test, left, right] = [condition, a, b].map((x) => broadcastTo(x, shape).data) as [
    Float64Array,
    Float64Array,
    Float64Array
  ]
  return { shape, data: test.map((holds, i) => holds !== 0 ? left[i]! : right[i]!) }
}
