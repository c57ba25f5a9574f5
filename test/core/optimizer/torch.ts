/**
 * What PyTorch 2.13 gives, in float64: parameters after each of three steps, one gradient a step.
 */
import type { Trajectory } from "./reference.ts"

export const start = [1, -2, 0.5]

export const gradients: Trajectory = [[0.1, -0.2, 0.3], [0.3, 0.4, -0.1], [-0.2, 0.1, 0.2]]

/** AdamW(lr=0.1, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1) */
export const adamW: Trajectory = [
  [0.890000009999999, -1.8800000049999999, 0.3950000033333332],
  [0.7893219021055898, -1.897810356496037, 0.3510281478947474],
  [0.755638303768737, -1.9203973713488744, 0.28720922006385824]
]

/** AdamW(lr=0.1, betas=(0.5, 0.9), eps=0.1, weight_decay=0) */
export const adamWLargeEpsilon: Trajectory = [
  [0.95, -1.9333333333333333, 0.425],
  [0.8789193840871582, -1.9808187403497959, 0.4145457195497298],
  [0.8834080464149244, -2.020253305052728, 0.3733486196547759]
]

/** clip_grad_norm_(0.25), then Adam(lr=0.1, eps=0.1) */
export const adamClipped: Trajectory = [
  [0.9599466000816146, -1.9428026739204818, 0.43328391828400914],
  [0.9090425229997795, -1.957708172554849, 0.40516350773550114],
  [0.9059156210709471, -1.9805218016151165, 0.36363188014296083]
]

/** SGD(lr=0.1, momentum=0.9) */
export const sgdMomentum: Trajectory = [
  [0.99, -1.98, 0.47],
  [0.951, -2.002, 0.453],
  [0.9359, -2.0318, 0.4177]
]

/** SGD(lr=0.1, momentum=0.9, nesterov=True) */
export const sgdNesterov: Trajectory = [
  [0.981, -1.962, 0.443],
  [0.9159, -2.0218, 0.4377],
  [0.92231, -2.05862, 0.38593]
]
