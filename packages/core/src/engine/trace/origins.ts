/**
 * Finds out where in a program's source each node comes from, while the program is traced.
 *
 * A node is recorded inside the call that asks for it, so the stack at that moment says where that is. Backward nodes are
 * recorded later, when tfjs goes through its tape: each entry of the tape therefore remembers the calls that it was made
 * by, and what its gradient records comes from there, the sum with gradients that were there before included.
 */
import * as tf from "@tensorflow/tfjs"
import { fileURLToPath } from "node:url"
import type { Frame, Origin } from "../graph/Origin.ts"

/** What tells origins. */
export interface Origins {
  /** The origin of a node that is recorded now. */
  readonly present: () => Origin
  /** Runs a function with tfjs's tape watched. */
  readonly watch: <A>(f: () => A) => A
}

/**
 * Tells the origins of what one program records.
 *
 * @param boundary the file that calls the program: calls further out are not the program's
 */
export const makeOrigins = (boundary: string): Origins => {
  const outermost = fileURLToPath(boundary)
  /** The calls to what is being differentiated. */
  let differentiated: ReadonlyArray<Frame> | undefined
  let gradients = 0

  const watch = <A>(f: () => A): A => {
    const engine = tf.engine() as unknown as Tape
    const { addTapeNode, gradients: differentiate } = engine
    engine.addTapeNode = (...entry) => {
      addTapeNode.apply(engine, entry)
      const made = engine.state.activeTape.at(-1)!
      const { gradient } = made
      if (gradient === undefined) return
      const frames = framesOf(outermost)
      made.gradient = (dys) => {
        differentiated = frames
        return gradient(dys)
      }
    }
    engine.gradients = (...question) => {
      const outer = differentiated
      differentiated = undefined
      gradients++
      try {
        return differentiate.apply(engine, question)
      } finally {
        gradients--
        differentiated = outer
      }
    }
    try {
      return f()
    } finally {
      // Both are methods of the class, which these hid.
      Reflect.deleteProperty(engine, "addTapeNode")
      Reflect.deleteProperty(engine, "gradients")
    }
  }

  const present = (): Origin =>
    differentiated === undefined
      ? { frames: framesOf(outermost), pass: gradients === 0 ? "outside" : "forward" }
      : { frames: differentiated, pass: "backward" }

  return { present, watch }
}

/** What of tfjs's engine keeps its gradient tape. */
interface Tape {
  readonly state: { readonly activeTape: Array<TapeNode> }
  addTapeNode: (...entry: Array<unknown>) => void
  gradients: (...question: Array<unknown>) => unknown
}

interface TapeNode {
  gradient?: (dys: unknown) => unknown
}

/** The calls that are under way, outermost first: those of the program, and of what it is made of. */
const framesOf = (outermost: string): ReadonlyArray<Frame> => {
  const calls = callSites()
  const end = calls.findIndex((call) => pathOf(call) === outermost)
  return calls.slice(0, end === -1 ? undefined : end)
    .flatMap((call) => {
      const file = pathOf(call)
      return file === undefined || isMachinery(file)
        ? []
        : [{ function: call.getFunctionName() ?? "", file, line: call.getLineNumber() ?? 0 }]
    })
    .toReversed()
}

/** The calls that are under way, innermost first. */
const callSites = (): ReadonlyArray<NodeJS.CallSite> => {
  const { prepareStackTrace, stackTraceLimit } = Error
  try {
    Error.stackTraceLimit = Infinity
    Error.prepareStackTrace = (_, sites) => sites
    return new Error().stack as unknown as ReadonlyArray<NodeJS.CallSite>
  } finally {
    Error.stackTraceLimit = stackTraceLimit
    Error.prepareStackTrace = prepareStackTrace
  }
}

/** The path of a call's file; undefined where it has none, as calls inside of the runtime. */
const pathOf = (call: NodeJS.CallSite): string | undefined => {
  const name = call.getFileName() ?? undefined
  if (name === undefined || name.startsWith("node:")) return undefined
  return name.startsWith("file:") ? fileURLToPath(name) : name
}

const engineFolder = fileURLToPath(new URL("..", import.meta.url))

/** Libraries that call a program's functions back. */
const libraries = /[\\/]node_modules[\\/](@tensorflow[\\/]|effect[\\/])/

const isMachinery = (file: string): boolean => file.startsWith(engineFolder) || libraries.test(file)
