/**
 * Solvers against what can be known in closed form: Gaussian data on a line, for which the best denoiser, the probability
 * flow and the distribution after every step are known.
 */
import {
  ddim,
  ddimInversion,
  ddpm,
  deis,
  dpmSolver,
  dpmSolverSinglestep,
  edm,
  euler,
  eulerAncestral,
  heun,
  lms,
  type Plan,
  type PlanOptions,
  sampleOnHost,
  type Sampler,
  startOnHost,
  stepOnHost,
  uniPC
} from "@effusion/core/sampling"
import { cosine, linear, type NoiseLevel, scaledLinear, type Schedule, sigma, sigmaOf } from "@effusion/core/schedule"
import { Result } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { grids, values } from "./arbitraries.ts"

const mean = 0.4
const variance = 0.3

/** The expected noise in x at a level, for data of this mean and variance. */
const bestNoise = ({ signal, spread }: NoiseLevel, x: number, { m = mean, v = variance } = {}): number =>
  spread * (x - signal * m) / (signal ** 2 * v + spread ** 2)

const levelOf = (plan: Plan) => {
  const levels = new Map(plan.steps.map(({ from }) => [from.timestep, from]))
  return (t: number): NoiseLevel => levels.get(t)!
}

const planOf = (sampler: Sampler, schedule: Schedule, options: object): Plan =>
  Result.getOrThrow(sampler.plan(schedule, { predictionType: "epsilon", clip: "none", ...options } as PlanOptions))

/** Mean and variance of x_t at a level. */
const marginal = ({ signal, spread }: NoiseLevel, { m, v }: { readonly m: number; readonly v: number }) => ({
  m: signal * m,
  v: signal ** 2 * v + spread ** 2
})

/** The means and covariances of x and of the memory, after each step, exactly, from those of x at the first level. */
const distributions = (plan: Plan, data: { readonly m: number; readonly v: number }) => {
  const at = levelOf(plan)
  const names = ["x", ...plan.memory]
  const take = (step: Plan["steps"][number], state: ReadonlyArray<number>, noise: number): ReadonlyArray<number> => {
    const memory = Object.fromEntries(plan.memory.map((name, i) => [name, Float64Array.of(state[i + 1]!)]))
    const before = { ...startOnHost(plan, [0]), x: Float64Array.of(state[0]!), memory }
    const shown = step.inputScale * state[0]!
    const after = stepOnHost(plan, step, before, [bestNoise(at(step.timestep), shown, data)], [noise])
    return [after.x[0]!, ...plan.memory.map((name) => after.memory[name]![0]!)]
  }
  const zero = names.map(() => 0)
  const start = marginal(plan.steps[0]!.from, data)
  let means: ReadonlyArray<number> = [start.m, ...zero.slice(1)]
  let covariance = names.map((_, i) => names.map((_, j) => (i === 0 && j === 0 ? start.v : 0)))
  return plan.steps.map((step) => {
    // With this denoiser a step is state -> A state + b + g noise.
    const b = take(step, zero, 0)
    const g = take(step, zero, 1).map((value, i) => value - b[i]!)
    const columns = names.map((_, j) => take(step, zero.with(j, 1), 0).map((value, i) => value - b[i]!))
    means = b.map((value, i) => names.reduce((sum, _, j) => sum + columns[j]![i]! * means[j]!, value))
    const previous = covariance
    covariance = names.map((_, i) =>
      names.map((_, j) => {
        let sum = g[i]! * g[j]!
        for (const k of names.keys()) {
          for (const l of names.keys()) sum += columns[k]![i]! * previous[k]![l]! * columns[l]![j]!
        }
        return sum
      })
    )
    return { m: means[0]!, v: covariance[0]![0]! }
  })
}

const anySchedule = Result.getOrThrow(linear({ steps: 1000 }))

const close = (actual: number, expected: number, tolerance: number): void =>
  assert.isAtMost(Math.abs(actual - expected), tolerance, `${actual} is not ${expected}`)

