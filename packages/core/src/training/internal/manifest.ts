/**
 * The files of a checkpoint: which there are, and how they are held together.
 *
 *     parameters.safetensors               the trained parameters, by dotted path
 *     average.safetensors                  their average, by the same paths: a state dict as it is
 *     optimizer.<vector>.safetensors       each vector that the optimiser keeps, by the same paths
 *     adaptation.safetensors               what the pipeline has learnt from the losses, where it learns from them
 *     manifest.json                        step, configuration, and size and SHA-256 of each file above
 *     manifest.json.sha256                 the SHA-256 of the manifest, as `sha256sum` writes it
 */
import { Schema } from "effect"
import { qualify, unqualify } from "../../engine/names.ts"
import type { HostTensors } from "../../pipeline/Pipeline.ts"
import type { TrainingState } from "../TrainingState.ts"

export const manifestFile = "manifest.json"
export const manifestSumFile = `${manifestFile}.sha256`

export const formatName = "effusion checkpoint"
export const formatVersion = 1

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** What every version of the format says of itself. */
export const Format = Schema.Struct({ format: Schema.Literal(formatName), version: Count })

export const Manifest = Schema.Struct({
  format: Schema.Literal(formatName),
  version: Schema.Literal(formatVersion),
  step: Count,
  config: Schema.Unknown,
  /** By group, see {@link groupsOf}. */
  groups: Schema.Record(Schema.String, Schema.Struct({ bytes: Count, sha256: Schema.String }))
})

export type Manifest = (typeof Manifest)["Type"]

/** The groups of tensors of a state, one file each. */
export const groupsOf = (
  { adaptation, average, optimizer, parameters }: TrainingState
): { readonly [group: string]: HostTensors } => ({
  parameters,
  ...(average === undefined ? {} : { average }),
  ...qualify("optimizer", optimizer),
  ...(adaptation === undefined ? {} : { adaptation })
})

/** The inverse of {@link groupsOf}; `undefined` without the group of parameters. */
export const stateOf = (
  step: number,
  groups: { readonly [group: string]: HostTensors },
  checkpoint: string
): TrainingState | undefined => {
  const { adaptation, average, parameters } = groups
  if (parameters === undefined) return undefined
  return {
    step,
    parameters,
    ...(average === undefined ? {} : { average }),
    optimizer: unqualify("optimizer", groups),
    ...(adaptation === undefined ? {} : { adaptation }),
    checkpoint
  }
}

/** The file of a group; a name that no file may have is escaped. */
export const fileOf = (group: string): string => `${encodeURIComponent(group)}.safetensors`

/** What `sha256sum` writes of the manifest. */
export const manifestSum = (sha256: string): string => `${sha256}  ${manifestFile}\n`

/** The name of the checkpoint of a step. */
export const folderName = (step: number): string => `step-${String(step).padStart(8, "0")}`

/** What a name in a folder of checkpoints means; `undefined` when it is none of a checkpoint. */
export const parseFolderName = (name: string): { readonly step: number; readonly isReplaced: boolean } | undefined => {
  const match = /^step-(\d{8,})(\.replaced)?$/.exec(name)
  return match === null ? undefined : { step: Number(match[1]), isReplaced: match[2] !== undefined }
}

/** A checkpoint that another one of the same step takes the place of, until that is there. */
export const replacedName = (name: string): string => `${name}.replaced`

/** Unfinished work; what is left of it after a kill is removed at the next save. */
export const savingPrefix = ".saving-"
export const removingPrefix = ".removing-"
