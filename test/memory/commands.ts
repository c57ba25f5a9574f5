/**
 * Everything that one can do to an engine, with scopes opening and closing and fibers being interrupted, as commands.
 */
import { assert } from "@effect/vitest"
import type { EngineMemory } from "@effusion/core/engine"
import { Cause, Effect, Exit, Fiber, Scope } from "effect"
import * as fc from "fast-check"
import {
  checkMemory,
  command,
  compile,
  fails,
  failsAsClosed,
  failsToFit,
  type OpenEngine,
  pick,
  type Started
} from "./Command.ts"
import * as Model from "./model.ts"
import { turns } from "./turns.ts"

const fork = (choice: number) =>
  command(`fork scope ${choice}`, "scopes", ({ scopes }, real) => {
    const parent = pick(choice, scopes)
    scopes.push({ parent, open: scopes[parent]!.open })
    return Effect.map(Scope.fork(real.scopes[parent]!), (scope) => void real.scopes.push(scope))
  })

// The outermost scope stays open to the end, or nothing more would happen.
const close = (choice: number) => ({
  ...command(`close scope ${choice}`, "scopes", (model, real) => {
    const scope = 1 + choice % (model.scopes.length - 1)
    Model.close(model, scope)
    return Scope.close(real.scopes[scope]!, Exit.void)
  }),
  check: ({ scopes }: Model.Model) => scopes.length > 1
})

// A scope that is closed already takes nothing: what is made in it is released at once.
const compileIn = (choice: number, size: number) =>
  command(`compile ${size} in scope ${choice}`, "scopes", (model, real) => {
    const scope = pick(choice, model.scopes)
    model.programs.push({ size, engine: model.engine, scope })
    return compile(real.engine, size).pipe(
      Scope.provide(real.scopes[scope]!),
      Effect.map((executable) => void real.programs.push(executable))
    )
  })

const compileWrong = command("compile what throws", "scopes", (_, real) => {
  const broken = {
    ...Model.runningSum(1),
    apply: () => {
      throw new Error("on purpose")
    }
  }
  return fails(Effect.scoped(real.engine.service.compile(broken)), ["InvalidProgram"], /on purpose/)
})

const start = (choice: number, scopeChoice: number, numbers: ReadonlyArray<number>) =>
  command(`start program ${choice} in scope ${scopeChoice}`, "programs", (model, real) => {
    const program = pick(choice, model.programs)
    const scope = pick(scopeChoice, model.scopes)
    const state = { sum: numbers.slice(0, model.programs[program]!.size), steps: 0 }
    const started = Scope.provide(real.programs[program]!.start(Model.stateOf(state)), real.scopes[scope]!)
    if (!Model.programIsOpen(model, program)) return failsAsClosed(started)
    model.instances.push({ program, scope, failed: false, state })
    return Effect.map(started, (instance) => void real.instances.push(instance))
  })

const startWrong = (choice: number) =>
  command(`start program ${choice} from a state that does not fit`, "programs", (model, real) => {
    const program = pick(choice, model.programs)
    const wrong = Model.stateOf({ sum: Array.from({ length: model.programs[program]!.size + 1 }, () => 0), steps: 0 })
    return failsToFit(Effect.scoped(real.programs[program]!.start(wrong)), Model.programIsOpen(model, program))
  })

/** Something that one can do to an instance, as long as it is usable; otherwise it must say why not. */
const use = (
  name: string,
  choice: number,
  perform: (instance: Started, model: Model.InstanceModel, size: number) => Effect.Effect<void, UseError>
) =>
  command(`${name} instance ${choice}`, "instances", (model, real) => {
    const instance = pick(choice, model.instances)
    const one = model.instances[instance]!
    const before = { ...one }
    const used = perform(real.instances[instance]!, one, one.state.sum.length)
    if (Model.isUsable(model, instance)) return used
    return Effect.map(failsAsClosed(used), () => void Object.assign(one, before))
  })

type UseError = Effect.Error<ReturnType<Started["step"]>>

/** One step, whose output must be that of the model. */
const stepOnce = Effect.fnUntraced(
  function*(instance: Started, model: Model.InstanceModel, numbers: ReadonlyArray<number>) {
    const size = model.state.sum.length
    const at = model.state.steps % size
    const output = yield* instance.step(Model.inputOf(numbers.slice(0, size), at))
    model.state = Model.afterStep(model.state, numbers)
    assert.deepStrictEqual(Array.from(output.picked.data), [model.state.sum[at]!])
    assert.deepStrictEqual(Array.from(output.steps.data), [model.state.steps])
  }
)

