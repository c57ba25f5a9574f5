/**
 * The flags that say how to go from noise to samples.
 */
import { varianceTypes } from "@effusion/core/diffusion"
import { Option } from "effect"
import { type Command, Flag } from "effect/cli"
import type { RunConfig } from "../configuration/config.ts"
import { ownFields, samplers, solverTypes, spacings } from "../configuration/samplers.ts"

/** A flag for each; those that are not given are as the run's configuration says. */
export const samplerFlags = {
  steps: Flag.Int("steps").pipe(Flag.withDescription("Denoising steps: more are slower and better"), Flag.optional),
  sampler: Flag.Literals("sampler", samplers).pipe(Flag.withDescription("How to denoise"), Flag.optional),
  spacing: Flag.Literals("spacing", spacings).pipe(
    Flag.withDescription("How the steps are spread over the schedule"),
    Flag.optional
  ),
  sigmaMax: Flag.Finite("sigma-max").pipe(
    Flag.withMetavar("number"),
    Flag.withDescription(
      "Leave out noise above this sigma, where the network says little; 80 of heun and edm when not given"
    ),
    Flag.optional
  ),
  final: Flag.Literals("final", ["zero", "sigma-min"]).pipe(
    Flag.withDescription("Where the last step ends: at the data, or at the least noise of the schedule"),
    Flag.optional
  ),
  threshold: Flag.Finite("threshold").pipe(
    Flag.withMetavar("part"),
    Flag.withDescription("Scale estimates so that this part of the pixels is in range, in place of clipping them"),
    Flag.optional
  ),
  eta: Flag.Finite("eta").pipe(
    Flag.withMetavar("number"),
    Flag.withDescription("Noise that a step of ddim adds, from 0 to 1"),
    Flag.optional
  ),
  variance: Flag.Literals("variance", varianceTypes).pipe(
    Flag.withDescription("The variance of a step of ddpm; as learned, or else fixed-small, when not given"),
    Flag.optional
  ),
  order: Flag.Int("order").pipe(Flag.withDescription("The order of a solver"), Flag.optional),
  solverType: Flag.Literals("solver-type", solverTypes).pipe(
    Flag.withDescription("The form of a solver: midpoint or heun of dpm-solver, bh1 or bh2 of unipc"),
    Flag.optional
  ),
  churn: Flag.Finite("churn").pipe(
    Flag.withMetavar("number"),
    Flag.withDescription("Noise that goes in before the steps of euler, heun and edm, over all of them"),
    Flag.optional
  ),
  noise: Flag.Finite("noise-scale").pipe(
    Flag.withMetavar("factor"),
    Flag.withDescription("The factor of the noise of euler-ancestral, or of --churn"),
    Flag.optional
  )
}

type Given = Command.Command.Config.Infer<typeof samplerFlags>

/** What a field of a configuration is called as a flag. */
export const samplerFlagNames = {
  "sampling.steps": "--steps",
  "sampling.eta": "--eta",
  "sampling.sigmaMax": "--sigma-max",
  "sampling.threshold": "--threshold",
  "sampling.variance": "--variance",
  "sampling.order": "--order",
  "sampling.solverType": "--solver-type",
  "sampling.churn": "--churn",
  "sampling.noise": "--noise-scale"
}

/**
 * The `sampling` of a run's configuration as flags change it, to be checked. Another sampler forgets what the configuration
 * told the former one; what only DDIM has, the eta, is none then.
 *
 * @example
 * givenSampling(config.sampling, input) // => { sampler: "heun", steps: 20, eta: 0, count: 64 }
 */
export const givenSampling = (sampling: RunConfig["sampling"], input: Given): { readonly [field: string]: unknown } => {
  const given = Object.fromEntries(
    (Object.keys(samplerFlags) as ReadonlyArray<keyof Given>).flatMap((name) =>
      Option.match(input[name] as Option.Option<unknown>, { onNone: () => [], onSome: (value) => [[name, value]] })
    )
  )
  const forgotten: ReadonlyArray<string> = given["sampler"] === undefined || given["sampler"] === sampling.sampler
    ? []
    : [...ownFields, "spacing", "sigmaMax"]
  const kept = Object.entries(sampling).filter(([field]) => !forgotten.includes(field))
  return { ...Object.fromEntries(kept), ...(forgotten.length === 0 ? {} : { eta: 0 }), ...given }
}
