/** What to do where images do not fit a network: that doing it does not lead to the next error. */
import { Result } from "effect"
import { Effect } from "effect"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { decodeRunConfig, overlay } from "../../packages/cli/src/configuration/config.ts"
import { presets } from "../../packages/cli/src/configuration/presets.ts"
import { sideMultiple } from "../../packages/cli/src/configuration/session.ts"
import { WrongExampleShape } from "../../packages/cli/src/run/datasets.ts"

const { digits } = presets
const expected = [28, 28, 1]

const messageFor = (actual: ReadonlyArray<number>): string =>
  new WrongExampleShape({ data: "idx:mine", actual, expected, multiple: sideMultiple(digits!) }).message

const isValid = (model: { readonly [field: string]: unknown }): boolean =>
  Result.isSuccess(
    Effect.runSync(Effect.result(decodeRunConfig(overlay({ ...digits! }, { model }), "the configuration")))
  )

const side = fc.integer({ min: 4, max: 300 })

describe("the advice for images of another size", () => {
  it("is a configuration that is valid, or other images or levels that make it so", () => {
    fc.assert(fc.property(side, side, fc.constantFrom(1, 3), (height, width, channels) => {
      const message = messageFor([height, width, channels])
      const given = { in_channels: channels, out_channels: channels }
      const size = /set model.sample_size to (\d+|\[\d+, \d+\]),/.exec(message)
      if (size !== null) {
        assert.isTrue(isValid({ ...given, sample_size: JSON.parse(size[1]!) }), message)
        return
      }
      const [, h, w] = /pad or crop the images to .* such as (\d+)x(\d+),/.exec(message)!
      assert.isTrue(isValid({ ...given, sample_size: [Number(h), Number(w)] }), message)
      assert.isTrue(Number(h) >= height && Number(w) >= width && Number(h) < height + 4 && Number(w) < width + 4)
      const levels = Number(/at most (\d) levels/.exec(message)?.[1] ?? 1)
      const part = <A>(values: ReadonlyArray<A>, from: number): ReadonlyArray<A> => values.slice(from, from + levels)
      const { model } = digits!
      if (model.type !== "unet") return assert.fail("the digits are drawn by a U-Net")
      const fewer = {
        block_out_channels: part(model.block_out_channels, 0),
        down_block_types: part(model.down_block_types, 0),
        up_block_types: part(model.up_block_types, 0)
      }
      assert.isTrue(isValid({ ...given, ...fewer, sample_size: [height, width] }), message)
    }))
  })

  it("does not set a size that the network cannot have", () => {
    assert.match(
      messageFor([17, 23, 1]),
      /pad or crop the images to sides that are multiples of 4, such as 20x24, .* single level/
    )
    assert.notInclude(messageFor([17, 23, 1]), "sample_size")
    assert.match(
      messageFor([32, 40, 3]),
      /set model.sample_size to \[32, 40\], and model.in_channels and out_channels to 3,/
    )
  })
})
