/**
 * The process of a peer that works on one of our own engines.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Console, Effect, Schema, Stdio, Stream } from "effect"
import { OwnVariant } from "../compare/protocol.ts"
import { readWorkload, type Workload } from "../compare/workload.ts"
import { engineLayer } from "../shared/engines.ts"
import { peakMemory, timed } from "../shared/measure.ts"
import { openRoofline, openSampling, openTraining } from "./ownWork.ts"

const messageOf = (cause: unknown): string => cause instanceof Error ? cause.message : String(cause)

const say = (message: object): Effect.Effect<void> => Console.log(JSON.stringify(message))

const open = ({ inputs, spec, weights }: Workload) => {
  switch (spec.work) {
    case "training":
      return openTraining(spec, weights, inputs)
    case "sampling":
      return openSampling(spec, weights, inputs)
    case "roofline":
      return openRoofline(spec)
  }
}

const serve = Effect.fnUntraced(function*(workload: Workload, engine: string) {
  const { check, parameters, step } = yield* open(workload)
  yield* say({ ready: `effusion, ${engine}`, parameters })
  const answer = Effect.fnUntraced(function*(line: string) {
    const [request, count] = line.split(" ")
    switch (request) {
      case "check":
        return yield* say({ values: yield* check })
      case "run": {
        const steps = Array.from({ length: Number(count) }, () => Effect.map(timed(step), (it) => it.milliseconds))
        return yield* say({ ms: yield* Effect.all(steps) })
      }
      case "memory":
        return yield* say({ peak_mib: yield* peakMemory })
      default:
        return yield* say({ error: `no such request: ${line}` })
    }
  })
  const { stdin } = yield* Stdio.Stdio
  yield* stdin.pipe(Stream.decodeText(), Stream.splitLines, Stream.runForEach(answer))
}, Effect.scoped)

const main = Effect.gen(function*() {
  const [folder = "", variant = ""] = yield* Stdio.Stdio.use(({ args }) => args)
  const choice = yield* Schema.decodeEffect(Schema.fromJsonString(OwnVariant))(variant)
  const workload = yield* readWorkload(folder)
  const { engine, mode } = choice
  yield* serve(workload, mode === undefined ? engine : `${engine} ${mode}`).pipe(
    Effect.provide(engineLayer({ ...choice, threads: workload.spec.threads }))
  )
})

/** Serves the work that the arguments of this process name. */
export const runMain = (): void =>
  main.pipe(
    Effect.tapCause((cause) => say({ error: messageOf(Cause.squash(cause)) })),
    Effect.provide(NodeServices.layer),
    (program) => NodeRuntime.runMain(program, { disableErrorReporting: true })
  )
