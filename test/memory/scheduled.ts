/**
 * An engine whose every answer comes when a scheduler of fast-check says so, and a world that stands still in between: the
 * order in which fibers meet is then a value that is generated, shrunk and replayed.
 */
import { Engine, type Executable, type Instance, type Program, type Tensors } from "@effusion/core/engine"
import { Effect, Fiber, type Scope } from "effect"
import type * as fc from "fast-check"
import { turns } from "./turns.ts"

/** Where fibers wait for the scheduler. */
export interface Gates {
  /** Waits until the scheduler lets this fiber go on. */
  readonly pass: (label: string) => Effect.Effect<void>
  /** Waits for the scheduler, does something that the scheduler waits for, and waits again. */
  readonly through: <A, E, R>(label: string, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** The same for what is released when a scope closes: the release waits for the scheduler, and it for the release. */
  readonly acquire: <A, E, R>(
    label: string,
    effect: Effect.Effect<A, E, R | Scope.Scope>
  ) => Effect.Effect<A, E, R | Scope.Scope>
  /**
   * Runs a program to its end: lets one fiber go on at a time, when no other can go on without it. Fails when all wait
   * for each other.
   */
  readonly drive: <A, E, R>(program: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** So many turns of the event loop without news are taken for quiet, and so many for the end of all news. */
const [quiet, silence] = [3, 100]

export const gatesOf = (scheduler: fc.Scheduler): Gates => {
  let atWork = 0
  const pass = (label: string) => Effect.promise(() => scheduler.schedule(Promise.resolve(), label))
  const settle = Effect.fnUntraced(function*(count: number) {
    for (let still = 0; still < count;) {
      yield* turns(1)
      still = atWork === 0 ? still + 1 : 0
    }
  })
  const through: Gates["through"] = (label, effect) =>
    Effect.andThen(
      pass(`ask to ${label}`),
      Effect.uninterruptible(
        Effect.acquireUseRelease(
          Effect.sync(() => void atWork++),
          () => effect,
          () => Effect.sync(() => void atWork--)
        ).pipe(Effect.tap(pass(`answer to ${label}`)))
      )
    )
  return {
    pass,
    through,
    acquire: (label, effect) =>
      through(
        label,
        Effect.gen(function*() {
          let releasing = false
          // Finalizers run from the last to the first: the release is between these two.
          yield* Effect.addFinalizer(() =>
            Effect.sync(() => {
              if (releasing) atWork--
            })
          )
          const acquired = yield* effect
          yield* Effect.addFinalizer(() =>
            Effect.andThen(
              pass(`release what was made by ${label}`),
              Effect.sync(() => {
                releasing = true
                atWork++
              })
            )
          )
          return acquired
        })
      ),
    drive: Effect.fnUntraced(function*(program) {
      const fiber = yield* Effect.forkChild(program)
      const hasEnded = () => fiber.pollUnsafe() !== undefined
      while (!hasEnded()) {
        yield* settle(quiet)
        if (!hasEnded() && scheduler.count() === 0) yield* settle(silence)
        if (hasEnded()) break
        if (scheduler.count() === 0) return yield* Effect.die(new Error("a deadlock: every fiber waits for another"))
        yield* Effect.promise(() => scheduler.waitNext(1))
      }
      return yield* Fiber.join(fiber)
    })
  }
}

/**
 * An engine behind gates. As with the engine itself, what has been asked for can no longer be interrupted.
 */
export const scheduledEngine = (engine: Engine["Service"], { acquire, through }: Gates): Engine["Service"] =>
  Engine.of({
    ...engine,
    compile: <S extends Tensors, I extends Tensors, O extends Tensors>(program: Program<S, I, O>) => {
      const name = /^\w+/.exec(program.name)![0]
      const scheduledInstance = (instance: Instance<S, I, O>): Instance<S, I, O> => ({
        step: (input) => through(`step ${name}`, instance.step(input)),
        read: through(`read ${name}`, instance.read),
        write: (state) => through(`write ${name}`, instance.write(state))
      })
      return Effect.map(
        acquire(`compile ${name}`, engine.compile(program)),
        (executable): Executable<S, I, O> => ({
          ...executable,
          start: (state) => Effect.map(acquire(`start ${name}`, executable.start(state)), scheduledInstance)
        })
      )
    }
  })
