/**
 * The check before anything is timed, against what PyTorch computed: a recorded loss of diffusers' `UNet2DModel`.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { int32 } from "@effusion/core/tensor"
import { UNet } from "@effusion/models"
import { Effect } from "effect"
import golden from "../../fixtures/unet2d-golden.json" with { type: "json" }
import { batch, clean, epsilon, image, parametersOf, t } from "../../support/unetGolden.ts"
import { openTraining } from "../peers/ownWork.ts"
import { services } from "../shared/subject.ts"
import { disagreement, otherParameters, tolerance } from "./agreement.ts"
import { noiseTables } from "./workload.ts"

const about = { peer: "torch", work: "training" }
const recorded = { loss: [golden.mse_loss], "gradient norm": [golden.grad_global_norm] }

describe("agreement", () => {
  it("is there within the tolerance, whatever the size of the numbers", () => {
    for (const quantity of ["loss", "gradient norm"]) {
      for (const x of [1e6, 1, -0.3]) {
        const differing = (by: number) => disagreement(about, { [quantity]: [1, x] }, { [quantity]: [1, x * (1 + by)] })
        assert.isUndefined(differing(tolerance / 2))
        assert.isDefined(differing(2 * tolerance))
      }
    }
  })

  it("takes every number of both", () => {
    assert.isDefined(disagreement(about, { loss: [1, 2] }, { loss: [1] }))
    assert.isDefined(disagreement(about, { loss: [1] }, { loss: [1, 2] }))
    assert.isDefined(disagreement(about, { loss: [1] }, { loss: [1], "gradient norm": [1] }))
    assert.isDefined(disagreement(about, { loss: [Number.NaN] }, { loss: [Number.NaN] }))
    assert.isDefined(disagreement(about, { loss: [Infinity] }, { loss: [Infinity] }))
  })

  it("takes the number of parameters to the last digit", () => {
    assert.isUndefined(otherParameters(about, 35_746_307, 35_746_307))
    assert.match(otherParameters(about, 35_746_307, 35_746_306)!.message, /its number of parameters is 35746306/)
  })

  it("says which number differs, and both", () => {
    const { message } = disagreement(about, { loss: [1, 2] }, { loss: [1, 3] })!
    assert.strictEqual(
      message,
      "torch does not do the same work in training: its loss 2 is 3, and ours 2."
    )
  })
})

layer(OnnxEngine.layer())("our training step", (it) => {
  const check = (changes: object) =>
    Effect.gen(function*() {
      const config = yield* UNet.decode({ ...golden.config, ...changes })
      const spec = {
        work: "training",
        threads: 1,
        config,
        batch,
        batches: 1,
        learning_rate: 1e-4,
        average_decay: 0.9999
      } as const
      const inputs = { "0.x0": image(clean), "0.noise": image(epsilon), "0.t": int32([batch], t) }
      return yield* Effect.flatMap(openTraining(spec, parametersOf(golden), inputs), ({ check }) => check)
    }).pipe(Effect.scoped)

  it.effect("agrees with the loss and the gradient that PyTorch computed", () =>
    Effect.gen(function*() {
      assert.isUndefined(disagreement(about, yield* check({}), recorded))
    }))

  it.effect("does not where a network has another convention", () =>
    Effect.gen(function*() {
      for (const other of [{ downsample_padding: 1 }, { flip_sin_to_cos: true }]) {
        assert.isDefined(disagreement(about, yield* check(other), recorded), JSON.stringify(other))
      }
    }))

  it.effect("noises with the factors that peers are given", () =>
    Effect.gen(function*() {
      const { signal, spread } = yield* noiseTables
      assert.strictEqual(signal.data.length, 1000)
      signal.data.forEach((value, i) => assert.approximately(value ** 2 + spread.data[i]! ** 2, 1, 1e-6))
    }).pipe(Effect.provide(services(UNet.small))))
})
