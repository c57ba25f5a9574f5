/**
 * The classes of samples.
 */
import { Result } from "effect"
import type { DenoiserShape } from "../../pipeline/Denoiser.ts"
import { type HostTensor, int32 } from "../../tensor/index.ts"
import type { SamplingOptions } from "../Sampling.ts"
import { InvalidSampling } from "../SamplingError.ts"

/** The class that each sample is to be of, by its index. */
export type ClassOfSample = (index: number) => number

/**
 * The class of each sample, or `undefined` where the denoiser is told none. Samples without labels are of no class.
 *
 * Fails with {@link InvalidSampling} where labels are not classes of the denoiser, and where guidance lacks them.
 */
export const classOfSample = (
  { classes }: DenoiserShape,
  { classifierFree, labels }: Pick<SamplingOptions, "classifierFree" | "labels">
): Result.Result<ClassOfSample | undefined, InvalidSampling> => {
  const invalid = (option: string, value: unknown, expected: string) =>
    Result.fail(new InvalidSampling({ option, value, expected }))
  if (classes === undefined) {
    if (labels !== undefined) return invalid("labels", labels, "left out, for the network is told no classes")
    if (classifierFree !== undefined) {
      return invalid("classifierFree.scale", classifierFree.scale, "left out, for the network is told no classes")
    }
    return Result.succeed(undefined)
  }
  if (labels === undefined) {
    return classifierFree === undefined
      ? Result.succeed(() => classes)
      : invalid("classifierFree.scale", classifierFree.scale, "for samples with labels; give some")
  }
  const wrong = labels.find((label) => !(Number.isInteger(label) && label >= 0 && label <= classes))
  if (wrong !== undefined) {
    return invalid("labels", wrong, `a class from 0 to ${classes - 1}, or ${classes} for none`)
  }
  if (labels.length === 0) return invalid("labels", "[]", "at least one class")
  return Result.succeed((index) => labels[index % labels.length]!)
}

/** The classes of consecutive samples: [count], int32. */
export const conditionOf = (classOf: ClassOfSample, first: number, count: number): HostTensor<"int32"> =>
  int32([count], Int32Array.from({ length: count }, (_, i) => classOf(first + i)))
