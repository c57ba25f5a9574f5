/**
 * The mode of the tensorflow engine in which programs run at once.
 */
export { type EagerOptions, makeEager } from "./EagerEngine.ts"
