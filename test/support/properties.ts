/**
 * Properties whose predicates are Effects.
 */
import { Effect } from "effect"
import type { Context, Scope } from "effect"
import * as fc from "fast-check"

/**
 * Checks that a predicate succeeds for every value of an arbitrary. Each value is tried in a scope of its own, which is
 * closed afterwards.
 */
export const forAll = <A, E, R>(
  arbitrary: fc.Arbitrary<A>,
  predicate: (value: A) => Effect.Effect<void, E, R>,
  parameters: fc.Parameters<[A]> = {}
): Effect.Effect<void, never, Exclude<R, Scope.Scope>> =>
  Effect.contextWith((context: Context.Context<Exclude<R, Scope.Scope>>) =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(arbitrary, (value) => Effect.runPromiseWith(context)(Effect.scoped(predicate(value)))),
        parameters
      )
    )
  )
