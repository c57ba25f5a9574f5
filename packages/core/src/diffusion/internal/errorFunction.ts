/**
 * The error function and its complements, to a few units in the last place of float64, in both tails.
 *
 * Rational Chebyshev approximations of W. J. Cody, "Rational Chebyshev Approximations for the Error Function",
 * Mathematics of Computation 23 (1969), 631-637: the ones of least error that the paper tabulates, three of them for
 * three ranges of |x|. The paper's 18 digits are rounded to float64 here.
 */

/**
 * erfcx(x) = exp(x^2) erfc(x) for x >= 0: what is left of erfc once its exponential is taken out, so that nothing
 * underflows. It falls from 1 at 0 like 1 / (sqrt(pi) x).
 */
export const erfcx = (x: number): number => {
  if (x <= 0.46875) return Math.exp(x * x) * (1 - erfNearZero(x))
  if (x <= 4) return ratio(middle.numerator, middle.denominator, x)
  const z = 1 / (x * x)
  return (1 / Math.sqrt(Math.PI) - z * ratio(far.numerator, far.denominator, z)) / x
}

/** erfc(x) = 1 - erf(x), accurate where erf(x) is nearly 1; 0 beyond about 27. */
export const erfc = (x: number): number => {
  if (Math.abs(x) <= 0.46875) return 1 - erfNearZero(x)
  if (x === Infinity) return 0
  return x < 0 ? 2 - erfc(-x) : expMinusSquare(x) * erfcx(x)
}

/** erf(x) = 2 / sqrt(pi) times the integral of exp(-u^2) from 0 to x. */
export const erf = (x: number): number => {
  if (Math.abs(x) <= 0.46875) return erfNearZero(x)
  return x < 0 ? -erf(-x) : 1 - erfc(x)
}

/**
 * exp(-x^2) with the rounding error of x^2 left out: x is split into a part whose square is exact and a small rest, as
 * in Cody's program.
 */
const expMinusSquare = (x: number): number => {
  const coarse = Math.trunc(x * 16) / 16
  return Math.exp(-coarse * coarse) * Math.exp(-(x - coarse) * (x + coarse))
}

const erfNearZero = (x: number): number => x * ratio(near.numerator, near.denominator, x * x)

/** The value at x of the ratio of two polynomials, given by their coefficients from the highest power down. */
const ratio = (numerator: ReadonlyArray<number>, denominator: ReadonlyArray<number>, x: number): number =>
  polynomial(numerator, x) / polynomial(denominator, x)

const polynomial = (coefficients: ReadonlyArray<number>, x: number): number => {
  let value = 0
  for (const coefficient of coefficients) value = value * x + coefficient
  return value
}

// erf(x) / x in powers of x^2, for |x| <= 0.46875.
const near = {
  numerator: [
    0.18577770618460315,
    3.1611237438705655,
    113.86415415105016,
    377.485237685302,
    3209.3775891384694
  ],
  denominator: [1, 23.601290952344122, 244.02463793444417, 1282.6165260773723, 2844.236833439171]
}

// erfcx(x) in powers of x, for 0.46875 <= x <= 4.
const middle = {
  numerator: [
    2.1531153547440383e-8,
    0.5641884969886701,
    8.883149794388377,
    66.11919063714163,
    298.6351381974001,
    881.952221241769,
    1712.0476126340707,
    2051.0783778260716,
    1230.3393547979972
  ],
  denominator: [
    1,
    15.744926110709835,
    117.6939508913125,
    537.1811018620099,
    1621.3895745666903,
    3290.7992357334597,
    4362.619090143247,
    3439.3676741437216,
    1230.3393548037495
  ]
}

// (1 / sqrt(pi) - x erfcx(x)) x^2 in powers of 1 / x^2, for x >= 4.
const far = {
  numerator: [
    0.016315387137302097,
    0.30532663496123236,
    0.36034489994980445,
    0.12578172611122926,
    0.016083785148742275,
    0.0006587491615298378
  ],
  denominator: [
    1,
    2.568520192289822,
    1.8729528499234604,
    0.5279051029514285,
    0.06051834131244132,
    0.0023352049762686918
  ]
}
