/**
 * Phi(z), the probability of a standard normal variable below z: the series of G. Marsaglia, "Evaluating the Normal
 * Distribution" (2004), 1/2 + phi(z) (z + z^3 / 3 + z^5 / (3 5) + ...). Its error is below 1e-15; in the lower tail that is
 * not small next to the value, which does not matter to a probability that is drawn from.
 *
 * @param z any number; infinite ones give 0 and 1
 */
export const normalCdf = (z: number): number => {
  // Beyond 9 the tail is below 2e-19.
  if (z < -9) return 0
  if (z > 9) return 1
  let sum = z
  let term = z
  for (let n = 3;; n += 2) {
    term *= z * z / n
    const next = sum + term
    if (next === sum) break
    sum = next
  }
  return Math.min(1, Math.max(0, 0.5 + sum * Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI)))
}
