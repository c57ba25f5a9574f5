/**
 * The logarithm, cosine and sine that the Box-Muller transform needs, of 32-bit words.
 *
 * `Math.log`, `Math.cos` and `Math.sin` may round differently from one JavaScript engine to the next. These use
 * nothing but additions, multiplications and divisions of float64, which IEEE 754 defines to the last bit, so that a
 * draw is the same on every machine. (They are also faster, since their arguments are already reduced.)
 *
 * Method and coefficients are those of FDLIBM (e_log.c, k_sin.c, k_cos.c), whose errors are below one unit in the last
 * place:
 *
 *     Copyright (C) 1993 by Sun Microsystems, Inc. All rights reserved.
 *     Developed at SunSoft, a Sun Microsystems, Inc. business.
 *     Permission to use, copy, modify, and distribute this software is freely granted, provided that this notice is
 *     preserved.
 */

const ln2High = 6.93147180369123816490e-1
const ln2Low = 1.90821492927058770002e-10

// Where a word's highest bit is at 31 - z, 2^(z - 31) brings the word to [1, 2); the word 0 counts as 1/2.
const scales = Float64Array.from({ length: 33 }, (_, z) => 2 ** (z - 31))

/**
 * ln((word + 1/2) / 2^32): the logarithm of the centre of one of the 2^32 cells of (0, 1), so never of 0.
 *
 * @param word from 0 to 2^32 - 1
 */
export const logOfCell = (word: number): number => {
  // (word + 1/2) / 2^32 = 2^exponent m, with m between sqrt(1/2) and sqrt(2).
  const zeros = Math.clz32(word)
  let m = (word + 0.5) * scales[zeros]!
  let exponent = -1 - zeros
  if (m > Math.SQRT2) {
    m *= 0.5
    exponent += 1
  }
  // ln(1 + f) = f - f^2 / 2 + s (f^2 / 2 + R(s^2)), where s = f / (2 + f).
  const f = m - 1
  const s = f / (2 + f)
  const z = s * s
  const w = z * z
  const odd = z * (6.666666666666735130e-1 +
    w * (2.857142874366239149e-1 + w * (1.818357216161805012e-1 + w * 1.479819860511658591e-1)))
  const even = w * (3.999999999940941908e-1 + w * (2.222219843214978396e-1 + w * 1.531383769920937332e-1))
  const halfSquare = 0.5 * f * f
  return exponent * ln2High - ((halfSquare - (s * (halfSquare + odd + even) + exponent * ln2Low)) - f)
}

/** The cosine of an angle between -pi/4 and pi/4. */
export const cosine = (angle: number): number => {
  const z = angle * angle
  const r = z * (4.16666666666666019037e-2 + z * (-1.38888888888741095749e-3 + z * (2.48015872894767294178e-5 +
            z * (-2.75573143513906633035e-7 + z * (2.08757232129817482790e-9 + z * -1.13596475577881948265e-11)))))
  return 1 - (0.5 * z - z * r)
}

/** The sine of an angle between -pi/4 and pi/4. */
export const sine = (angle: number): number => {
  const z = angle * angle
  const r = -1.66666666666666324348e-1 + z * (8.33333333332248946124e-3 + z * (-1.98412698298579493134e-4 +
            z * (2.75573137070700676789e-6 + z * (-2.50507602534068634195e-8 + z * 1.58969099521155010221e-10))))
  return angle + z * angle * r
}
