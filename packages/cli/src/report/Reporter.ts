/**
 * What a running command tells whoever watches: a progress bar in a terminal, plain lines elsewhere, one JSON object a
 * line for machines.
 */
import { Clock, Console, Context, Effect, Layer, Predicate, Ref, Stdio } from "effect"
import { TerminalCapabilities } from "effect/cli"
import { describeEngine, type EngineFields } from "./engine.ts"
import type { Progress } from "./progress.ts"
import { describe, showBatch, showDuration, showLoss } from "./progress.ts"
import { makeBars } from "./progressBars.ts"

/** What happens while a command runs. */
export type RunEvent =
  | ({
    readonly event: "start"
    /** The run folder. */
    readonly run: string
    readonly preset: string
    readonly data: string
    /** How many examples there are to train on, and what they are. */
    readonly examples: number
    readonly unit: "images" | "points"
    readonly parameters: number
    readonly batchSize: number
    /** Batches in a step. */
    readonly accumulate: number
    readonly steps: number
    /** The steps that were done before. */
    readonly from: number
  } & EngineFields)
  | {
    readonly event: "step"
    readonly progress: Progress
    readonly learningRate: number | undefined
    readonly gradientNorm: number
  }
  | { readonly event: "checkpoint"; readonly step: number; readonly path: string }
  | { readonly event: "preview"; readonly step: number; readonly path: string }
  /** The pictures that a network is trained on are read, so many of so many. */
  | { readonly event: "reading"; readonly done: number; readonly count: number }
  | {
    readonly event: "drawing"
    /** How many samples are drawn; those that are half denoised count as half. */
    readonly done: number
    readonly count: number
  }
  /** The network is asked for the terms of its bound, so many times of so many. */
  | { readonly event: "evaluatingBound"; readonly done: number; readonly count: number }
  /** The steps are done, and the held-out examples are looked at. */
  | { readonly event: "evaluating"; readonly examples: number }
  | { readonly event: "evaluation"; readonly step: number; readonly loss: number; readonly standardError: number }
  /** The run was told to stop, and ends as soon as the present step has. */
  | { readonly event: "stopping" }
  | {
    readonly event: "end"
    readonly reason: "finished" | "interrupted"
    readonly step: number
    readonly seconds: number
    readonly run: string
    /** The picture of the final samples; there is none after an interruption. */
    readonly samples?: string
    /** Why the last step could not be saved, if it could not. */
    readonly problem?: string
    /** What to type to go on from here. */
    readonly next: string
  }
  /** A picture was drawn, by itself and not in a training run. */
  | { readonly event: "drawn"; readonly count: number; readonly seconds: number; readonly path: string }
  /** Something is not as it should be, but the command can go on. */
  | { readonly event: "warning"; readonly message: string }
  | { readonly event: "error"; readonly message: string }

/**
 * The service.
 *
 * @example
 * yield* (yield* Reporter).report({ event: "checkpoint", step: 250, path })
 */
export class Reporter extends Context.Service<Reporter, {
  readonly report: (event: RunEvent) => Effect.Effect<void>
}>()("@effusion/cli/Reporter") {
  /** One JSON object a line, on standard output. */
  static readonly json: Layer.Layer<Reporter> = Layer.succeed(Reporter, {
    report: (event) =>
      isFrequent(event) && event.event !== "step" ? Effect.void : Console.log(JSON.stringify(toJson(event)))
  })

  /** Plain lines on standard output; of what goes on all the time, one line every five seconds. */
  static readonly lines: Layer.Layer<Reporter> = Layer.effect(
    Reporter,
    Effect.gen(function*() {
      const nextLineAt = yield* Ref.make<number | undefined>(undefined)
      const unit = yield* Ref.make("examples")
      const report = Effect.fnUntraced(function*(event: RunEvent) {
        if (event.event === "start") {
          yield* Ref.set(unit, event.unit)
          // Whatever was told before, the first step is told at once.
          yield* Ref.set(nextLineAt, undefined)
        }
        if (isFrequent(event)) {
          const now = yield* Clock.currentTimeMillis
          const next = yield* Ref.get(nextLineAt)
          // A first step is told at once; of drawing, which may be over soon, nothing is told for five seconds.
          const isDue = next === undefined ? event.event === "step" : now >= next || isLast(event)
          if (next === undefined || isDue) yield* Ref.set(nextLineAt, now + lineEvery)
          if (isDue) yield* Console.log(describeFrequent(event, yield* Ref.get(unit)))
          return
        }
        yield* Effect.forEach(describeEvent(event), (line) => Console.log(line), { discard: true })
      })
      return { report }
    })
  )

  /** A progress bar at the bottom of a terminal, with lines above it for what does not happen all the time. */
  static readonly bar = (stream: NodeJS.WritableStream): Layer.Layer<Reporter> =>
    Layer.effect(
      Reporter,
      Effect.map(
        Effect.acquireRelease(
          Effect.sync(() => makeBar(stream)),
          ({ stop }) => Effect.sync(stop)
        ),
        ({ show }) => ({ report: (event) => Effect.sync(() => show(event)) })
      )
    )

  /** JSON when asked for; else a bar where standard output is a terminal that can move its cursor, and lines elsewhere. */
  static layer(options: { readonly json: boolean }): Layer.Layer<Reporter, never, Stdio.Stdio> {
    if (options.json) return Reporter.json
    return Layer.unwrap(Effect.gen(function*() {
      const { canAnimate } = yield* TerminalCapabilities.TerminalCapabilities
      const stdio = yield* Stdio.Stdio
      return canAnimate && (yield* stdio.stdoutIsTerminal) ? Reporter.bar(process.stdout) : Reporter.lines
    }))
  }
}