describe("the order of convergence, with the best denoiser", () => {
  const atLambda = (lambda: number): NoiseLevel => ({
    timestep: lambda,
    signal: 1 / Math.sqrt(1 + Math.exp(-2 * lambda)),
    spread: 1 / Math.sqrt(1 + Math.exp(2 * lambda))
  })
  const [first, last] = [-1.5, 2]
  const deviation = ({ signal, spread }: NoiseLevel) => Math.sqrt(signal ** 2 * variance + spread ** 2)

  /** The error in x after so many steps from lambda = -1.5 to 2. The first two are short: they are of lower order. */
  const errorOf = (sampler: Sampler, steps: number): number => {
    const h = (last - first) / steps
    const lambdas = [
      first,
      first + h ** 2,
      first + 2 * h ** 2,
      ...Array.from({ length: steps - 1 }, (_, i) => first + (i + 1) * h)
    ]
    const [start, end] = [atLambda(first), atLambda(last)]
    const plan = planOf(sampler, anySchedule, {
      levels: lambdas.map(atLambda),
      final: end,
      timestepOf: (sigma: number) => -Math.log(sigma)
    })
    const x = sampleOnHost(plan, { noise: [1.3], predict: (x, lambda) => [bestNoise(atLambda(lambda), x[0]!)] })
    const exact = end.signal * mean + deviation(end) / deviation(start) * (1.3 - start.signal * mean)
    return Math.abs(x[0]! - exact)
  }

  it.each(
    [
      ["DDIM", ddim(), 1],
      ["Euler", euler(), 1],
      ["Heun", heun(), 2],
      ["LMS, order 1", lms({ order: 1 }), 1],
      ["LMS, order 2", lms({ order: 2 }), 2],
      ["LMS, order 3", lms({ order: 3 }), 3],
      ...(["dpmsolver++", "dpmsolver"] as const).flatMap((algorithm) =>
        [
          [`${algorithm} 1`, dpmSolver({ algorithm, order: 1 }), 1],
          [`${algorithm} 2M`, dpmSolver({ algorithm }), 2],
          [`${algorithm} 2M heun`, dpmSolver({ algorithm, solverType: "heun" }), 2],
          [`${algorithm} 3M as published`, dpmSolver({ algorithm, order: 3 }), 2],
          [`${algorithm} 3M exact`, dpmSolver({ algorithm, order: 3, thirdOrder: "exact" }), 3],
          [`${algorithm} 2S`, dpmSolverSinglestep({ algorithm }), 2],
          [`${algorithm} 2S heun`, dpmSolverSinglestep({ algorithm, solverType: "heun" }), 2],
          [`${algorithm} 3S`, dpmSolverSinglestep({ algorithm, order: 3 }), 3],
          [`${algorithm} 3S heun`, dpmSolverSinglestep({ algorithm, order: 3, solverType: "heun" }), 3]
        ] as const
      ),
      ["DEIS 1", deis({ order: 1 }), 1],
      ["DEIS 2", deis({ order: 2 }), 2],
      ["DEIS 3", deis({ order: 3 }), 3],
      ...(["bh1", "bh2"] as const).flatMap((solverType) =>
        [
          [`UniPC 1 ${solverType}`, uniPC({ solverType, order: 1, lowerOrderFinal: false }), 2],
          [`UniPC 2 ${solverType}`, uniPC({ solverType, order: 2, lowerOrderFinal: false }), 3],
          [`UniPC 2 ${solverType} of the noise`, uniPC({ solverType, predictX0: false, lowerOrderFinal: false }), 3]
        ] as const
      ),
      [
        "UniP 2",
        uniPC({ order: 2, lowerOrderFinal: false, disableCorrector: Array.from({ length: 999 }, (_, i) => i) }),
        2
      ],
      [
        "UniP 3",
        uniPC({ order: 3, lowerOrderFinal: false, disableCorrector: Array.from({ length: 999 }, (_, i) => i) }),
        3
      ]
    ] as ReadonlyArray<readonly [string, Sampler, number]>
  )("of %s is what it should be", (_, sampler, order) => {
    const [coarse, fine] = [errorOf(sampler, 64), errorOf(sampler, 256)]
    const measured = Math.log(coarse / fine) / Math.log(4)
    close(measured, order, 0.15)
  })
})

