/** Any sequence of compilations, starts, steps, reads, writes and closings, against a model in plain JavaScript. */
import { assert, layer } from "@effect/vitest"
import type { EngineMemory } from "@effusion/core/engine"
import { Effect, Exit, Scope } from "effect"
import * as fc from "fast-check"
import type { Runtime } from "../../../../packages/core/src/engine/onnx/internal/Runtime.ts"
import {
  accumulate,
  copyingWorker,
  elementsOf,
  f32,
  i32,
  nothingHeld,
  runtimeLayer,
  tensor,
  TestRuntime,
  x
} from "./models.ts"

interface ProgramModel {
  open: boolean
}

interface InstanceModel {
  readonly program: number
  open: boolean
  sum: ReadonlyArray<number>
  count: number
  unused: ReadonlyArray<number>
}

/** What should be there. */
interface Model {
  readonly programs: Array<ProgramModel>
  readonly instances: Array<InstanceModel>
}

type Executable = Effect.Success<ReturnType<Runtime["compileModel"]>>
type Instance = Effect.Success<ReturnType<Executable["start"]>>

/** What is there: values with the scopes that they live in. */
interface Real {
  readonly runtime: Runtime
  readonly programs: Array<{ readonly executable: Executable; readonly scope: Scope.Closeable }>
  readonly instances: Array<{ readonly instance: Instance; readonly scope: Scope.Closeable }>
}

const stateOf = ({ count, sum, unused }: Pick<InstanceModel, "sum" | "count" | "unused">) => ({
  sum: tensor(f32(3), sum),
  count: tensor(i32(), [count]),
  unused: tensor(f32(2), unused)
})

const memoryOf = ({ instances, programs }: Model): EngineMemory => {
  const open = instances.filter((instance) => instance.open).length
  return {
    executables: programs.filter(({ open }) => open).length,
    instances: open,
    tensors: 3 * open,
    bytes: 24 * open
  }
}

/** Something that one can do, chosen by number among what there is at that time. */
abstract class Command implements fc.AsyncCommand<Model, Real> {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
  abstract check(model: Readonly<Model>): boolean
  abstract perform(model: Model, real: Real): Effect.Effect<void, unknown>
  run(model: Model, real: Real): Promise<void> {
    return Effect.runPromise(
      this.perform(model, real).pipe(
        Effect.andThen(real.runtime.memory),
        Effect.map((memory) => assert.deepStrictEqual(memory, memoryOf(model)))
      )
    )
  }
  toString(): string {
    return this.name
  }
}

class Compile extends Command {
  check = () => true
  perform = Effect.fnUntraced(function*(model: Model, { programs, runtime }: Real) {
    const scope = yield* Scope.make()
    programs.push({ executable: yield* Scope.provide(runtime.compileModel(accumulate), scope), scope })
    model.programs.push({ open: true })
  })
}

class Start extends Command {
  readonly choice: number
  readonly state: Pick<InstanceModel, "sum" | "count" | "unused">
  constructor(choice: number, state: Start["state"]) {
    super(`start(${choice}, ${JSON.stringify(state)})`)
    this.choice = choice
    this.state = state
  }
  check = ({ programs }: Model) => programs.length > 0
  perform = (model: Model, real: Real) => start(model, real, this.choice % model.programs.length, this.state)
}

const start = Effect.fnUntraced(
  function*(model: Model, real: Real, program: number, state: Start["state"]) {
    const scope = yield* Scope.make()
    const exit = yield* Effect.exit(Scope.provide(real.programs[program]!.executable.start(stateOf(state)), scope))
    assert.strictEqual(Exit.isSuccess(exit), model.programs[program]!.open)
    if (Exit.isFailure(exit)) return
    real.instances.push({ instance: exit.value, scope })
    model.instances.push({ program, open: true, ...state })
  }
)

