/**
 * The command line of Effusion, for programs that embed it and for tests.
 *
 * @example
 * import { run } from "@effusion/cli"
 *
 * const program = run(["train", "--preset", "points", "--steps", "100"]).pipe(Effect.provide(NodeServices.layer))
 */
export { effusion, run } from "./cli.ts"
export { evaluate } from "./commands/evaluate.ts"
export { sample } from "./commands/sample.ts"
export { schedule } from "./commands/schedule.ts"
export { train } from "./commands/train.ts"
export { verify } from "./commands/verify.ts"
export { RunConfig } from "./configuration/config.ts"
export { presets } from "./configuration/presets.ts"
export { Reporter } from "./report/Reporter.ts"
export type { RunEvent } from "./report/Reporter.ts"
