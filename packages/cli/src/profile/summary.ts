/**
 * What the operations of a training step took, summed up by operation, by line of the source and by kernel of the runtime.
 *
 * All times are milliseconds of one step: means over the measured steps, so that parts add up to wholes.
 */
import type { ProfiledOperation } from "@effusion/core/engine/onnx"
import { showShape } from "@effusion/core/tensor"
import { Array as Arr } from "effect"
import type { Measurement } from "./measure.ts"
import type { Place, PlaceOf } from "./sources.ts"

/** The part of a training step that an operation belongs to. */
export type Part = "forward" | "backward" | "update"

/** Operations with the same name. */
export interface OperationTime {
  readonly part: Part | "unattributed"
  readonly name: string
  /** The shapes of what goes in and what comes out, `[32, 64], [64, 8] -> [32, 8]`, of operations that share them. */
  readonly shapes?: string
  /** How many of them there are in a step. */
  readonly count: number
  /** How many kernels the runtime runs for them. */
  readonly kernels: number
  readonly milliseconds: number
  /** 10^9 floating-point operations a second; undefined where none are counted. */
  readonly gflops: number | undefined
}

/** A line of the source. */
export interface LineTime extends Place {
  /** Of the operations that the line itself calls. */
  readonly own: PartTimes
  /** Of all that happens in the line, with what is called there. */
  readonly all: PartTimes
}

/** Milliseconds by the part of the step that they belong to. */
export interface PartTimes {
  /** Of all parts. */
  readonly milliseconds: number
  readonly forward: number
  readonly backward: number
  readonly update: number
}

/** Kernels of one kind. */
export interface KernelTime {
  readonly name: string
  readonly count: number
  readonly milliseconds: number
}

/** Where the time of a step went. */
export interface Summary {
  /** How many steps the means are over. */
  readonly steps: number
  readonly step: number
  /** {@link step} is the sum of the operations, what is between them, and what is outside the runtime. */
  readonly parts: {
    readonly operations: number
    /** What of {@link operations} no operation of the program could be found for. */
    readonly unattributed: number
    /** In the runtime, between kernels: their scheduling and memory, and the timing itself. */
    readonly betweenOperations: number
    /** Around the runtime: waiting for batches, copying them to and from the engine's thread, the training loop. */
    readonly outsideRuntime: number
  }
  readonly operations: ReadonlyArray<OperationTime>
  /** The same, told apart by their shapes. */
  readonly shapes: ReadonlyArray<OperationTime>
  /** What is `own` to the lines adds up to all operations that come from a line. */
  readonly lines: ReadonlyArray<LineTime>
  readonly kernels: ReadonlyArray<KernelTime>
}

/** A kernel, with where it belongs and the time it takes. */
export interface TimedKernel {
  readonly kernel: string
  /** The operation that it runs for, by its place in the profile; undefined where it is the runtime's own. */
  readonly operation: number | undefined
  /** The operation's name. */
  readonly name: string
  readonly flops: number
  readonly part: Part | "unattributed"
  readonly shapes: string
  /** Outermost first. */
  readonly places: ReadonlyArray<Place>
  readonly milliseconds: number
}

/**
 * The kernels of a step in the order in which they run.
 *
 * @example
 * const kernels = timedKernels(measurement, placeOf)
 */
export const timedKernels = ({ profile }: Measurement, placeOf: PlaceOf): ReadonlyArray<TimedKernel> =>
  profile.kernels.map(({ kernel, operation: index }, i): TimedKernel => {
    const operation = index === undefined ? undefined : profile.operations[index]
    const origin = operation?.origin
    return {
      kernel,
      operation: index,
      name: operation?.name ?? kernel,
      flops: operation?.flops ?? 0,
      shapes: operation === undefined ? "" : shapesOf(operation),
      part: origin === undefined ? "unattributed" : origin.pass === "outside" ? "update" : origin.pass,
      places: origin?.frames.map(placeOf) ?? [],
      milliseconds: mean(profile.runs.map(({ kernels }) => kernels[i]!)) / 1000
    }
  })

