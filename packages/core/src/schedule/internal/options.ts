/** The most timesteps that a schedule may have: far beyond any use, and it keeps a slip from filling the memory. */
export const maximumSteps = 1_000_000

/** What is wrong with a number of timesteps, if anything is. */
export const stepsAtFault = (steps: number): string | undefined =>
  Number.isInteger(steps) && steps >= 1 && steps <= maximumSteps
    ? undefined
    : `"steps" is ${steps}; it is an integer from 1 to ${maximumSteps}, such as 1000`