const everySampler: ReadonlyArray<readonly [string, Sampler]> = [
  ["DDPM", ddpm()],
  ["DDIM", ddim()],
  ["Euler", euler()],
  ["Euler with churn", euler({ churn: 20 })],
  ["Euler ancestral", eulerAncestral()],
  ["Euler ancestral, eta 0.5", eulerAncestral({ eta: 0.5 })],
  ["Heun", heun()],
  ["Heun with churn", heun({ churn: 20, sTmin: 0.1, sTmax: 20 })],
  ["EDM", edm({ sNoise: 1 })],
  ["LMS", lms()],
  ["DEIS 3", deis({ order: 3 })],
  ["UniPC 2", uniPC()],
  ["UniPC 3", uniPC({ order: 3, solverType: "bh1" })],
  ...(["dpmsolver++", "dpmsolver", "sde-dpmsolver++", "sde-dpmsolver"] as const).flatMap((algorithm) => [
    [`${algorithm} 2M`, dpmSolver({ algorithm })] as const,
    [`${algorithm} 2M heun`, dpmSolver({ algorithm, solverType: "heun" })] as const,
    [`${algorithm} 3M`, dpmSolver({ algorithm, order: 3, thirdOrder: "exact" })] as const
  ]),
  ...(["dpmsolver++", "dpmsolver", "sde-dpmsolver++"] as const).flatMap((algorithm) => [
    [`${algorithm} 2S`, dpmSolverSinglestep({ algorithm })] as const,
    [`${algorithm} 3S`, dpmSolverSinglestep({ algorithm, order: 3, solverType: "heun" })] as const
  ])
]

describe.each(
  [
    ["linear", anySchedule],
    ["scaled linear", Result.getOrThrow(scaledLinear({ steps: 1000 }))],
    ["cosine", Result.getOrThrow(cosine({ steps: 1000 }))]
  ] as const
)("with the best denoiser, %s schedule", (_, schedule) => {
  it.each(everySampler)("%s comes closer to mean and variance the more steps it takes", (_, sampler) => {
    const data = { m: mean, v: variance }
    const errors = [20, 80, 320].map((steps) => {
      const plan = planOf(sampler, schedule, {
        steps,
        spacing: "lu",
        sigmaMax: Math.min(100, sigma(schedule, 999)),
        final: "sigma-min"
      })
      const [actual, expected] = [distributions(plan, data).at(-1)!, marginal(plan.steps.at(-1)!.to, data)]
      return Math.max(Math.abs(actual.m - expected.m), Math.abs(actual.v - expected.v))
    })
    for (let i = 1; i < errors.length; i++) assert.isBelow(errors[i]!, 0.75 * errors[i - 1]!, errors.join(", "))
    assert.isBelow(errors.at(-1)!, 0.025)
  })
})

const point = { m: 0.7, v: 0 }

/** On schedules with jumps, polynomials of high order have huge coefficients that cancel, and so do their digits. */
const smoothGrids = fc.integer({ min: 20, max: 60 }).chain((steps) =>
  fc.record({
    schedule: fc.constantFrom(...[linear({ steps }), scaledLinear({ steps })].map(Result.getOrThrow)),
    grid: fc.record({
      steps: fc.integer({ min: 1, max: steps }),
      spacing: fc.constantFrom("leading", "linspace", "trailing", "karras", "lu", undefined),
      final: fc.constantFrom("zero", "sigma-min")
    })
  })
)

describe("a step", () => {
  // With noise, the estimate of the noise is no constant even then.
  const exact = everySampler.filter(([name]) => !name.startsWith("sde-dpmsolver "))

  it.each(exact)("of %s ends at the level that it says, for data that is a point", (_, sampler) => {
    fc.assert(fc.property(smoothGrids, ({ grid, schedule }) => {
      // No two levels are told the same, whatever noise churn adds.
      const plan = planOf(sampler, schedule, { ...grid, timestepOf: (sigma: number) => 1000 + sigma })
      for (const [i, { m, v }] of distributions(plan, point).entries()) {
        const expected = marginal(plan.steps[i]!.to, point)
        close(m, expected.m, 1e-7)
        close(v, expected.v, 1e-7)
      }
    }))
  })
})