/**
 * Sums up a measurement.
 *
 * @example
 * const { operations } = summarize(measurement, timedKernels(measurement, placeOf))
 */
export const summarize = ({ profile, seconds }: Measurement, kernels: ReadonlyArray<TimedKernel>): Summary => {
  const step = mean(seconds) * 1000
  const session = mean(profile.runs.map(({ microseconds }) => microseconds)) / 1000
  const operations = sum(kernels)
  return {
    steps: profile.runs.length,
    step,
    parts: {
      operations,
      unattributed: sum(kernels.filter(({ part }) => part === "unattributed")),
      betweenOperations: session - operations,
      outsideRuntime: step - session
    },
    operations: slowestFirst(
      Object.values(Arr.groupBy(kernels, ({ name, part }) => `${part} ${name}`)).map(operationTime)
    ),
    shapes: slowestFirst(
      Object.values(Arr.groupBy(kernels, ({ name, part, shapes }) => `${part} ${name} ${shapes}`)).map((group) => ({
        ...operationTime(group),
        shapes: group[0].shapes
      }))
    ),
    lines: linesOf(kernels),
    kernels: slowestFirst(
      Object.entries(Arr.groupBy(kernels, ({ kernel }) => kernel)).map(([name, group]) => ({
        name,
        count: group.length,
        milliseconds: sum(group)
      }))
    )
  }
}

const shapesOf = ({ inputs, outputs }: ProfiledOperation): string =>
  `${inputs.map(showShape).join(", ")} -> ${outputs.map(showShape).join(", ")}`

const operationTime = (group: ReadonlyArray<TimedKernel>): OperationTime => {
  const milliseconds = sum(group)
  const members = new Map(group.map(({ flops, operation }) => [operation, flops]))
  const flops = [...members.values()].reduce((total, flops) => total + flops, 0)
  const { name, part } = group[0]!
  return {
    part,
    name,
    count: members.size,
    kernels: group.length,
    milliseconds,
    gflops: flops === 0 || milliseconds === 0 ? undefined : flops / milliseconds / 1e6
  }
}

const linesOf = (kernels: ReadonlyArray<TimedKernel>): ReadonlyArray<LineTime> => {
  const lines = new Map<string, { readonly place: Place; readonly own: MutableTimes; readonly all: MutableTimes }>()
  for (const { milliseconds, part, places } of kernels) {
    const innermost = places.at(-1)
    // A line that calls itself counts once.
    for (const [key, place] of new Map(places.map((place) => [`${place.file}:${place.line}`, place]))) {
      const line = lines.get(key) ?? { place, own: noTime(), all: noTime() }
      lines.set(key, line)
      for (const times of place === innermost ? [line.own, line.all] : [line.all]) {
        times.milliseconds += milliseconds
        if (part !== "unattributed") times[part] += milliseconds
      }
    }
  }
  return Array.from(lines.values(), ({ all, own, place }): LineTime => ({ ...place, own, all }))
    .sort((a, b) => b.own.milliseconds - a.own.milliseconds || b.all.milliseconds - a.all.milliseconds)
}

type MutableTimes = { -readonly [K in keyof PartTimes]: PartTimes[K] }

const noTime = (): MutableTimes => ({ milliseconds: 0, forward: 0, backward: 0, update: 0 })

const slowestFirst = <A extends { readonly milliseconds: number }>(times: Array<A>): ReadonlyArray<A> =>
  times.sort((a, b) => b.milliseconds - a.milliseconds)

const sum = (times: ReadonlyArray<{ readonly milliseconds: number }>): number =>
  times.reduce((total, { milliseconds }) => total + milliseconds, 0)

const mean = (values: ReadonlyArray<number>): number =>
  values.reduce((total, value) => total + value, 0) / values.length
