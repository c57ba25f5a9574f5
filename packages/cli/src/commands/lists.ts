/**
 * Flags that take several values with commas between them.
 */
import { Flag } from "effect/cli"

/**
 * A flag for classes: whole numbers from 0 with commas between them, or `none`, which is `undefined`.
 *
 * @example
 * classesFlag("labels") // --labels 3, --labels 0,1,2, --labels none
 */
export const classesFlag = (name: string): Flag.Flag<ReadonlyArray<number> | undefined> =>
  Flag.String(name).pipe(
    Flag.mapTryCatch(
      (text) => text === "none" ? undefined : numbersOf(text, /^\d+$/),
      () => "whole numbers from 0 with commas between them, or none"
    )
  )

/**
 * A flag for two numbers with a comma between them.
 *
 * @example
 * pairFlag("guidance-interval") // --guidance-interval 0.3,3
 */
export const pairFlag = (name: string): Flag.Flag<readonly [number, number]> =>
  Flag.String(name).pipe(
    Flag.mapTryCatch(
      (text) => {
        const [first, second, ...rest] = numbersOf(text, /^\d+(\.\d+)?$/)
        if (first === undefined || second === undefined || rest.length > 0) throw new RangeError(text)
        return [first, second] as const
      },
      () => "two numbers with a comma between them"
    )
  )

const numbersOf = (text: string, form: RegExp): ReadonlyArray<number> =>
  text.split(",").map((part) => {
    if (!form.test(part.trim())) throw new RangeError(part)
    return Number(part)
  })