describe("relations between solvers", () => {
  const options = { predictionType: "v_prediction", clip: 0.6 } as const
  const end = (sampler: Sampler, schedule: Schedule, grid: object, noise: ReadonlyArray<number>): Float64Array =>
    sampleOnHost(planOf(sampler, schedule, { ...options, ...grid }), {
      noise,
      predict: (x, t) => x.map((value) => Math.sin(2 * value) + 0.01 * t),
      stepNoise: (i) => noise.map((value) => Math.cos(7 * value + i))
    })

  const same = (one: Sampler, other: Sampler) =>
    fc.assert(fc.property(grids, values(3), ({ grid, schedule }, noise) => {
      const spaced = grid.steps === undefined ? grid : { ...grid, spacing: grid.spacing ?? "trailing" }
      const [a, b] = [end(one, schedule, spaced, noise), end(other, schedule, spaced, noise)]
      for (const [i, value] of a.entries()) close(value, b[i]!, 1e-8)
    }))

  const agreeing = { useClippedModelOutput: true }

  it("Euler is DDIM", () => same(euler(), ddim(agreeing)))
  it("first-order DPM-Solver++ is DDIM", () => same(dpmSolver({ order: 1 }), ddim(agreeing)))
  it("first-order DPM-Solver is DDIM", () => same(dpmSolver({ order: 1, algorithm: "dpmsolver" }), ddim(agreeing)))
  it("first-order DEIS is DDIM", () => same(deis({ order: 1 }), ddim(agreeing)))
  it("first-order LMS is Euler", () => same(lms({ order: 1 }), euler()))
  it("first-order SDE-DPM-Solver++ is DDIM with eta 1", () =>
    same(dpmSolver({ order: 1, algorithm: "sde-dpmsolver++" }), ddim({ ...agreeing, eta: 1 })))
  it("Euler ancestral is DDPM", () => same(eulerAncestral(), ddpm()))
  it("Euler ancestral with less noise is DDIM with that eta", () =>
    same(eulerAncestral({ eta: 0.3 }), ddim({ ...agreeing, eta: 0.3 })))
  it("second-order DEIS is DPM-Solver with exact integrals", () =>
    same(deis({ order: 2 }), dpmSolver({ algorithm: "dpmsolver", solverType: "heun" })))
  it("UniPC's second-order predictor is DPM-Solver++ 2M", () =>
    same(
      uniPC({ lowerOrderFinal: false, disableCorrector: Array.from({ length: 60 }, (_, i) => i) }),
      dpmSolver({ lowerOrderFinal: false })
    ))
  it("UniPC's third-order predictor is DPM-Solver++ 3M", () =>
    same(
      uniPC({ order: 3, lowerOrderFinal: false, disableCorrector: Array.from({ length: 60 }, (_, i) => i) }),
      // The second step is of order 2, in the form that is simplified.
      dpmSolver({ order: 3, lowerOrderFinal: false, thirdOrder: "exact" })
    ))
})

