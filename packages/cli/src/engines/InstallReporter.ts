/**
 * What the installation of an engine tells whoever watches: a progress bar in a terminal, plain lines elsewhere, one JSON
 * object a line for machines.
 */
import { Clock, Console, Context, Effect, Layer, Ref, Stdio } from "effect"
import { TerminalCapabilities } from "effect/cli"
import { makeBars } from "../report/progressBars.ts"

/** What happens while an engine is installed. */
export type InstallEvent =
  | {
    readonly event: "stage"
    readonly stage: StageName
    /** What is done, for people. */
    readonly text: string
    /** It is there from before, and is not done again. */
    readonly skipped: boolean
  }
  /** So many bytes of so many; the total is not always known. */
  | {
    readonly event: "progress"
    readonly stage: StageName
    readonly bytes: number
    readonly total: number | undefined
  }
  | {
    readonly event: "installed"
    readonly path: string
    readonly libtensorflow: string
    readonly package: string
    readonly gpu: boolean
    /** The very thing that was asked for is there from before, and works. */
    readonly before: boolean
    readonly seconds: number
  }
  | { readonly event: "warning"; readonly message: string }
  /** Why the installation ends; for machines, since the command itself says it to people. */
  | { readonly event: "error"; readonly message: string }

/** The stages of an installation, in their order. */
export type StageName = "download" | "libraries" | "package" | "addon" | "check"

/**
 * The service.
 *
 * @example
 * yield* (yield* InstallReporter).report({ event: "stage", stage: "addon", text: "compiling the addon", skipped: false })
 */
export class InstallReporter extends Context.Service<InstallReporter, {
  readonly report: (event: InstallEvent) => Effect.Effect<void>
}>()("@effusion/cli/InstallReporter") {
  /** One JSON object a line, on standard output; of progress, five a second. */
  static readonly json: Layer.Layer<InstallReporter> = Layer.effect(
    InstallReporter,
    Effect.map(every(200), (isDue) => ({
      report: (event) => Effect.flatMap(isDue(event), (due) => due ? Console.log(JSON.stringify(event)) : Effect.void)
    }))
  )

  /** Plain lines on standard output; of progress, one line every five seconds. */
  static readonly lines: Layer.Layer<InstallReporter> = Layer.effect(
    InstallReporter,
    Effect.map(every(5_000), (isDue) => ({
      report: (event) =>
        Effect.flatMap(
          isDue(event),
          (due) =>
            due ? Effect.forEach(describeInstall(event), (line) => Console.log(line), { discard: true }) : Effect.void
        )
    }))
  )

  /** A progress bar at the bottom of a terminal where something has a size, and lines above it. */
  static readonly bar = (stream: NodeJS.WritableStream): Layer.Layer<InstallReporter> =>
    Layer.effect(
      InstallReporter,
      Effect.map(
        Effect.acquireRelease(Effect.sync(() => makeBar(stream)), ({ stop }) => Effect.sync(stop)),
        ({ show }) => ({ report: (event) => Effect.sync(() => show(event)) })
      )
    )

  /** JSON when asked for; else a bar where standard output is a terminal that can move its cursor, and lines elsewhere. */
  static layer(options: { readonly json: boolean }): Layer.Layer<InstallReporter, never, Stdio.Stdio> {
    if (options.json) return InstallReporter.json
    return Layer.unwrap(Effect.gen(function*() {
      const { canAnimate } = yield* TerminalCapabilities.TerminalCapabilities
      const stdio = yield* Stdio.Stdio
      return canAnimate && (yield* stdio.stdoutIsTerminal) ? InstallReporter.bar(process.stdout) : InstallReporter.lines
    }))
  }
}

/** Whether an event is told: progress only when so many milliseconds have gone by, all else always. */
function every(milliseconds: number) {
  return Effect.map(Ref.make(Number.NEGATIVE_INFINITY), (last) => (event: InstallEvent) =>
    event.event === "progress"
      ? Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Ref.modify(last, (before) =>
          now - before >= milliseconds ? [true, now] as const : [false, before] as const))
      : event.event === "stage"
      ? Effect.as(
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Ref.set(last, now)),
        true
      )
      : Effect.succeed(true))
}

/** A bar and what it shows; it lives as long as the layer. */
const makeBar = (stream: NodeJS.WritableStream) => {
  const bars = makeBars(stream)
  let bar: ReturnType<typeof bars.create> | undefined
  const stop = () => {
    if (bar === undefined) return
    bars.update()
    bars.stop()
    bar = undefined
  }
  const show = (event: InstallEvent): void => {
    if (event.event === "progress") {
      if (event.total === undefined) return
      const text = `${megabytes(event.bytes)} of ${megabytes(event.total)} MB`
      // A second bar would stand below the first one: one bar serves all stages.
      if (bar === undefined) bar = bars.create(100, 0, { text })
      bar.update(Math.floor(100 * event.bytes / Math.max(1, event.total)), { text })
      return
    }
    if (event.event === "installed") stop()
    for (const line of describeInstall(event)) {
      if (bar === undefined) stream.write(`${line}\n`)
      else bars.log(`${line}\n`)
    }
  }
  return { show, stop }
}

/**
 * Lines of text about an event.
 *
 * @example
 * describeInstall({ event: "progress", stage: "download", bytes: 5e6, total: 1e8 }) // => ["  5 of 100 MB"]
 */
export const describeInstall = (event: InstallEvent): ReadonlyArray<string> => {
  switch (event.event) {
    case "stage":
      return [`${event.text}${event.skipped ? ": there from before" : ""}`]
    case "progress":
      return [`  ${megabytes(event.bytes)}${event.total === undefined ? "" : ` of ${megabytes(event.total)}`} MB`]
    case "installed":
      return [
        `The tensorflow engine ${event.before ? "is there already, and works" : "works"}: libtensorflow ` +
        `${event.libtensorflow} on ${event.gpu ? "a GPU" : "the CPU"}, in ${event.path}` +
        `${event.before ? " (--force installs it anew)" : ` (${Math.ceil(event.seconds)} s)`}.`
      ]
    case "warning":
      return [`Warning: ${event.message}`]
    case "error":
      return []
  }
}

const megabytes = (bytes: number): string => Math.round(bytes / 1e6).toLocaleString("en-US")
