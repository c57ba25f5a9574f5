/**
 * Times the same work in PyTorch and JAX, in turns with ours: ratios, peak memory, and the share of the roofline.
 */
import { Config, Console, Data, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { availableParallelism, cpus } from "node:os"
import { alternate, type Timing } from "./compare/alternate.ts"
import { commandOf, ownCommand, peerNames, pythonPeerNames } from "./compare/peers.ts"
import { works } from "./compare/protocol.ts"
import { bestOf, measureRoofline } from "./compare/roofline.ts"
import { predictionFlops, trainingFlops } from "./compare/stepFlops.ts"
import { batchOf, turns, workloadOf } from "./compare/works.ts"
import { type ConfigurationName, configurations } from "./shared/configurations.ts"
import { common, configurationsOf, engineOf, namesFlag } from "./shared/flags.ts"
import { median, round } from "./shared/measure.ts"
import { reportOf, type Row } from "./shared/report.ts"

const rooflineColumns = ["peer", "version", "sgemm_gflops", "convolution_gflops"] as const

const columns = [
  "config",
  "work",
  "peer",
  "median_ms",
  "min_ms",
  "ms_per_image",
  "ratio",
  "peak_rss_mib",
  "gflops",
  "roofline_percent"
] as const

/** There is nobody to compare with. */
class NoPeers extends Data.TaggedError("NoPeers")<{ readonly python: string }> {
  override get message() {
    return `no peer runs on "${this.python}": install PyTorch or JAX for a Python (pip install torch numpy jax), and name ` +
      "it by --python or EFFUSION_PYTHON"
  }
}

const pythonFlag = Flag.String("python").pipe(
  Flag.withFallbackConfig(Config.String("EFFUSION_PYTHON")),
  Flag.withDefault("python3"),
  Flag.withMetavar("file"),
  Flag.withDescription("The Python that has PyTorch or JAX; EFFUSION_PYTHON, or python3 on the path, unless given")
)

export const compare = Command.make("compare", {
  ...common,
  python: pythonFlag,
  peers: namesFlag("peers", peerNames, pythonPeerNames).pipe(
    Flag.withDescription(`Whom to compare with: ${peerNames.join(", ")}; those in Python unless given`)
  ),
  work: namesFlag("work", works).pipe(Flag.withDescription("training, sampling or both; both unless given")),
  ...turns
}, ({ block, config, ddimSteps, json, peers, python, rounds, work, ...flags }) =>
  Effect.gen(function*() {
    const choice = engineOf(flags)
    const threads = choice.threads ?? availableParallelism()
    const ours = ownCommand("effusion", choice)
    if (!json) {
      yield* Console.log(`${threads} threads each on ${cpus()[0]?.model}; turns of ${block} steps, ${rounds} each`)
    }
    const rooflines = yield* measureRoofline({ ours, peers, python, threads, repetitions: rounds })
    const present = peers.filter((name) => rooflines.some((roofline) => roofline.peers.includes(name)))
    if (present.length === 0) return yield* new NoPeers({ python })
    const roofline = reportOf(rooflineColumns, { json })
    yield* roofline.begin
    for (const { convolution, name, product, version } of rooflines) {
      const best = { sgemm_gflops: round(product), convolution_gflops: round(convolution) }
      yield* roofline.add({ peer: name, version, ...best })
    }

    const report = reportOf(columns, { json })
    yield* report.begin
    for (const name of configurationsOf(config)) {
      for (const each of work) {
        const batch = batchOf(flags.batch, name, each)
        const workload = yield* workloadOf(name, each, { batch, ddimSteps, threads })
        const cost = yield* costOf(name, each, batch, ddimSteps)
        const timings = yield* alternate(workload, {
          ours,
          peers: present.map((name) => commandOf(name, python)),
          rounds,
          block
        })
        for (const row of rowsOf(timings, cost, bestOf(rooflines))) {
          yield* report.add({ config: name, work: each, threads, batch, ...row })
        }
      }
    }
  })).pipe(Command.withDescription("The same work in PyTorch and JAX, in turns with ours: ratios, memory, roofline"))

/** The floating-point operations of a step, and how many steps an image takes. */
const costOf = (name: ConfigurationName, work: typeof works[number], batch: number, ddimSteps: number) => {
  const subject = { config: configurations[name].config, batch }
  return work === "training"
    ? Effect.map(trainingFlops(subject), (flops) => ({ flops, stepsAnImage: 1 / batch }))
    : Effect.map(predictionFlops(subject), (flops) => ({ flops, stepsAnImage: ddimSteps / batch }))
}

/** The first timing is ours: the others' ratio is their time over ours, so that above 1 we are faster. */
const rowsOf = (
  timings: ReadonlyArray<Timing>,
  { flops, stepsAnImage }: { readonly flops: number; readonly stepsAnImage: number },
  bestGflops: number
): ReadonlyArray<Row> => {
  const ours = median(timings[0]!.milliseconds)
  return timings.map(({ milliseconds, name, parameters, peakMemory, version }) => {
    const middle = median(milliseconds)
    const gflops = flops / middle / 1e6
    return {
      peer: name,
      version,
      parameters,
      steps: milliseconds.length,
      median_ms: round(middle),
      min_ms: round(Math.min(...milliseconds)),
      ms_per_image: round(middle * stepsAnImage, 2),
      ratio: round(middle / ours, 2),
      peak_rss_mib: peakMemory,
      gflops: round(gflops),
      roofline_percent: round(100 * gflops / bestGflops)
    }
  })
}
