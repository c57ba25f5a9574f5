/**
 * A training step of a small U-Net with everything that such a network has, for tests that look at its program.
 */
import { adam, chain, clipByGlobalNorm, ema } from "@effusion/core/optimizer"
import { Pipeline } from "@effusion/core/pipeline"
import { float32 } from "@effusion/core/tensor"
import { trainingProgram } from "@effusion/core/training"
import { UNet } from "@effusion/models"
import { Effect } from "effect"
import { pipelineOf } from "./simplifiedObjective.ts"

/** Two levels, the lower one with attention, for images of 8 by 8 pixels. */
export const tinyUNet = UNet.Config.make({
  sample_size: 8,
  in_channels: 1,
  out_channels: 1,
  block_out_channels: [8, 16],
  layers_per_block: 1,
  down_block_types: ["DownBlock2D", "AttnDownBlock2D"],
  up_block_types: ["AttnUpBlock2D", "UpBlock2D"],
  norm_num_groups: 4
})

const x0 = float32([2, 8, 8, 1], Float32Array.from({ length: 128 }, (_, i) => Math.sin(i)))

/** The program, its first state, and the input of a step. */
export const tinyTrainingProgramOf = Effect.fnUntraced(function*({ accumulate }: { readonly accumulate: number }) {
  const stage = Pipeline.fuse(yield* pipelineOf(UNet.layer(tinyUNet), 1000))
  const optimizer = chain(clipByGlobalNorm(1), adam({ learningRate: 1e-3 }))
  const average = ema({ decay: 0.9 })
  const { begin, input, program } = trainingProgram({ stage, input: { x0 }, optimizer, average, accumulate })
  return {
    program,
    state: begin({ seed: 0 }),
    input: (step: number) => input({ x0 }, Pipeline.draws(stage, { x0 }, { seed: 0, step }), step)
  }
})

/** The same with a batch a step. */
export const tinyTrainingProgram = tinyTrainingProgramOf({ accumulate: 1 })
