/**
 * Times the same work in PyTorch and JAX, in turns with ours: ratios, peak memory, and the share of the roofline.
 */
import { Config, Console, Data, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { availableParallelism, cpus } from "node:os"
import { alternate, type Timing } from "./compare/alternate.ts"
import { ownCommand, peerNames, pythonPeerNames } from "./compare/peers.ts"
import { works } from "./compare/protocol.ts"
import { bestOf, measureRoofline } from "./compare/roofline.ts"
import { predictionFlops, trainingFlops } from "./compare/stepFlops.ts"
import { samplingWorkload, trainingWorkload } from "./compare/workload.ts"
import { samplingBatch, samplingSteps } from "./sampling.ts"
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

const count = (name: string, otherwise: number, description: string) =>
  Flag.Int(name).pipe(
    Flag.filter((value) => value >= 1, () => `--${name} is at least 1`),
    Flag.withDefault(otherwise),
    Flag.withDescription(description)
  )

export const compare = Command.make("compare", {
  ...common,
  python: pythonFlag,
  peers: namesFlag("peers", peerNames, pythonPeerNames).pipe(
    Flag.withDescription(`Whom to compare with: ${peerNames.join(", ")}; those in Python unless given`)
  ),
  work: namesFlag("work", works).pipe(Flag.withDescription("training, sampling or both; both unless given")),
  rounds: count("rounds", 6, "How often each has its turn"),
  block: count("block", 5, "Steps of a turn"),
  batch: Flag.Int("batch").pipe(Flag.optional, Flag.withDescription("Images a step, in place of the usual number")),
  ddimSteps: count("ddim-steps", samplingSteps, "DDIM steps of a sample")
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
        const batch = Option.getOrElse(flags.batch, () =>
          each === "training" ? configurations[name].batch : samplingBatch)
        const job = yield* jobOf(name, each, { batch, ddimSteps, threads })
        const timings = yield* alternate(job.workload, { ours, peers: present, python, rounds, block })
        for (const row of rowsOf(timings, job, bestOf(rooflines))) {
          yield* report.add({ config: name, work: each, threads, batch, ...row })
        }
      }
    }
  })).pipe(Command.withDescription("The same work in PyTorch and JAX, in turns with ours: ratios, memory, roofline"))

/** A work, the floating-point operations of a step, and how many steps an image takes. */
const jobOf = Effect.fnUntraced(function*(
  name: ConfigurationName,
  work: typeof works[number],
  { batch, ddimSteps, threads }: { readonly batch: number; readonly ddimSteps: number; readonly threads: number }
) {
  const subject = { config: configurations[name].config, batch }
  return work === "training"
    ? {
      workload: yield* trainingWorkload(subject, threads),
      flops: yield* trainingFlops(subject),
      stepsAnImage: 1 / batch
    }
    : {
      workload: yield* samplingWorkload(subject, ddimSteps, threads),
      flops: yield* predictionFlops(subject),
      stepsAnImage: ddimSteps / batch
    }
})

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