/** A command on one of the instances: it succeeds as long as the instance and its program are open. */
class OnInstance extends Command {
  readonly choice: number
  readonly use: (model: InstanceModel, instance: Instance) => Effect.Effect<void, unknown>
  constructor(name: string, choice: number, use: OnInstance["use"]) {
    super(`${name}(${choice})`)
    this.choice = choice
    this.use = use
  }
  check = ({ instances }: Model) => instances.length > 0
  perform = Effect.fnUntraced(function*(this: OnInstance, model: Model, real: Real) {
    const choice = this.choice % model.instances.length
    const instanceModel = model.instances[choice]!
    const usable = instanceModel.open && model.programs[instanceModel.program]!.open
    const before = { ...instanceModel }
    const exit = yield* Effect.exit(this.use(instanceModel, real.instances[choice]!.instance))
    assert.strictEqual(Exit.isSuccess(exit), usable)
    if (!usable) Object.assign(instanceModel, before)
  })
}

class Close extends Command {
  readonly what: "programs" | "instances"
  readonly choice: number
  constructor(what: Close["what"], choice: number) {
    super(`close(${what}, ${choice})`)
    this.what = what
    this.choice = choice
  }
  check = (model: Model) => model[this.what].length > 0
  perform = (model: Model, real: Real) => {
    const choice = this.choice % model[this.what].length
    model[this.what][choice]!.open = false
    return Scope.close(real[this.what][choice]!.scope, Exit.void)
  }
}

/** Numbers whose sums are exact in float32. */
const number = fc.integer({ min: -4096, max: 4096 }).map((n) => n / 8)
const three = fc.array(number, { minLength: 3, maxLength: 3 })
const two = fc.array(number, { minLength: 2, maxLength: 2 })
const state = fc.record({ sum: three, count: fc.nat(1000), unused: two })
const choice = fc.nat(20)

const commands = [
  fc.constant(new Compile("compile")),
  fc.tuple(choice, state).map(([choice, state]) => new Start(choice, state)),
  fc.tuple(choice, three).map(([choice, addend]) =>
    new OnInstance(
      `step [${addend.join()}]`,
      choice,
      (model, instance) =>
        Effect.map(instance.step(x(...addend)), (output) => {
          model.sum = model.sum.map((element, i) => element + addend[i]!)
          model.count += 1
          assert.deepStrictEqual(elementsOf(output), { doubled: model.sum.map((element) => 2 * element) })
        })
    )
  ),
  choice.map((choice) =>
    new OnInstance(
      "read",
      choice,
      (model, instance) =>
        Effect.map(instance.read, (state) => assert.deepStrictEqual(elementsOf(state), elementsOf(stateOf(model))))
    )
  ),
  fc.tuple(choice, state).map(([choice, state]) =>
    new OnInstance(
      `write ${JSON.stringify(state)}`,
      choice,
      (model, instance) => Effect.map(instance.write(stateOf(state)), () => void Object.assign(model, state))
    )
  ),
  fc.tuple(fc.constantFrom("programs" as const, "instances" as const), choice).map((close) => new Close(...close))
]

const property = (runtime: Runtime) =>
  fc.asyncProperty(fc.commands(commands, { size: "+1" }), async (commands) => {
    const model: Model = { programs: [], instances: [] }
    const real: Real = { runtime, programs: [], instances: [] }
    try {
      await fc.asyncModelRun(() => ({ model, real }), commands)
    } finally {
      const scopes = [...real.instances, ...real.programs].map(({ scope }) => Scope.close(scope, Exit.void))
      await Effect.runPromise(Effect.all(scopes))
    }
    assert.deepStrictEqual(await Effect.runPromise(runtime.memory), nothingHeld)
  })

const workers = [
  ["as the engine runs it", runtimeLayer({ threads: 1 })],
  ["by its public interface alone", runtimeLayer({ threads: 1, worker: copyingWorker })]
] as const

for (const [how, runtime] of workers) {
  layer(runtime)(`ONNX Runtime, ${how}, given any sequence of commands`, (it) => {
    it.effect("does what a plain model of states does, and holds what the model holds", () =>
      Effect.gen(function*() {
        const holds = property(yield* TestRuntime)
        yield* Effect.promise(() => fc.assert(holds))
      }))
  })
}
