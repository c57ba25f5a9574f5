/**
 * The optimisers again, as plain loops in float64, written from PyTorch's documentation of `Adam`, `AdamW`, `SGD` and
 * `clip_grad_norm_`: nothing here is shared with what is tested.
 */

/** Parameters after each of the given gradients. */
export type Trajectory = ReadonlyArray<ReadonlyArray<number>>

export const adamW = (
  start: ReadonlyArray<number>,
  gradients: Trajectory,
  options: {
    readonly learningRate: (step: number) => number
    readonly beta1: number
    readonly beta2: number
    readonly epsilon: number
    readonly weightDecay: number
  }
): Trajectory => {
  const { beta1, beta2, epsilon, learningRate, weightDecay } = options
  const parameters = [...start]
  const expAvg = start.map(() => 0)
  const expAvgSq = start.map(() => 0)
  return gradients.map((gradient, step) => {
    const lr = learningRate(step)
    for (let i = 0; i < parameters.length; i++) {
      const g = gradient[i]!
      parameters[i]! -= lr * weightDecay * parameters[i]!
      expAvg[i] = beta1 * expAvg[i]! + (1 - beta1) * g
      expAvgSq[i] = beta2 * expAvgSq[i]! + (1 - beta2) * g * g
      const mHat = expAvg[i]! / (1 - Math.pow(beta1, step + 1))
      const vHat = expAvgSq[i]! / (1 - Math.pow(beta2, step + 1))
      parameters[i]! -= lr * mHat / (Math.sqrt(vHat) + epsilon)
    }
    return [...parameters]
  })
}

export const sgd = (
  start: ReadonlyArray<number>,
  gradients: Trajectory,
  options: { readonly learningRate: number; readonly momentum: number; readonly nesterov: boolean }
): Trajectory => {
  const parameters = [...start]
  let buffer: Array<number> | undefined
  return gradients.map((gradient) => {
    const previous = buffer
    buffer = gradient.map((g, i) => previous === undefined ? g : options.momentum * previous[i]! + g)
    for (let i = 0; i < parameters.length; i++) {
      const direction = options.momentum === 0
        ? gradient[i]!
        : options.nesterov
        ? gradient[i]! + options.momentum * buffer[i]!
        : buffer[i]!
      parameters[i]! -= options.learningRate * direction
    }
    return [...parameters]
  })
}

export const norm = (gradient: ReadonlyArray<number>): number => Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0))

export const clip = (gradient: ReadonlyArray<number>, maximum: number): ReadonlyArray<number> => {
  const coefficient = Math.min(1, maximum / (norm(gradient) + 1e-6))
  return gradient.map((g) => g * coefficient)
}
