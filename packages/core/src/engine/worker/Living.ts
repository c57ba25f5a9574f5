/**
 * The compiled programs of a worker that others may share, by what they compute.
 */

/** What tells a program from others: equal where both parts are equal. */
export interface Identity {
  readonly structure: string
  /** The part that takes a while: it is asked for only while a program of the same structure lives, or is made. */
  readonly elements: () => string
}

/** A program that lives in the worker, or will when the requests have been answered that were sent so far. */
export interface Living {
  readonly id: number
  /** The inputs that the lowered program uses. */
  readonly inputs: ReadonlyArray<string>
}

/** The programs that live. */
export interface Population {
  readonly add: (identity: Identity, program: Living) => void
  readonly remove: (identity: Identity, program: Living) => void
  /** A program that is the same; undefined where none lives. */
  readonly find: (identity: Identity) => Living | undefined
}

export const makePopulation = (): Population => {
  const living = new Map<string, ReadonlyArray<{ readonly program: Living; readonly elements: () => string }>>()
  const of = (structure: string) => living.get(structure) ?? []
  return {
    add: ({ elements, structure }, program) => {
      living.set(structure, [...of(structure), { program, elements }])
    },
    remove: ({ structure }, program) => {
      const others = of(structure).filter((one) => one.program !== program)
      if (others.length === 0) living.delete(structure)
      else living.set(structure, others)
    },
    find: ({ elements, structure }) => of(structure).find((one) => one.elements() === elements())?.program
  }
}