const lineEvery = 5_000

/** What goes on beside the steps of a training run, and is done little by little. */
const activities = { reading: "reading pictures", drawing: "drawing", evaluatingBound: "evaluating" } as const

type Activity = keyof typeof activities

/** Events that happen many times a second. */
type FrequentEvent = Extract<RunEvent, { readonly event: "step" | Activity }>

const isFrequent = (event: RunEvent): event is FrequentEvent =>
  event.event === "step" || Object.hasOwn(activities, event.event)

/** The last step of a run is told in any case. */
const isLast = (event: FrequentEvent): boolean => event.event === "step" && event.progress.step >= event.progress.steps

const describeFrequent = (event: FrequentEvent, unit: string): string =>
  event.event === "step"
    ? describe(event.progress, unit)
    : `${activities[event.event]}, ${Math.floor(event.done)} of ${event.count} done`

/** A bar and what it shows; it lives as long as the layer. */
const makeBar = (stream: NodeJS.WritableStream) => {
  const bars = makeBars(stream)
  let bar: ReturnType<typeof bars.create> | undefined
  let position = 0
  let unit: string | undefined
  /** What the bar is about, before there are steps. */
  let activity: Activity | undefined
  /** What is left standing when the bar ends. */
  let lastStep: string | undefined
  const begin = (total: number, from: number, text: string) => {
    position = from
    if (bar === undefined) bar = bars.create(total, from, { text })
    else {
      bar.setTotal(total)
      bar.update(from, { text })
    }
    bars.update()
  }
  const stop = () => {
    if (bar === undefined) return
    if (lastStep !== undefined) bar.update(position, { text: lastStep })
    bars.update()
    bars.stop()
    bar = undefined
  }
  const show = (event: RunEvent): void => {
    if (isFrequent(event)) {
      const text = describeFrequent(event, unit ?? "examples")
      if (event.event === "step") {
        position = event.progress.step
        lastStep = text
      }
      // In a training run the bar shows the steps; what is drawn on the way is told beside it.
      if (event.event !== "step" && unit === undefined) {
        if (activity !== event.event) begin(event.count, 0, "")
        activity = event.event
        position = event.done
      }
      bar?.update(position, { text })
      return
    }
    if (event.event === "evaluating" && bar !== undefined) {
      bar.update(position, { text: `evaluating on ${count(event.examples)} examples` })
      bars.update()
    }
    if (event.event === "end" || event.event === "drawn" || event.event === "error") stop()
    for (const line of describeEvent(event)) {
      if (bar === undefined) stream.write(`${line}\n`)
      else bars.log(`${line}\n`)
    }
    if (event.event === "start") {
      unit = event.unit
      begin(event.steps, event.from, "preparing the engine")
    }
  }
  return { show, stop }
}

/**
 * Lines of text about an event that does not happen all the time. Errors are told elsewhere, on standard error.
 *
 * @example
 * describeEvent({ event: "preview", step: 250, path: "p.png" }) // => ["step 250: what the network draws so far: p.png"]
 */
export const describeEvent = (event: Exclude<RunEvent, FrequentEvent>): ReadonlyArray<string> => {
  switch (event.event) {
    case "start":
      return [
        `Training "${event.preset}": a network of ${count(event.parameters)} parameters on ${count(event.examples)} ` +
        `${event.unit}, ${count(event.steps)} steps of ${showBatch(event)}${
          event.from > 0 ? `, going on after step ${count(event.from)}` : ""
        }.`,
        `Computing with ${describeEngine(event)}.`,
        `Everything goes to ${event.run}. Ctrl-C saves and stops.`
      ]
    case "checkpoint":
    case "evaluating":
      return []
    case "preview":
      return [`step ${event.step}: what the network draws so far: ${event.path}`]
    case "evaluation":
      return [`loss on held-out data: ${showLoss(event.loss)} (standard error ${showLoss(event.standardError)})`]
    case "stopping":
      return ["Stopping after this step. Ctrl-C again ends at once, and loses what was done since the last checkpoint."]
    case "end":
      return [...describeEnd(event), `${event.reason === "finished" ? "For more" : "To go on"}: ${event.next}`]
    case "drawn":
      return [
        `${count(event.count)} ${event.count === 1 ? "sample" : "samples"} in ` +
        `${showDuration(Math.ceil(event.seconds))}: open ${event.path}`
      ]
    case "warning":
      return [`Warning: ${event.message}`]
    case "error":
      return []
  }
}

const describeEnd = (
  { problem, reason, samples, seconds, step }: Extract<RunEvent, { readonly event: "end" }>
): ReadonlyArray<string> => {
  if (reason === "finished") {
    return [
      `Done in ${showDuration(seconds)}.`,
      ...(samples === undefined ? [] : [`What the network draws: open ${samples}`])
    ]
  }
  if (problem !== undefined) return [`Stopped after step ${step}, which is not saved: ${problem}`]
  return [step === 0 ? "Stopped before the first step." : `Stopped after step ${step}; everything is saved.`]
}

const toJson = (event: RunEvent): { readonly [field: string]: unknown } => {
  if (event.event !== "step") return event
  const { progress: { examplesPerSecond, loss, secondsLeft, smoothedLoss, step, steps }, ...rest } = event
  return { ...rest, step, steps, loss, smoothedLoss, examplesPerSecond, secondsLeft }
}

const count = (value: number): string => value.toLocaleString("en-US")

/**
 * What an error says.
 *
 * @example
 * messageOf(new RangeError("too many")) // => "too many"
 */
export const messageOf = (error: unknown): string =>
  Predicate.hasProperty(error, "message") && typeof error.message === "string" && error.message !== ""
    ? error.message
    : String(error)
