/**
 * The U-Net against diffusers' `UNet2DModel` in PyTorch: forward, loss, and the gradient of every parameter.
 *
 * The fixture was made in float64; here everything runs in float32 on the onnx engine, so numbers agree to 1e-3
 * relative.
 */
import { assert, layer } from "@effect/vitest"
import { Engine, stateless, type Tensor, type Tensors } from "@effusion/core/engine"
import { OnnxEngine } from "@effusion/core/engine/onnx"
import { type HostTensor, int32 } from "@effusion/core/tensor"
import { UNet } from "@effusion/models"
import * as tf from "@tensorflow/tfjs"
import { Effect } from "effect"
import conditional from "../fixtures/unet2d-classes-golden.json" with { type: "json" }
import unconditional from "../fixtures/unet2d-golden.json" with { type: "json" }
import {
  batch,
  channels,
  epsilon,
  type Golden,
  image,
  noised,
  parametersOf,
  pixels,
  side,
  t
} from "../support/unetGolden.ts"

const inputsOf = (golden: Golden) => ({
  ...parametersOf(golden),
  x: image(noised),
  t: int32([batch], t),
  noise: image(epsilon),
  ...(golden.class_labels === undefined ? {} : { condition: int32([batch], [...golden.class_labels]) })
})

/** Prediction, loss, and for each parameter the sum of its gradient's absolute values and of its squares. */
const trainingGradients = (config: UNet.Config, inputs: { readonly [name: string]: HostTensor }) => {
  const denoiser = UNet.make(config)
  const names = Object.keys(denoiser.parameters)
  return stateless<Tensors, Tensors>("unet-golden", inputs, (input) => {
    const predict = (values: ReadonlyArray<Tensor>): Tensor =>
      denoiser.apply(Object.fromEntries(names.map((name, i) => [name, values[i] as Tensor])), {
        x: input["x"] as Tensor,
        t: input["t"] as Tensor,
        ...(input["condition"] === undefined ? {} : { condition: input["condition"] }),
        draws: {}
      })
    const loss = (...values: Array<Tensor>): tf.Scalar =>
      tf.mean(tf.square(tf.sub(predict(values), input["noise"] as Tensor)))
    const values = names.map((name) => input[name] as Tensor)
    const { value, grads } = tf.valueAndGrads(loss)(values)
    return {
      prediction: predict(values),
      loss: value,
      absolute: tf.stack(grads.map((gradient) => tf.sum(tf.abs(gradient)))),
      squares: tf.stack(grads.map((gradient) => tf.sum(tf.square(gradient))))
    }
  })
}

/** Whether a number agrees with the reference, to 1e-3 of it or to `floor`, whichever is more. */
const assertClose = (actual: number, expected: number, what: string, floor = 1e-6): void =>
  assert.isTrue(
    Math.abs(actual - expected) <= Math.max(1e-3 * Math.abs(expected), floor),
    `${what}: expected ${expected}, got ${actual}`
  )

const sum = (numbers: Iterable<number>): number => Array.from(numbers).reduce((a, b) => a + b, 0)

layer(OnnxEngine.layer())("the U-Net on the onnx engine", (it) => {
  const check = Effect.fnUntraced(function*(golden: Golden) {
    const inputs = inputsOf(golden)
    const config = yield* UNet.decode(golden.config)
    const names = Object.keys(UNet.make(config).parameters)
    const engine = yield* Engine
    const executable = yield* engine.compile(trainingGradients(config, inputs))
    const instance = yield* executable.start({})
    const output = yield* instance.step(inputs)

    const prediction = (output["prediction"] as HostTensor).data
    const at = (n: number, c: number, h: number, w: number): number =>
      prediction[((n * side + h) * side + w) * channels + c] as number
    assertClose(at(0, 0, 0, 0), golden.out_0_0_0_0, "prediction[0, 0, 0, 0]")
    assertClose(at(3, 2, 7, 7), golden.out_3_2_7_7, "prediction[3, 2, 7, 7]")
    assertClose(at(1, 1, 3, 4), golden.out_1_1_3_4, "prediction[1, 1, 3, 4]")
    golden.out_abs_sum.forEach((expected, n) => {
      const example = prediction.subarray(n * pixels * channels, (n + 1) * pixels * channels)
      assertClose(sum(example.map(Math.abs)), expected, `sum of |prediction[${n}]|`)
      assertClose(sum(example), golden.out_sum[n] as number, `sum of prediction[${n}]`)
    })
    assertClose((output["loss"] as HostTensor).data[0] as number, golden.mse_loss, "loss")

    const absolute = (output["absolute"] as HostTensor).data
    golden.params.forEach(({ grad_abs_sum, name }) =>
      assertClose(absolute[names.indexOf(name)] as number, grad_abs_sum, `sum of |gradient of ${name}|`)
    )
    const norm = Math.sqrt(sum((output["squares"] as HostTensor).data))
    assertClose(norm, golden.grad_global_norm, "global norm of the gradient")
  })

  it.effect("agrees with diffusers' UNet2DModel in forward, loss and gradients", () => check(unconditional))

  it.effect("agrees with it where it is told classes", () => check(conditional))
})
