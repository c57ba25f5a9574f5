/**
 * What a picture is called where nobody says.
 */
import { Option } from "effect"
import { createHash } from "node:crypto"
import type { Input } from "./sample.ts"

/** Flags that are in every name, say where it goes, or change nothing of what is drawn but its rounding. */
type Unnamed = "run" | "seed" | "sampler" | "steps" | "trajectory" | "out" | "engine" | "device" | "threads"

/** How flags are called in names: every flag that changes what is drawn. */
const parts: { readonly [Name in Exclude<keyof Input, Unnamed>]: string } = {
  spacing: "spacing",
  sigmaMax: "sigma-max",
  final: "final",
  threshold: "threshold",
  eta: "eta",
  variance: "variance",
  order: "order",
  solverType: "solver-type",
  churn: "churn",
  noise: "noise-scale",
  schedule: "schedule",
  image: "image",
  strength: "strength",
  to: "to",
  inpaint: "inpaint",
  mask: "mask",
  resamplings: "resamplings",
  guidance: "guidance",
  labels: "labels",
  classGuidance: "class-guidance",
  guidanceRescale: "guidance-rescale",
  guidanceInterval: "guidance-interval",
  count: "count"
}

/** Flags that name files. */
const files: ReadonlyArray<string> = ["image", "to", "inpaint", "mask"] satisfies ReadonlyArray<keyof Input>

/** What is in every name. */
export interface Drawn {
  /** The optimiser step of the weights. */
  readonly step: number
  readonly sampler: string
  readonly steps: number
  readonly seed: number
  /** The extension: `.png`. */
  readonly type: string
}

/**
 * The name of a picture: the step of its weights, the sampler and its steps, each flag that was given and changes what is
 * drawn, and the seed. Files have the names of their pictures in it, without folders.
 *
 * @example
 * sampleName({ step: 2000, sampler: "ddim", steps: 100, seed: 1, type: ".svg" }, input)
 * // => "samples-step-2000-ddim-100-eta-0.5-seed-1.svg"
 */
export const sampleName = (
  { sampler, seed, step, steps, type }: Drawn,
  input: Pick<Input, keyof typeof parts | "trajectory">
): string => {
  const given = (Object.keys(parts) as ReadonlyArray<keyof typeof parts>).flatMap((name) =>
    Option.match(input[name] as Option.Option<unknown>, {
      onNone: () => [],
      onSome: (value) => [parts[name], files.includes(name) ? stemOf(String(value)) : show(value)]
    })
  )
  const start = [input.trajectory ? "trajectory" : "samples", "step", step, sampler, steps, ...given].join("-")
  return `${shortened(start)}-seed-${seed}${type}`
}

/** Of no class is what `--labels none` says. */
const show = (value: unknown): string =>
  value === undefined ? "none" : Array.isArray(value) ? value.join("-") : String(value)

const stemOf = (path: string): string => {
  const name = path.split(/[/\\]/).at(-1)!
  return name.replace(/(?<=.)\.[^.]*$/, "").replaceAll(/[^\w.-]/g, "_")
}

/** File systems take names of 255 bytes. */
const longest = 180

const shortened = (name: string): string =>
  name.length <= longest
    ? name
    : `${name.slice(0, longest)}-${createHash("sha256").update(name).digest("hex").slice(0, 8)}`
