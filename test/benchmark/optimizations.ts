/**
 * What each optimization of the onnx engine gives: the same work with it switched off and with all on, in turns.
 */
import { Optimizations } from "@effusion/core/engine/onnx"
import { Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { availableParallelism, cpus } from "node:os"
import { alternate, type Timing } from "./compare/alternate.ts"
import { ownCommand } from "./compare/peers.ts"
import { works } from "./compare/protocol.ts"
import { batchOf, turns, workloadOf } from "./compare/works.ts"
import { config, configurationsOf, json, namesFlag, threads as threadsFlag } from "./shared/flags.ts"
import { median, round } from "./shared/measure.ts"
import { reportOf, type Row } from "./shared/report.ts"

const columns = [
  "config",
  "work",
  "without",
  "median_ms",
  "ratio",
  "min_ratio",
  "peak_rss_mib",
  "all_median_ms",
  "all_peak_rss_mib"
] as const

/** Whoever is switched off: one by its name, or every one. */
const everyOne = "all"

const cases = [...Optimizations.names, everyOne] as const

const offOf = (name: typeof cases[number]): ReadonlyArray<Optimizations.Name> =>
  name === everyOne ? Optimizations.names : [name]

export const optimizations = Command.make(
  "optimizations",
  {
    config,
    json,
    threads: threadsFlag,
    work: namesFlag("work", works, ["training"]).pipe(
      Flag.withDescription("training, sampling or both, with a comma between them; training unless given")
    ),
    only: namesFlag("only", cases).pipe(
      Flag.withDescription(
        `Which to switch off, each by itself: some of ${cases.join(", ")}; each of them unless given`
      )
    ),
    ...turns
  },
  ({ batch: batchFlag, block, config, ddimSteps, json, only, rounds, threads: wished, work }) =>
    Effect.gen(function*() {
      const threads = Option.getOrElse(wished, availableParallelism)
      if (!json) {
        yield* Console.log(`${threads} threads each on ${cpus()[0]?.model}; turns of ${block} steps, ${rounds} each`)
      }
      const ours = ownCommand("all", { engine: "onnx" })
      const report = reportOf(columns, { json })
      yield* report.begin
      for (const name of configurationsOf(config)) {
        for (const each of work) {
          const batch = batchOf(batchFlag, name, each)
          const workload = yield* workloadOf(name, each, { batch, ddimSteps, threads })
          for (const without of only) {
            // Two at a time, so that a pair is near in time and small in memory.
            const peer = ownCommand(`without ${without}`, { engine: "onnx", without: offOf(without) })
            const [withAll, withOthers] = yield* alternate(workload, { ours, peers: [peer], rounds, block })
            yield* report.add({ config: name, work: each, threads, batch, without, ...rowOf(withAll!, withOthers!) })
          }
        }
      }
    })
).pipe(
  Command.withDescription("The same work without each optimization of onnx, in turns with all: ratios and memory")
)

/** A ratio above 1 is what the optimization saves. */
const rowOf = (withAll: Timing, withOthers: Timing): Row => {
  const least = ({ milliseconds }: Timing) => Math.min(...milliseconds)
  const [all, others] = [median(withAll.milliseconds), median(withOthers.milliseconds)]
  return {
    steps: withOthers.milliseconds.length,
    median_ms: round(others),
    min_ms: round(least(withOthers)),
    ratio: round(others / all, 3),
    min_ratio: round(least(withOthers) / least(withAll), 3),
    peak_rss_mib: withOthers.peakMemory,
    all_median_ms: round(all),
    all_min_ms: round(least(withAll)),
    all_peak_rss_mib: withAll.peakMemory
  }
}
