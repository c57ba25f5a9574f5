/**
 * How this command line was called, to tell people what to type next.
 */
import { Config, Effect } from "effect"

/**
 * What comes before a command's arguments: `effusion`, or the npm command that leads there.
 *
 * @example
 * const next = `${yield* invocation} sample ${quote(folder.path)}`
 */
export const invocation: Effect.Effect<string> = Effect.map(
  Effect.orElseSucceed(Config.String("npm_lifecycle_event"), () => ""),
  (event) => commands[event] ?? "effusion"
)

/** By the name that npm gives to what it runs. */
const commands: { readonly [event: string]: string | undefined } = {
  start: "npm run effusion --",
  effusion: "npm run effusion --",
  npx: "npx effusion"
}

/**
 * A path as it can be typed in a shell.
 *
 * @example
 * quote("my runs/1") // => "'my runs/1'"
 */
export const quote = (path: string): string =>
  /^[\w./@:+,=~-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
