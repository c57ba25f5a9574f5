/**
 * Laws: property suites, as values, for a schedule, a weighting, a loss, a sampler, a stage, a model or an engine, your own
 * included. Each law has a name, a sentence and a source; a failure shows the simplest counterexample that was found, and
 * how to see it again.
 *
 * @example
 * import { Laws } from "@effusion/core/laws"
 * import { it } from "vitest"
 *
 * Laws.test(it, Laws.schedule(mySchedule))
 */
export * as Laws from "./Laws.ts"
