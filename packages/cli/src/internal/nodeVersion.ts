/**
 * The versions of Node that this package runs on.
 */

/** The first version that Effect and the engine support. */
const minimum = [22, 19] as const

/**
 * What is wrong with a version of Node, and what to do about it; nothing when it is new enough.
 *
 * @example
 * unsupportedNode("20.20.2") // => "Node 20.20.2 is too old; it needs 22.19 or newer: ..."
 */
export const unsupportedNode = (version: string): string | undefined => {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  return major > minimum[0] || (major === minimum[0] && minor >= minimum[1])
    ? undefined
    : `Node ${version} is too old; it needs ${minimum.join(".")} or newer: install one from https://nodejs.org, ` +
      `or start it with "npx --package=node@${minimum[0]} effusion"`
}
