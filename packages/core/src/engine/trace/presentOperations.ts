/**
 * What tfjs is in the middle of.
 */
import * as tf from "@tensorflow/tfjs"

/** The names of tfjs's operations that are being called, the outermost first: each has a scope of its name. */
export const presentOperations = (): ReadonlyArray<string> => {
  const { scopeStack } = tf.engine().state as unknown as {
    readonly scopeStack: ReadonlyArray<{ readonly name: string }>
  }
  return scopeStack.flatMap(({ name }) => name.endsWith("__op") ? [name.slice(0, -"__op".length)] : [])
}
