import { Result } from "effect"
import { InvalidObjective } from "../InvalidObjective.ts"

/** Fails when one of the options is not a positive number. */
export const requirePositive = (
  name: string,
  options: { readonly [option: string]: number }
): Result.Result<void, InvalidObjective> =>
  requireEach(name, options, (value) => value > 0 && value < Infinity, "a number above 0")

/** Fails when one of the options is negative or no number. */
export const requireNotNegative = (
  name: string,
  options: { readonly [option: string]: number }
): Result.Result<void, InvalidObjective> =>
  requireEach(name, options, (value) => value >= 0 && value < Infinity, "a number of at least 0")

const requireEach = (
  name: string,
  options: { readonly [option: string]: number },
  holds: (value: number) => boolean,
  expected: string
): Result.Result<void, InvalidObjective> => {
  const wrong = Object.entries(options).find(([, value]) => !holds(value))
  return wrong === undefined
    ? Result.succeed(undefined)
    : Result.fail(new InvalidObjective({ name, reason: `"${wrong[0]}" is ${wrong[1]}; it is ${expected}` }))
}
