import { assert, describe, it } from "@effect/vitest"
import { fromConfig, InvalidSchedule, InvalidTimesteps } from "@effusion/core/schedule"
import { Result } from "effect"

const betas = { name: "betas", betas: [0.1, 0.2, 0.3] }

describe("fromConfig", () => {
  it.each<[string, unknown, string]>([
    ["no object", 3, "an object with a \"name\""],
    ["nothing", null, "an object with a \"name\""],
    ["no name", { steps: 10 }, "an object with a \"name\""],
    ["a name that is no text", { name: 3 }, "an object with a \"name\""],
    ["an unknown family", { name: "cosin", steps: 10 }, "no noise schedule \"cosin\": there is no such family; choose"],
    ["what every object has", { name: "toString" }, "there is no such family"],
    ["a missing option", { name: "linear" }, "\"steps\": is missing"],
    ["an unknown option", { name: "linear", steps: 10, beta: 0.1 }, "\"beta\": is not an option of it"],
    ["two wrong options", { name: "linear", steps: "10", end: "x" }, "\"end\""],
    ["a number as text", { name: "linear", steps: "10" }, "\"steps\""],
    ["an option out of range", { name: "linear", steps: 10, end: 2 }, "\"end\" is 2"],
    ["a convention that there is not", { name: "laplace", steps: 10, convention: "own" }, "\"convention\""],
    ["betas that are none", { name: "betas", betas: [0.1, null] }, "\"betas.1\""],
    ["a schedule of an unknown one", { name: "zero-terminal-snr", of: { name: "x" } }, "no noise schedule \"x\""],
    ["a schedule of nothing", { name: "respaced", timesteps: [0] }, "\"of\": is missing"]
  ])("%s: fails with InvalidSchedule", (_, json, named) => {
    const error = Result.getOrThrow(Result.flip(fromConfig(json)))
    assert.instanceOf(error, InvalidSchedule)
    assert.include(error.message, named)
  })

  it("fails with InvalidTimesteps where a schedule has not those", () => {
    const error = Result.getOrThrow(Result.flip(fromConfig({ name: "respaced", of: betas, timesteps: [0, 3] })))
    assert.instanceOf(error, InvalidTimesteps)
  })

  it("has the defaults of the family for what is absent", () => {
    const { config } = Result.getOrThrow(fromConfig({ name: "cosine", steps: 10 }))
    assert.deepStrictEqual(config, { steps: 10, offset: 0.008, maximumBeta: 0.999 })
  })
})
