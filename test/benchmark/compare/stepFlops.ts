/**
 * The floating-point operations of a step of each work, counted in our own programs: they are the same for every peer.
 */
import { stateless, type Tensors } from "@effusion/core/engine"
import { Pipeline } from "@effusion/core/pipeline"
import { trainingProgram } from "@effusion/core/training"
import { UNet } from "@effusion/models"
import { Effect } from "effect"
import { flopsOf } from "../../../packages/core/src/engine/graph/flops.ts"
import { optimize } from "../../../packages/core/src/engine/graph/optimize.ts"
import { trace } from "../../../packages/core/src/engine/trace/trace.ts"
import { average, cleanImages, optimizer, services, stages, type Subject } from "../shared/subject.ts"

/** Of a training step: forward, backward; the optimiser's few are not counted. */
export const trainingFlops = (subject: Subject) =>
  Effect.gen(function*() {
    const stage = Pipeline.fuse(yield* stages)
    const { program } = trainingProgram({ stage, input: { x0: cleanImages(subject) }, optimizer, average })
    return flopsOf(optimize(yield* trace(program, "benchmark")))
  }).pipe(Effect.provide(services(subject.config)))

/** Of a prediction of the network, which is a step of sampling. */
export const predictionFlops = ({ batch, config }: Subject) => {
  const { apply, exampleShape, parameters } = UNet.make(config)
  const weights = Object.entries(parameters).map(([name, { shape }]) => [name, { shape, dtype: "float32" }] as const)
  const program = stateless<Tensors, Tensors>(
    "prediction",
    {
      ...Object.fromEntries(weights),
      x: { shape: [batch, ...exampleShape], dtype: "float32" },
      t: { shape: [batch], dtype: "int32" }
    },
    ({ t, x, ...weights }) => ({ prediction: apply(weights, { x: x!, t: t!, draws: {} }) })
  )
  return Effect.map(trace(program, "benchmark"), (graph) => flopsOf(optimize(graph)))
}
