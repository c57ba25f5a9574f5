import { Laws } from "@effusion/core/laws"
import { ddim, ddpm } from "@effusion/core/sampling"
import { describe, it } from "vitest"

describe("laws", () => {
  Laws.test(it, Laws.sampler(ddpm()))
  Laws.test(it, Laws.sampler(ddpm({ variance: "fixedLarge" }), { subject: "ddpm, fixedLarge", keepsVariance: false }))
  Laws.test(it, Laws.sampler(ddim()))
  Laws.test(it, Laws.sampler(ddim({ eta: 0.5 }), { subject: "ddim, eta 0.5" }))
  Laws.test(it, Laws.sampler(ddim({ eta: 1 }), { subject: "ddim, eta 1", sameAs: { sampler: ddpm() } }))
})
