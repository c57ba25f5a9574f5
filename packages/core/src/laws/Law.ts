/**
 * Laws: properties of a schedule, a loss, a sampler, ... as values.
 *
 * A law says one thing that must hold, where that comes from, and how to look for a case in which it does not. A suite is
 * the laws of one subject. Both are data: they can be listed, picked by name, run by a test runner or by a command.
 */
import { Effect, Predicate } from "effect"
import * as fc from "fast-check"
import type { EngineService } from "./internal/onEngine.ts"

/**
 * What is wrong in one case, in a sentence with the values that disagree; undefined where the law holds.
 *
 * @example
 * const violation: Laws.Violation = "at t = 3: alphaBar is 0.52 after 0.51"
 */
export type Violation = string | undefined

/** How to look for a case in which a law does not hold. */
export interface Search {
  /** The number of random cases to try; a law tries fewer where more would say nothing new. */
  readonly runs: number
  /** What the random cases come from: the same seed, the same cases. An integer of 32 bits. */
  readonly seed: number
  /** Goes straight to one case, as a former report named it. */
  readonly path?: string | undefined
}

/** A case in which a law does not hold, made as simple as could be found. */
export interface Counterexample {
  /** What was drawn, as text; empty where there was nothing to draw. */
  readonly input: string
  /** What is wrong with it. */
  readonly violation: string
  /** Leads to this case again, together with the seed. */
  readonly path: string
  /** How often it was made simpler. */
  readonly shrinks: number
}

/** What a search came to. */
export interface Outcome {
  readonly verdict: "holds" | "broken"
  /** How many cases were tried before it was decided. */
  readonly runs: number
  /** Present where the law is broken. */
  readonly counterexample?: Counterexample
}

/** Something that must hold. */
export interface Law {
  /** Names it in reports and commands: `schedule/alpha-bar-falls`. */
  readonly name: string
  /** What it says, with the tolerance that is part of it. */
  readonly sentence: string
  /** The paper and equation that it comes from, or the reasoning. */
  readonly source: string
  /** Looks for a case in which it does not hold. */
  readonly search: (search: Search) => Effect.Effect<Outcome>
}

/** The laws of one subject. */
export interface Suite {
  /** What they are laws of: `the schedule "cosine"`. */
  readonly subject: string
  readonly laws: ReadonlyArray<Law>
}

/** What defines a law over inputs of a type. */
export interface LawDefinition<Input> {
  readonly name: string
  readonly sentence: string
  readonly source: string
  /** The inputs that it holds for. */
  readonly inputs: fc.Arbitrary<Input>
  /** What is wrong in one case. What it throws or fails with is a violation too. */
  readonly violation: (input: Input) => Violation | Effect.Effect<Violation, unknown>
  /** The most cases that are worth their time, however many runs are asked for. Default: no bound. */
  readonly atMost?: number | undefined
  /** An input as text. */
  readonly show?: ((input: Input) => string) | undefined
}

/**
 * Makes a law.
 *
 * @example
 * const symmetric = Laws.law({
 *   name: "distance/symmetric",
 *   sentence: "the distance from a to b is that from b to a",
 *   source: "the definition of a metric",
 *   inputs: fc.tuple(fc.integer(), fc.integer()),
 *   violation: ([a, b]) => distance(a, b) === distance(b, a) ? undefined : `${distance(a, b)}, not ${distance(b, a)}`
 * })
 */
export const law = <Input>(definition: LawDefinition<Input>): Law => {
  const { atMost = Infinity, inputs, name, sentence, source } = definition
  return {
    name,
    sentence,
    source,
    search: ({ path, runs, seed }) =>
      Effect.map(
        runCheck(definition, inputs, {
          seed,
          numRuns: Math.max(1, Math.min(runs, atMost)),
          ...(path === undefined ? {} : { path })
        }),
        (details) => outcomeOf(definition, details)
      )
  }
}

/**
 * The laws of one subject, as one suite.
 *
 * @throws Error when two laws have one name: a mistake of the program
 * @example
 * const all = Laws.suite("my schedule and my loss", [...Laws.schedule(mine).laws, ...Laws.loss(ours).laws])
 */
export const suite = (subject: string, laws: ReadonlyArray<Law>): Suite => {
  const names = laws.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw new Error(`two laws of ${subject} have the name "${twice}"`)
  return { subject, laws }
}

/** A violation that fast-check is told of. */
class Broken extends Error {}

const runCheck = <Input>(
  { violation }: LawDefinition<Input>,
  inputs: fc.Arbitrary<Input>,
  parameters: fc.Parameters<[Input]>
): Effect.Effect<fc.RunDetails<[Input]>> =>
  Effect.contextWith((context) =>
    Effect.promise(() =>
      Promise.resolve(fc.check(
        fc.asyncProperty(inputs, async (input) => {
          const found = violation(input)
          const said = Effect.isEffect(found) ? await Effect.runPromiseWith(context)(found) : found
          if (said !== undefined) throw new Broken(said)
        }),
        parameters
      ))
    )
  )

const outcomeOf = <Input>(
  { show = fc.stringify }: LawDefinition<Input>,
  details: fc.RunDetails<[Input]>
): Outcome => {
  if (!details.failed) return { verdict: "holds", runs: details.numRuns }
  const { counterexample, counterexamplePath, errorInstance, numRuns, numShrinks } = details
  if (counterexample === null) {
    const violation = "no verdict: too few inputs meet the conditions of the law"
    return { verdict: "broken", runs: numRuns, counterexample: { input: "", violation, path: "", shrinks: 0 } }
  }
  const violation = errorInstance instanceof Broken ? errorInstance.message : `it fails: ${reasonOf(errorInstance)}`
  return {
    verdict: "broken",
    runs: numRuns,
    counterexample: { input: show(counterexample[0]), violation, path: counterexamplePath ?? "0", shrinks: numShrinks }
  }
}

const reasonOf = (error: unknown): string =>
  Predicate.hasProperty(error, "message") && typeof error.message === "string" && error.message !== ""
    ? error.message
    : String(error)

/** A suite of something that runs on an engine, before there is one. */
export interface SuiteOnEngine {
  readonly suiteOn: (engine: EngineService) => Suite
}

/**
 * A suite of something that runs on an engine, for a module that `effusion verify` reads: the command brings the engine.
 *
 * @example
 * export const myModel = Laws.onEngine((engine) => Laws.model(denoiser, { engine }))
 */
export const onEngine = (suiteOn: (engine: EngineService) => Suite): SuiteOnEngine => ({ suiteOn })
