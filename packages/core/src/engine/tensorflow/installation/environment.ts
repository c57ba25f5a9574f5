/**
 * The variables of the process. libtensorflow reads its settings there, with C's `getenv`, so they have to be set in the
 * process itself: a worker thread's `process.env` is a copy that C does not see.
 */
import { env } from "node:process"

/** Variables by name. */
export type Environment = { readonly [name: string]: string | undefined }

/** The variables of this process, as they are now. */
export const environment = (): Environment => env

/** Sets a variable of this process, or removes it. Only the main thread's reaches libtensorflow. */
export const setVariable = (name: string, value: string | undefined): void => {
  if (value === undefined) delete env[name]
  else env[name] = value
}
