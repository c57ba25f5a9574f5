/**
 * The process: arguments in, exit code out, and the signals that end it.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Stdio } from "effect"
import { run } from "./cli.ts"

/** Runs the command line of this process, with the arguments that it was given. */
export const runMain = (): void =>
  runUntilSignal(Effect.flatMap(Stdio.Stdio.use(({ args }) => args), run).pipe(Effect.provide(NodeServices.layer)))

/**
 * Runs an effect as the whole of this process. Its failures are its own to report.
 *
 * The first SIGINT or SIGTERM interrupts it, so that it can end in order: a training run saves a checkpoint. The second
 * one ends the process at once.
 *
 * @example
 * runUntilSignal(Effect.onInterrupt(work, () => save))
 */
export const runUntilSignal = <A, E>(effect: Effect.Effect<A, E>): void => {
  endOnSecondSignal()
  NodeRuntime.runMain(effect, { disableErrorReporting: true })
}

/**
 * `npm run` passes on a Ctrl-C that the terminal has sent to this process already, so what comes this soon after a signal
 * is the same signal again.
 */
const echoMilliseconds = 700

const endOnSecondSignal = (): void => {
  let firstAt: number | undefined
  const onSignal = (): void => {
    const now = performance.now()
    if (firstAt === undefined) firstAt = now
    else if (now - firstAt > echoMilliseconds) process.exit(130)
  }
  process.on("SIGINT", onSignal)
  process.on("SIGTERM", onSignal)
}
