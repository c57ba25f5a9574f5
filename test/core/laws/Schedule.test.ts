/**
 * The schedules of Effusion keep the laws, and the laws are about what they say.
 */
import { Laws } from "@effusion/core/laws"
import { cosine, linear } from "@effusion/core/schedule"
import { Result } from "effect"
import { describe, it } from "vitest"

describe("laws", () => {
  Laws.test(it, Laws.schedules(Laws.anySchedule))
  Laws.test(it, Laws.schedule(Result.getOrThrow(linear({ steps: 1000 }))))
  Laws.test(it, Laws.schedule(Result.getOrThrow(cosine({ steps: 1000 }))))
})
