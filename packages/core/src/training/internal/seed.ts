/** Whether a number can be the seed of a run. */
export const isSeed = (seed: number): boolean => Number.isSafeInteger(seed)

/** What a seed is to be, in the words of errors. */
export const anySeed = "an integer between -2^53 and 2^53"
