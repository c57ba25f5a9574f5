import { Predicate } from "effect"
import type { ConfigDifference } from "../CheckpointError.ts"

/** Where two JSON values differ, each place by its path. */
export const configDifferences = (was: unknown, is: unknown, path = ""): ReadonlyArray<ConfigDifference> => {
  if (Object.is(was, is)) return []
  if (!isContainer(was) || !isContainer(is) || Array.isArray(was) !== Array.isArray(is)) {
    return [{ path: path === "" ? "the configuration" : path, was, is }]
  }
  const names = Array.from(new Set([...Object.keys(was), ...Object.keys(is)]))
  return names.flatMap((name) => configDifferences(was[name], is[name], path === "" ? name : `${path}.${name}`))
}

const isContainer = (value: unknown): value is { readonly [name: string]: unknown } => Predicate.isObjectOrArray(value)
