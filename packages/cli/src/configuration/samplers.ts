/**
 * Samplers by their names, and what each of them can be told.
 */
import { varianceTypes } from "@effusion/core/diffusion"
import type { Sampler } from "@effusion/core/sampling"
import {
  ddim,
  ddpm,
  deis,
  dpmSolver,
  dpmSolverSinglestep,
  edm,
  euler,
  eulerAncestral,
  heun,
  lms,
  sigmaSpacings,
  timestepSpacings,
  uniPC
} from "@effusion/core/sampling"
import { Schema } from "effect"
import { NotNegative, Positive } from "../internal/numbers.ts"

/** The samplers that there are. */
export const samplers = [
  "ddpm",
  "ddim",
  "euler",
  "euler-ancestral",
  "heun",
  "edm",
  "dpm-solver",
  "dpm-solver-sde",
  "dpm-solver-singlestep",
  "deis",
  "unipc",
  "lms"
] as const

export type SamplerName = typeof samplers[number]

/** How steps can be spread. */
export const spacings = [...timestepSpacings, ...sigmaSpacings] as const

/** The forms of solvers of second order. */
export const solverTypes = ["midpoint", "heun", "bh1", "bh2"] as const

/** Fields of a configuration that only some samplers have, besides `eta`, and those of the way that any goes. */
export const samplerFields = {
  /** How the steps are spread over the schedule; the sampler's own spacing when absent. */
  spacing: Schema.optionalKey(Schema.Literals(spacings)),
  /** Leave out noise above this sigma, where a network says little of the data; 80 of heun and edm when absent, else none. */
  sigmaMax: Schema.optionalKey(Positive),
  /** Where the last step ends: at the data, or at the least noise that the network has seen. The data when absent. */
  final: Schema.optionalKey(Schema.Literals(["zero", "sigma-min"])),
  /**
   * Dynamic thresholding in place of clipping to [-1, 1]: the part of the pixels that are within the range that estimates
   * are cut off at and scaled to.
   */
  threshold: Schema.optionalKey(
    Schema.Finite.check(
      Schema.isBetween({ minimum: 0, maximum: 1, exclusiveMinimum: true }, {
        expected: "a number above 0 and at most 1"
      })
    )
  ),
  /**
   * The variance that a step of ddpm adds; when absent, that which the network has learned, or else fixed-small. The
   * library has other forms of a learned variance (`ddpmVariances`), which no run learns.
   */
  variance: Schema.optionalKey(Schema.Literals(varianceTypes)),
  /** The order of a solver. */
  order: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 }, { expected: "a whole number from 1 to 4" }))
  ),
  /** The form of a solver of second order. */
  solverType: Schema.optionalKey(Schema.Literals(solverTypes)),
  /** How much noise goes in before steps, over all of them. */
  churn: Schema.optionalKey(NotNegative),
  /** The factor of that noise. */
  noise: Schema.optionalKey(Positive)
}

/** What samplers can be told. */
export type SamplerSettings =
  & { readonly [Field in keyof typeof samplerFields]?: (typeof samplerFields)[Field]["schema"]["Type"] }
  & { readonly sampler: SamplerName; readonly eta: number }

type OwnField = "churn" | "noise" | "order" | "solverType" | "variance"

/** What single samplers can be told. */
const own: { readonly [Name in SamplerName]: ReadonlyArray<OwnField> } = {
  ddpm: ["variance"],
  ddim: [],
  euler: ["churn", "noise"],
  "euler-ancestral": ["noise"],
  heun: ["churn", "noise"],
  edm: ["churn", "noise"],
  "dpm-solver": ["order", "solverType"],
  "dpm-solver-sde": ["order", "solverType"],
  "dpm-solver-singlestep": ["order", "solverType"],
  deis: ["order"],
  unipc: ["order", "solverType"],
  lms: ["order"]
}

/** The fields that some sampler has for itself. */
export const ownFields: ReadonlyArray<OwnField> = ["variance", "order", "solverType", "churn", "noise"]

/**
 * What is wrong with what a sampler is told.
 *
 * @example
 * samplerIssues({ sampler: "ddim", eta: 0, order: 2 }) // => [{ field: "order", issue: ... }]
 */
export const samplerIssues = (
  settings: SamplerSettings
): ReadonlyArray<{ readonly field: string; readonly issue: string }> => {
  const { order, sampler, solverType } = settings
  const misplaced = ownFields.filter((field) => settings[field] !== undefined && !own[sampler].includes(field))
  const issues: Array<{ readonly field: string; readonly issue: string }> = misplaced.map((field) => ({
    field,
    issue: `${sampler} has none; it is for ${samplers.filter((name) => own[name].includes(field)).join(", ")}`
  }))
  // Every configuration has an eta; 0 is none.
  if (settings.eta > 0 && sampler !== "ddim") {
    issues.push({ field: "eta", issue: `${sampler} has none; it is for ddim` })
  }
  const isScaled = settings.churn !== undefined || sampler === "edm" || sampler === "euler-ancestral"
  if (settings.noise !== undefined && !misplaced.includes("noise") && !isScaled) {
    issues.push({ field: "noise", issue: `without churn, ${sampler} adds no noise that it could be the factor of` })
  }
  const types = sampler === "unipc" ? ["bh1", "bh2"] : ["midpoint", "heun"]
  if (solverType !== undefined && !misplaced.includes("solverType") && !types.includes(solverType)) {
    issues.push({ field: "solverType", issue: `of ${sampler} it is ${types.join(" or ")}, and not ${solverType}` })
  }
  if (order === 4 && !misplaced.includes("order") && sampler !== "lms" && sampler !== "unipc") {
    issues.push({ field: "order", issue: `of ${sampler} it is at most 3` })
  }
  return issues
}

/**
 * Where a sampler starts unless told: Heun's method, whose errors grow with the ratio of one sigma to the next, makes noise
 * of the noisiest levels of a cosine schedule, sigma 20,000; 80 is what EDM starts from.
 *
 * @example
 * usualSigmaMax("heun") // => 80
 */
export const usualSigmaMax = (sampler: SamplerName): number | undefined =>
  sampler === "heun" || sampler === "edm" ? 80 : undefined

/**
 * A sampler by its name.
 *
 * @example
 * samplerOf({ sampler: "ddim", eta: 0 }).name // => "ddim"
 */
export const samplerOf = (
  { churn, eta, guided = false, noise, order, sampler, solverType, variance }: SamplerSettings & {
    readonly guided?: boolean
  }
): Sampler => {
  const type = solverType === "heun" ? "heun" : "midpoint"
  const churned = { ...(churn === undefined ? {} : { churn }), ...(noise === undefined ? {} : { sNoise: noise }) }
  switch (sampler) {
    case "ddpm":
      return ddpm({ variance })
    case "ddim":
      // Guided estimates are clipped so much that DDIM drifts off with the noise that goes with them unclipped.
      return ddim({ eta, useClippedModelOutput: guided })
    case "euler":
      return euler(churned)
    case "euler-ancestral":
      return eulerAncestral({ sNoise: noise })
    case "heun":
      return heun(churned)
    case "edm":
      return edm(churned)
    case "dpm-solver":
      return dpmSolver({ order, solverType: type })
    case "dpm-solver-sde":
      return dpmSolver({ order, solverType: type, algorithm: "sde-dpmsolver++" })
    case "dpm-solver-singlestep":
      return dpmSolverSinglestep({ order, solverType: type })
    case "deis":
      return deis({ order })
    case "unipc":
      return uniPC({ order, solverType: solverType === "bh1" ? "bh1" : "bh2" })
    case "lms":
      return lms({ order })
  }
}
