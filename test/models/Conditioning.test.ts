/** Networks that are told classes, and that are shown their own estimate, on tfjs's cpu backend. */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import type { Tensor } from "@effusion/core/engine"
import type { DenoiserInput, DenoiserShape } from "@effusion/core/pipeline"
import { MLP, UNet } from "@effusion/models"
import * as tf from "@tensorflow/tfjs"
import * as fc from "fast-check"
import { assertClose, elements, initial, normal, perturbed, timesteps } from "./support.ts"

beforeAll(async () => {
  await tf.setBackend("cpu")
})

const tinyUNet = {
  sample_size: 4,
  in_channels: 2,
  out_channels: 2,
  block_out_channels: [4, 8],
  down_block_types: ["DownBlock2D", "AttnDownBlock2D"],
  up_block_types: ["AttnUpBlock2D", "UpBlock2D"],
  layers_per_block: 1,
  attention_head_dim: null,
  norm_num_groups: 2
} as const

const networks: {
  readonly [name: string]: (fields: { num_class_embeds?: number; self_condition?: boolean }) => DenoiserShape
} = {
  "U-Net": (fields) => UNet.make(UNet.Config.make({ ...tinyUNet, ...fields })),
  "MLP": (fields) => MLP.make(MLP.Config.make({ width: 8, depth: 2, ...fields }))
}

const batch = 3
const inputOf = (denoiser: DenoiserShape, seed: number, labels: ReadonlyArray<number>): DenoiserInput => ({
  x: normal(seed, [batch, ...denoiser.exampleShape]),
  t: timesteps(seed, batch),
  condition: tf.tensor1d([...labels], "int32"),
  draws: {}
})

const cases = fc.record({
  seed: fc.nat(10_000),
  labels: fc.array(fc.nat(4), { minLength: batch, maxLength: batch })
})

describe.each(Object.entries(networks))("a %s that is told classes", (_, make) => {
  const property = (name: string, check: (seed: number, labels: ReadonlyArray<number>) => void) =>
    it(
      name,
      () => fc.assert(fc.property(cases, ({ labels, seed }) => tf.tidy(() => check(seed, labels))), { numRuns: 10 })
    )

  it("has a row for each class, and one for none of them", () => {
    const plain = make({})
    const told = make({ num_class_embeds: 5 })
    assert.isUndefined(plain.classes)
    assert.strictEqual(told.classes, 4)
    const features = told.parameters["time_embedding.linear_2.bias"]!.shape[0]!
    const { "class_embedding.weight": table, ...rest } = told.parameters
    assert.deepStrictEqual(table!.shape, [5, features])
    assert.deepStrictEqual(Object.keys(rest).sort(), Object.keys(plain.parameters).sort())
    const rows = elements(tf.tensor(initial(told.parameters)["class_embedding.weight"]!.dataSync()))
    assert.strictEqual(new Set(rows).size, rows.length)
  })

  property("predicts by the class, each example by its own", (seed, labels) => {
    const denoiser = make({ num_class_embeds: 5 })
    const parameters = perturbed(denoiser.parameters, seed)
    const input = inputOf(denoiser, seed, labels)
    const predictions = elements(denoiser.apply(parameters, input))
    const size = predictions.length / batch
    const others = labels.map((label, i) => i === 0 ? (label + 1) % 5 : label)
    const changed = elements(denoiser.apply(parameters, inputOf(denoiser, seed, others)))
    assert.notDeepEqual(changed.slice(0, size), predictions.slice(0, size))
    assertClose(tf.tensor(changed.slice(size)), predictions.slice(size), 1e-5)
  })

  property("does not care how the classes are numbered", (seed, labels) => {
    const denoiser = make({ num_class_embeds: 5 })
    const parameters = perturbed(denoiser.parameters, seed)
    // Class k is called order[k] by the other network.
    const order = [3, 0, 4, 1, 2]
    const inverse = tf.tensor1d(order.map((_, k) => order.indexOf(k)), "int32")
    const renumbered = {
      ...parameters,
      "class_embedding.weight": tf.gather(parameters["class_embedding.weight"]!, inverse)
    }
    assertClose(
      denoiser.apply(renumbered, inputOf(denoiser, seed, labels.map((label) => order[label]!))),
      denoiser.apply(parameters, inputOf(denoiser, seed, labels)),
      1e-5
    )
  })

  property("learns of the classes that are in a batch, and of no other", (seed, labels) => {
    const denoiser = make({ num_class_embeds: 5 })
    const { "class_embedding.weight": table, ...rest } = perturbed(denoiser.parameters, seed)
    const input = inputOf(denoiser, seed, labels)
    const gradient = tf.grad((table: Tensor) =>
      tf.sum(tf.square(denoiser.apply({ ...rest, "class_embedding.weight": table }, input)))
    )(table!)
    const rows = gradient.arraySync() as Array<Array<number>>
    rows.forEach((row, label) => assert.strictEqual(row.some((value) => value !== 0), labels.includes(label)))
  })

  it("says so when it is told none", () =>
    tf.tidy(() => {
      const denoiser = make({ num_class_embeds: 5 })
      const { condition: _, ...input } = inputOf(denoiser, 1, [0, 1, 2])
      assert.throws(() => denoiser.apply(initial(denoiser.parameters), input), /tells 4 classes apart/u)
    }))
})

describe.each(Object.entries(networks))("a %s that is shown its own estimate", (_, make) => {
  it("takes it beside its input, and zeros where there is none", () =>
    tf.tidy(() => {
      const plain = make({})
      const denoiser = make({ self_condition: true })
      assert.notStrictEqual(plain.selfConditions, true)
      assert.isTrue(denoiser.selfConditions)
      assert.deepStrictEqual(denoiser.exampleShape, plain.exampleShape)
      const first = denoiser.parameters["conv_in.weight"] === undefined ? "linear_in.weight" : "conv_in.weight"
      assert.strictEqual(denoiser.parameters[first]!.shape[1], 2 * plain.parameters[first]!.shape[1]!)

      const parameters = perturbed(denoiser.parameters)
      const { condition: __, ...input } = inputOf(denoiser, 1, [0, 0, 0])
      const shown = (selfCondition: Tensor) => elements(denoiser.apply(parameters, { ...input, selfCondition }))
      assert.deepStrictEqual(elements(denoiser.apply(parameters, input)), shown(tf.zerosLike(input.x)))
      assert.deepStrictEqual(shown(normal(2, input.x.shape)).length, elements(input.x).length)
      assert.notDeepEqual(shown(normal(2, input.x.shape)), shown(tf.zerosLike(input.x)))
    }))
})
