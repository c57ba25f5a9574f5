/**
 * The flames of a training step: by part, then by the calls of the source, then by operation.
 */
import { Array as Arr } from "effect"
import type { Flame } from "../picture/flameGraph.ts"
import type { Place } from "./sources.ts"
import type { Summary, TimedKernel } from "./summary.ts"

const hues: { readonly [part in TimedKernel["part"]]: number | undefined } = {
  forward: 205,
  backward: 25,
  update: 130,
  unattributed: undefined
}

/**
 * The flames of a step. Calls that all of a part's operations share are left out, and what is slower stands first.
 *
 * @example
 * flameGraph("a training step", flamesOf(summary, kernels))
 */
export const flamesOf = ({ parts, step }: Summary, kernels: ReadonlyArray<TimedKernel>): Flame => ({
  name: `a training step: ${step.toFixed(1)} ms`,
  value: step,
  children: [
    ...slowestFirst(
      Object.values(Arr.groupBy(kernels, ({ part }) => part)).map((members) =>
        flameOf(members[0].part, hues[members[0].part], withoutShared(members))
      )
    ),
    { name: "between operations", value: Math.max(0, parts.betweenOperations), children: [] },
    { name: "outside the runtime", value: Math.max(0, parts.outsideRuntime), children: [] }
  ]
})

/** A time, and the names of what it was spent in, outermost first. */
interface Stack {
  readonly names: ReadonlyArray<string>
  readonly milliseconds: number
}

const withoutShared = (kernels: ReadonlyArray<TimedKernel>): ReadonlyArray<Stack> => {
  const stacks = kernels.map(({ milliseconds, name, places }) => ({
    names: [...places.map(label), name],
    milliseconds
  }))
  const [first] = stacks
  let shared = 0
  while (stacks.every(({ names }) => names.length > shared + 1 && names[shared] === first!.names[shared])) shared++
  return stacks.map(({ milliseconds, names }) => ({ names: names.slice(shared), milliseconds }))
}

/** Boxes are narrow, and almost everything is an `apply`. */
const label = ({ file, line, name }: Place): string =>
  `${name.replace(/\.apply$/, "")} ${file.slice(file.search(/[^\\/]*$/))}:${line}`

const flameOf = (name: string, hue: number | undefined, stacks: ReadonlyArray<Stack>): Flame => ({
  name,
  hue,
  value: stacks.reduce((sum, { milliseconds }) => sum + milliseconds, 0),
  children: slowestFirst(
    Object.entries(Arr.groupBy(stacks.filter(({ names }) => names.length > 0), ({ names }) => names[0]!)).map(
      ([name, members]) =>
        flameOf(name, hue, members.map(({ milliseconds, names }) => ({ names: names.slice(1), milliseconds })))
    )
  )
})

const slowestFirst = (flames: ReadonlyArray<Flame>): ReadonlyArray<Flame> =>
  flames.toSorted((a, b) => b.value - a.value)