const step = (choice: number, numbers: ReadonlyArray<number>) =>
  use("step", choice, (instance, model) => stepOnce(instance, model, numbers))

/** Each step gives its state to the next: however many there are, one state is held. */
const donate = (choice: number, steps: number, numbers: ReadonlyArray<number>) =>
  command(`step ${steps} times instance ${choice}`, "instances", (model, real) => {
    const instance = pick(choice, model.instances)
    const one = model.instances[instance]!
    if (!Model.isUsable(model, instance)) return Effect.void
    return Effect.gen(function*() {
      for (let step = 0; step < steps; step++) {
        yield* stepOnce(real.instances[instance]!, one, numbers)
        yield* checkMemory(model, real)
      }
    })
  })

/** Steps that are asked for at once run in that order. */
const stepTogether = (choice: number, steps: number, numbers: ReadonlyArray<number>) =>
  use(`step ${steps} times at once`, choice, (instance, model, size) => {
    const states = [model.state]
    for (let step = 0; step < steps; step++) states.push(Model.afterStep(states[step]!, numbers))
    model.state = states[steps]!
    return Effect.map(
      Effect.all(
        Array.from({ length: steps }, () => instance.step(Model.inputOf(numbers.slice(0, size), 0))),
        { concurrency: "unbounded" }
      ),
      (outputs) =>
        assert.deepStrictEqual(outputs.map(({ picked }) => picked.data[0]), states.slice(1).map(({ sum }) => sum[0]))
    )
  })

const stepWrong = (choice: number) =>
  command(`step with what does not fit instance ${choice}`, "instances", (model, real) => {
    const instance = pick(choice, model.instances)
    const { sum } = model.instances[instance]!.state
    const wrong = Model.inputOf([...sum, 0], 0)
    return failsToFit(real.instances[instance]!.step(wrong), Model.isUsable(model, instance))
  })

/** A step that fails while it runs ends its instance, which is held until its scope closes. */
const stepFailing = (choice: number, numbers: ReadonlyArray<number>) =>
  command(`step with an index out of range instance ${choice}`, "instances", (model, real) => {
    const instance = pick(choice, model.instances)
    const one = model.instances[instance]!
    const size = one.state.sum.length
    const failing = real.instances[instance]!.step(Model.inputOf(numbers.slice(0, size), size))
    if (!Model.isUsable(model, instance)) return failsAsClosed(failing)
    one.failed = true
    return fails(failing, ["ExecutionFailed"])
  })

const read = (choice: number) =>
  use(
    "read",
    choice,
    (instance, model) => Effect.map(instance.read, (state) => assert.deepStrictEqual(Model.sumOf(state), model.state))
  )

const write = (choice: number, numbers: ReadonlyArray<number>, steps: number) =>
  use("write", choice, (instance, model, size) => {
    const state = { sum: numbers.slice(0, size), steps }
    return Effect.map(instance.write(Model.stateOf(state)), () => {
      model.state = state
    })
  })

const writeWrong = (choice: number) =>
  command(`write what does not fit into instance ${choice}`, "instances", (model, real) => {
    const instance = pick(choice, model.instances)
    const wrong = Model.stateOf({ sum: [...model.instances[instance]!.state.sum, 0], steps: 0 })
    return failsToFit(real.instances[instance]!.write(wrong), Model.isUsable(model, instance))
  })

/** Begins something, interrupts it after some turns of the event loop, and gives how it ended. */
const interrupted = Effect.fnUntraced(function*<A, E>(effect: Effect.Effect<A, E>, after: number) {
  const fiber = yield* Effect.forkDetach(effect, { startImmediately: true })
  yield* turns(after)
  yield* Fiber.interrupt(fiber)
  const exit = yield* Fiber.await(fiber)
  if (Exit.isFailure(exit)) assert.isFalse(Cause.hasDies(exit.cause), Cause.pretty(exit.cause))
  return exit
})

/** An interrupted step was made or was not begun; the state says which, and goes on. */
const interruptStep = (choice: number, after: number, numbers: ReadonlyArray<number>) =>
  use(`interrupt after ${after} turns a step of`, choice, (instance, model, size) =>
    Effect.gen(function*() {
      const exit = yield* interrupted(instance.step(Model.inputOf(numbers.slice(0, size), 0)), after)
      const state = Model.sumOf(yield* instance.read)
      const made = state.steps > model.state.steps
      assert(made || Exit.isFailure(exit), "the step succeeded, and was not made")
      if (made) model.state = Model.afterStep(model.state, numbers)
      assert.deepStrictEqual(state, model.state)
    }))

