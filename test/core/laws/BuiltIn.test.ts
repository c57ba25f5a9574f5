/**
 * What Effusion brings along keeps the laws.
 */
import { Laws } from "@effusion/core/laws"
import { describe, it } from "vitest"

describe("the laws hold", () => {
  for (const suite of Laws.builtIn) Laws.test(it, suite)
})
