/**
 * Saves one checkpoint after the other until it is killed. Each tensor holds the number of its step.
 *
 *     node saveForever.ts <folder> <first step>
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect } from "effect"
import { float32 } from "../../packages/core/src/tensor/HostTensor.ts"
// The module itself: the folder's face brings tfjs, which takes longer to start than all that is tested here.
import * as Checkpoint from "../../packages/core/src/training/Checkpoint.ts"

const [folder, first] = process.argv.slice(2)

const tensors = (value: number) => ({ weight: float32([5_000], new Float32Array(5_000).fill(value)) })

const save = (step: number) => {
  const state = {
    step,
    parameters: tensors(step),
    average: tensors(step),
    optimizer: { "adam.firstMoment": tensors(step) }
  }
  return Checkpoint.save({ folder: folder!, state, config: { name: "forever" }, keep: 2 })
}

const forever = Effect.gen(function*() {
  process.stdout.write("ready\n")
  for (let step = Number(first);; step++) {
    yield* save(step)
    process.stdout.write(`saved ${step}\n`)
  }
})

await Effect.runPromise(Effect.provide(forever, NodeServices.layer))
