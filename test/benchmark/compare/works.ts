/**
 * The works that are done in turns, and the flags that say how.
 */
import { type Effect, Option } from "effect"
import { Flag } from "effect/cli"
import { samplingBatch, samplingSteps } from "../sampling.ts"
import { type ConfigurationName, configurations } from "../shared/configurations.ts"
import type { works } from "./protocol.ts"
import { samplingWorkload, trainingWorkload, type Workload } from "./workload.ts"

type Work = typeof works[number]

const count = (name: string, otherwise: number, description: string) =>
  Flag.Int(name).pipe(
    Flag.filter((value) => value >= 1, () => `--${name} is at least 1`),
    Flag.withDefault(otherwise),
    Flag.withDescription(description)
  )

/** The flags of commands that have processes take turns. */
export const turns = {
  rounds: count("rounds", 6, "How often each has its turn"),
  block: count("block", 5, "Steps of a turn"),
  batch: Flag.Int("batch").pipe(Flag.optional, Flag.withDescription("Images a step, in place of the usual number")),
  ddimSteps: count("ddim-steps", samplingSteps, "DDIM steps of a sample")
}

/** Images a step. */
export const batchOf = (flag: Option.Option<number>, name: ConfigurationName, work: Work): number =>
  Option.getOrElse(flag, () => work === "training" ? configurations[name].batch : samplingBatch)

/** What a process is to do. */
export const workloadOf = (
  name: ConfigurationName,
  work: Work,
  { batch, ddimSteps, threads }: { readonly batch: number; readonly ddimSteps: number; readonly threads: number }
): Effect.Effect<Workload> => {
  const subject = { config: configurations[name].config, batch }
  return work === "training" ? trainingWorkload(subject, threads) : samplingWorkload(subject, ddimSteps, threads)
}
