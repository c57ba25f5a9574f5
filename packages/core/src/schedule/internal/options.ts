/** The most timesteps that a schedule may have: far beyond any use, and it keeps a slip from filling the memory. */
export const maximumSteps = 1_000_000

/** What is wrong with a number of timesteps, if anything is. */
export const stepsAtFault = (steps: number): string | undefined =>
  Number.isInteger(steps) && steps >= 1 && steps <= maximumSteps
    ? undefined
    : `"steps" is ${steps}; it is an integer from 1 to ${maximumSteps}, such as 1000`

/** What is wrong with options that are betas, if anything is. */
export const betaAtFault = (options: { readonly [option: string]: number }): string | undefined => {
  for (const [option, value] of Object.entries(options)) {
    if (!(value > 0 && value < 1)) return `"${option}" is ${value}; it is a beta, between 0 and 1, such as 0.02`
  }
  return undefined
}

/** What is wrong with the bound on beta, if anything is. */
export const maximumBetaAtFault = (maximumBeta: number): string | undefined =>
  maximumBeta > 0 && maximumBeta < 1
    ? undefined
    : `"maximumBeta" is ${maximumBeta}; it is a beta, between 0 and 1, such as 0.999`

/** What is wrong with options that are positive numbers, if anything is. */
export const positiveAtFault = (options: { readonly [option: string]: number }): string | undefined => {
  for (const [option, value] of Object.entries(options)) {
    if (!(value > 0 && value < Infinity)) return `"${option}" is ${value}; it is a positive number`
  }
  return undefined
}

/** What is wrong with options that are numbers of any sign, if anything is. */
export const finiteAtFault = (options: { readonly [option: string]: number }): string | undefined => {
  for (const [option, value] of Object.entries(options)) {
    if (!Number.isFinite(value)) return `"${option}" is ${value}; it is a finite number`
  }
  return undefined
}
