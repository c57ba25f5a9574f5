/**
 * What tells a recorded program from every other: two graphs with the same fingerprint compute the same, under the same
 * names. Where nodes come from, what the program is called, and which objects its values are do not matter.
 *
 * Nothing is left out of what is hashed that could tell two graphs apart, and SHA-256 has no known collisions, so equal
 * fingerprints may be taken for equal graphs. Graphs that compute the same in another way have different ones.
 */
import { createHash } from "node:crypto"
import type { Binding, Graph, Node, Value } from "./Graph.ts"

/**
 * A fingerprint in two parts, each in hexadecimal digits and made when it is asked for first: a large program's structure
 * takes some milliseconds, and elements take 30 ms for 64 MB, or several times as long without SHA in hardware.
 */
export interface Fingerprint {
  /** Of everything but the elements of constants. */
  readonly structure: () => string
  /** Of the elements of all constants, as they are when this is called first. They are let go of then. */
  readonly elements: () => string
}

/**
 * The fingerprint of a graph.
 *
 * @example
 * const [a, b] = [fingerprint(graph), fingerprint(another)]
 * a.structure() === b.structure() && a.elements() === b.elements() // => they compute the same
 */
export const fingerprint = (graph: Graph): Fingerprint => ({
  structure: once(() => digest([structureOf(graph)])),
  elements: once(() => digest(constantsOf(graph)))
})

/** Everything that is hashed but elements, as a text from which the graph could be made again. */
const structureOf = ({ arguments: given, nodes, results, signature }: Graph): string => {
  const places = new Map<Value, number>()
  const place = (value: Value): number => {
    const known = places.get(value)
    if (known !== undefined) return known
    places.set(value, places.size)
    return places.size - 1
  }
  const value = (value: Value): string => `${place(value)}:${write([value.dtype, value.shape])}`
  const binding = (binding: Binding): string =>
    `${write([binding.role, binding.name, binding.offset])}${value(binding.value)}`
  const node = ({ inputs, operation, outputs }: Node): string =>
    `${write(operation)}(${inputs.map(place).join()})${outputs.map(value).join()}`
  return [write(signature), given.map(binding).join("\n"), nodes.map(node).join("\n"), results.map(binding).join("\n")]
    .join("\n\n")
}

const constantsOf = ({ nodes }: Graph): ReadonlyArray<Uint8Array> =>
  nodes.flatMap(({ operation }) =>
    operation.kind === "constant"
      ? [new Uint8Array(operation.data.buffer, operation.data.byteOffset, operation.data.byteLength)]
      : []
  )

/** As JSON, but numbers that JSON has not stay what they are, and of a typed array the type and the length are written. */
const write = (part: unknown): string => {
  if (typeof part === "number") return Object.is(part, -0) ? "-0" : String(part)
  if (Array.isArray(part)) return `[${part.map(write).join()}]`
  if (ArrayBuffer.isView(part)) return `${part.constructor.name} of ${part.byteLength} bytes`
  if (typeof part !== "object" || part === null) return String(JSON.stringify(part))
  return `{${Object.entries(part).map(([key, value]) => `${JSON.stringify(key)}:${write(value)}`).join()}}`
}

const digest = (parts: Iterable<string | Uint8Array>): string => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(part)
  return hash.digest("hex")
}

/** Calls a function when its result is asked for first, and lets go of it then. */
const once = <A>(compute: () => A): () => A => {
  let todo: (() => A) | undefined = compute
  let result: A
  return () => {
    if (todo !== undefined) {
      result = todo()
      todo = undefined
    }
    return result
  }
}