describe("Karras's algorithm 2, written in sigma", () => {
  /** x here is x_t / signal, and noise comes first in a step. */
  const inSigma = (
    plan: Plan,
    levels: ReadonlyArray<NoiseLevel>,
    { churn, correct, sNoise, sTmax, sTmin }: { readonly [option: string]: number },
    start: number,
    normal: (i: number) => number
  ): number => {
    const sigmas = [...levels.map(sigmaOf), 0]
    const at = levelOf(plan)
    const denoised = (x: number, sigma: number) => {
      const signal = 1 / Math.sqrt(1 + sigma ** 2)
      const level = { timestep: NaN, signal, spread: sigma * signal }
      return x - sigma * bestNoise(level, signal * x)
    }
    assert.isNotNaN(at(plan.steps[0]!.timestep).signal)
    let x = start
    for (let i = 0; i < levels.length; i++) {
      const sigma = sigmas[i]!
      const gamma = sigma >= sTmin! && sigma <= sTmax! ? Math.min(churn! / levels.length, Math.SQRT2 - 1) : 0
      const raised = sigma * (1 + gamma)
      // The noise of the first step is part of what sampling starts from.
      if (gamma > 0 && i > 0) x += Math.sqrt(raised ** 2 - sigma ** 2) * sNoise! * normal(i)
      const slope = (x - denoised(x, raised)) / raised
      const next = x + (sigmas[i + 1]! - raised) * slope
      x = correct === 0 || sigmas[i + 1] === 0
        ? next
        : x + (sigmas[i + 1]! - raised) * (slope + (next - denoised(next, sigmas[i + 1]!)) / sigmas[i + 1]!) / 2
    }
    return x
  }

  it.each([["Euler", euler, 0], ["Heun", heun, 1]] as const)("is %s with churn", (_, solver, correct) => {
    const normal = (i: number) => Math.sin(5 * i + 1)
    const option = fc.record({
      // Hardly any churn is lost where sigma is subtracted from the raised one, as it is below.
      churn: fc.oneof(fc.constant(0), fc.double({ min: 1e-3, max: 10, noNaN: true })),
      sTmin: fc.constantFrom(0, 0.1),
      sTmax: fc.constantFrom(5, Infinity),
      sNoise: fc.constantFrom(1, 1.01)
    })
    fc.assert(fc.property(option, fc.integer({ min: 1, max: 12 }), (options, steps) => {
      const choice = { steps, spacing: "karras", sigmaMax: 40 } as const
      const plan = planOf(solver(options), anySchedule, choice)
      const levels = planOf(ddim(), anySchedule, choice).steps.map(({ from }) => from)
      // The step before level i ends with its noise: i - 1 for Euler, two evaluations a step for Heun.
      const stepOf = (position: number) => correct === 1 ? (position + 1) / 2 : position + 1
      const at = levelOf(plan)
      const x = sampleOnHost(plan, {
        noise: [0.8],
        predict: (x, t) => [bestNoise(at(t), x[0]!)],
        stepNoise: (position) => [normal(stepOf(position))]
      })
      const start = plan.initialNoiseSigma * 0.8 / plan.steps[0]!.from.signal
      close(x[0]!, inSigma(plan, levels, { ...options, correct }, start, normal), 1e-9)
    }))
  })
})

describe("DDIM's inversion", () => {
  it("finds the noise that DDIM makes the data of, as near as the steps are small", () => {
    const errors = [10, 40, 160].map((steps) => {
      const options = { steps, spacing: "trailing" } as const
      const [up, down] = [ddimInversion(), ddim()].map((sampler) => planOf(sampler, anySchedule, options)) as [
        Plan,
        Plan
      ]
      const at = levelOf(down)
      const predict = (x: Float64Array, t: number) => [bestNoise(at(t), x[0]!)]
      const latent = sampleOnHost(up, { noise: [0.9], predict })
      return Math.abs(sampleOnHost(down, { noise: latent, predict })[0]! - 0.9)
    })
    for (let i = 1; i < errors.length; i++) assert.isBelow(errors[i]!, 0.5 * errors[i - 1]!, errors.join(", "))
    assert.isBelow(errors.at(-1)!, 0.02)
  })

  it("goes the other way through the levels of DDIM", () => {
    fc.assert(fc.property(grids, ({ grid, schedule }) => {
      const [up, down] = [ddimInversion(), ddim()].map((sampler) => planOf(sampler, schedule, grid)) as [Plan, Plan]
      assert.deepStrictEqual(up.steps.map(({ to }) => to), down.steps.map(({ from }) => from).toReversed())
      assert.deepStrictEqual(
        up.steps.map(({ from: { signal } }) => signal),
        down.steps.map(({ to: { signal } }) => signal).toReversed()
      )
    }))
  })
})