/** Whatever an interrupted acquisition has come to, its scope has it or it is gone. */
const interruptCompile = (after: number, size: number) =>
  command(
    `interrupt after ${after} turns a compilation`,
    "scopes",
    (_, real) => Effect.asVoid(interrupted(Effect.scoped(compile(real.engine, size)), after))
  )

const interruptStart = (choice: number, after: number) =>
  command(`interrupt after ${after} turns a start of program ${choice}`, "programs", (model, real) => {
    const program = pick(choice, model.programs)
    const sum = Array.from({ length: model.programs[program]!.size }, () => 1)
    const started = real.programs[program]!.start(Model.stateOf({ sum, steps: 0 }))
    return Effect.gen(function*() {
      const scope = yield* Scope.make()
      const exit = yield* interrupted(Scope.provide(started, scope), after)
      if (Exit.isSuccess(exit)) {
        assert.deepStrictEqual(Model.sumOf(yield* exit.value.read), { sum, steps: 0 })
      }
      yield* Scope.close(scope, exit)
    })
  })

const nothing: EngineMemory = { executables: 0, instances: 0, tensors: 0, bytes: 0 }

/** Closes the engine while programs and states are in it and steps are under way, and opens another. */
const reopen = (open: Effect.Effect<OpenEngine, unknown>, numbers: ReadonlyArray<number>) => ({
  ...command("close the engine, and open another", "scopes", (model, real) =>
    Effect.gen(function*() {
      const { engine } = real
      const underWay = yield* Effect.forEach(
        real.instances,
        (instance, i) =>
          Effect.forkDetach(
            instance.step(Model.inputOf(numbers.slice(0, model.instances[i]!.state.sum.length), 0)),
            { startImmediately: true }
          )
      )
      yield* engine.close
      for (const exit of yield* Effect.forEach(underWay, Fiber.await)) {
        if (Exit.isFailure(exit)) yield* failsAsClosed(exit)
      }
      assert.deepStrictEqual(yield* engine.service.memory, nothing)
      yield* fails(Effect.scoped(compile(engine, 1)), ["CompilationFailed"], /closed/)
      model.engine += 1
      real.before = nothing
      real.engine = yield* open
    })),
  // An engine takes a while to open.
  check: ({ engine }: Model.Model) => engine < 2
})

/** Numbers whose sums are exact in float32. */
const number = fc.integer({ min: -4096, max: 4096 }).map((n) => n / 8)
const largest = 4
const numbers = fc.array(number, { minLength: largest, maxLength: largest })
const size = fc.integer({ min: 1, max: largest })
const choice = fc.nat(20)
const after = fc.nat(12)

/** What the commands of an engine depend on. */
export interface CommandOptions {
  /** Whether a step with an index out of range fails, and so can be used to see steps fail. */
  readonly checksIndices: boolean
  /** How to open another engine; unless given, the engine stays open. */
  readonly open?: Effect.Effect<OpenEngine, unknown>
}

/** Sequences of commands. */
export const commands = ({ checksIndices, open }: CommandOptions) =>
  fc.commands([
    choice.map(fork),
    choice.map(close),
    fc.tuple(choice, size).map((some) => compileIn(...some)),
    fc.constant(compileWrong),
    fc.tuple(choice, choice, numbers).map((some) => start(...some)),
    choice.map(startWrong),
    fc.tuple(choice, numbers).map((some) => step(...some)),
    fc.tuple(choice, fc.integer({ min: 2, max: 20 }), numbers).map((some) => donate(...some)),
    fc.tuple(choice, fc.integer({ min: 2, max: 5 }), numbers).map((some) => stepTogether(...some)),
    choice.map(stepWrong),
    ...(checksIndices ? [fc.tuple(choice, numbers).map((some) => stepFailing(...some))] : []),
    choice.map(read),
    fc.tuple(choice, numbers, fc.nat(1000)).map((some) => write(...some)),
    choice.map(writeWrong),
    fc.tuple(choice, after, numbers).map((some) => interruptStep(...some)),
    fc.tuple(after, size).map((some) => interruptCompile(...some)),
    fc.tuple(choice, after).map((some) => interruptStart(...some)),
    ...(open === undefined ? [] : [numbers.map((some) => reopen(open, some))])
  ], { size: "+1" })
