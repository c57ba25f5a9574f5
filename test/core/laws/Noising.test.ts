import { Laws } from "@effusion/core/laws"
import { describe, it } from "vitest"

describe("laws", () => Laws.test(it, Laws.noising()))
