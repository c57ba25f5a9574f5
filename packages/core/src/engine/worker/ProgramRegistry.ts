/**
 * The compiled programs of a worker that others may share, by what they compute.
 */

/**
 * What tells a program from others: equal where both parts are equal. A part is asked for while another program lives that
 * may be the same, or when there is nothing else to do; it is the same each time.
 */
export interface Identity {
  readonly structure: () => string
  /** The part that takes longer; asked for where the structure is the same. */
  readonly elements: () => string
}

/** A program that lives in the worker, or will when the requests have been answered that were sent so far. */
export interface RegisteredProgram {
  readonly id: number
  /** The inputs that the lowered program uses. */
  readonly inputs: ReadonlyArray<string>
}

/** The programs that live. */
export interface ProgramRegistry {
  readonly add: (identity: Identity, program: RegisteredProgram) => void
  readonly remove: (program: RegisteredProgram) => void
  /** A program that is the same; undefined where none lives. */
  readonly find: (identity: Identity) => RegisteredProgram | undefined
}

export const makeProgramRegistry = (): ProgramRegistry => {
  const programs = new Map<RegisteredProgram, Identity>()
  return {
    add: (identity, program) => void programs.set(program, identity),
    remove: (program) => void programs.delete(program),
    find: (identity) => {
      for (const [program, other] of programs) {
        if (other.structure() === identity.structure() && other.elements() === identity.elements()) return program
      }
      return undefined
    }
  }
}
