/**
 * `effusion engine`: what can compute here, installing TensorFlow, and why it does not work.
 */
import { Effect, Layer, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { FetchHttpClient } from "effect/http"

const json = Flag.Boolean("json").pipe(Flag.withDescription("Print JSON, for machines"), Flag.withDefault(false))

const list = Command.make("list", { json }, ({ json }) =>
  Effect.gen(function*() {
    const { listEngines } = yield* Effect.promise(() => import("../engines/list.ts"))
    yield* listEngines({ json })
  })).pipe(
    Command.withDescription("Shows the engines: where they are, what they compute on, and why one does not work."),
    Command.withShortDescription("Show what can compute here")
  )

const doctor = Command.make("doctor", { json }, ({ json }) =>
  Effect.gen(function*() {
    const { runDoctor } = yield* Effect.promise(() => import("../engines/doctor.ts"))
    yield* runDoctor({ json })
  })).pipe(
    Command.withDescription(
      "Walks through everything that the tensorflow engine needs, marks what is broken, and says what to do. Fails when " +
        "something that was expected to work does not."
    ),
    Command.withShortDescription("Find out why TensorFlow does not work")
  )

const tensorflow = Command.make("tensorflow", {
  gpu: Flag.Boolean("gpu").pipe(
    Flag.withDescription("Install @tensorflow/tfjs-node-gpu, and a libtensorflow for NVIDIA GPUs"),
    Flag.withDefault(false)
  ),
  wheel: Flag.String("wheel").pipe(
    Flag.withMetavar("file.whl"),
    Flag.withDescription(
      "Take the libraries of a Python wheel: of tensorflow-cpu or tensorflow, and of nvidia-... packages; may be given " +
        "several times"
    ),
    Flag.atLeast(0)
  ),
  libtensorflow: Flag.String("libtensorflow").pipe(
    Flag.withMetavar("place"),
    Flag.withDescription(
      "Take an archive of libtensorflow: a folder with include/ and lib/, a .tar.gz, or its http(s) address"
    ),
    Flag.optional
  ),
  force: Flag.Boolean("force").pipe(
    Flag.withDescription("Begin anew, whatever is there"),
    Flag.withDefault(false)
  ),
  json
}, ({ force, gpu, json, libtensorflow, wheel }) =>
  Effect.gen(function*() {
    const { enginesFolder, environment } = yield* Effect.promise(() =>
      import("@effusion/core/engine/tensorflow/installation")
    )
    const { installTensorflow } = yield* Effect.promise(() => import("../engines/install.ts"))
    const { InstallReporter } = yield* Effect.promise(() => import("../engines/InstallReporter.ts"))
    const { EngineCheck } = yield* Effect.promise(() => import("../engines/EngineCheck.ts"))
    yield* installTensorflow({
      engines: enginesFolder(environment()),
      gpu,
      wheels: wheel,
      libtensorflow: Option.getOrUndefined(libtensorflow),
      force
    }).pipe(
      Effect.tapError(({ message }) => InstallReporter.use(({ report }) => report({ event: "error", message }))),
      Effect.provide(Layer.mergeAll(InstallReporter.layer({ json }), EngineCheck.layer, FetchHttpClient.layer))
    )
  })).pipe(
    Command.withDescription(
      "Installs TensorFlow for Node: the npm package, and its addon compiled against a current libtensorflow. Without " +
        "--wheel and --libtensorflow the official archive is downloaded. It goes into the engines folder " +
        "(EFFUSION_ENGINES, or effusion/engines in XDG_DATA_HOME, or ~/.local/share/effusion/engines). Needs npm and a C++ " +
        "compiler. What was interrupted goes on when it is called again. docs/engines.md goes through it step by step."
    ),
    Command.withShortDescription("Install TensorFlow"),
    Command.withExamples([
      { command: "effusion engine install tensorflow", description: "For the CPU, from the official archive" },
      {
        command:
          "effusion engine install tensorflow --wheel tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl",
        description: "From a wheel (pip download --no-deps tensorflow-cpu)"
      },
      {
        command:
          "effusion engine install tensorflow --gpu --wheel tensorflow-2.21.0-....whl --wheel nvidia_cublas_cu12-....whl ...",
        description: "For an NVIDIA GPU, from all wheels of pip download \"tensorflow[and-cuda]\""
      }
    ])
  )

const install = Command.make("install").pipe(
  Command.withDescription("Installs an engine."),
  Command.withShortDescription("Install an engine"),
  Command.withSubcommands([tensorflow])
)

/** The `engine` command. */
export const engine = Command.make("engine").pipe(
  Command.withDescription("Shows, installs and examines the engines that Effusion computes with."),
  Command.withShortDescription("Show, install and examine engines"),
  Command.withSubcommands([list, install, doctor])
)
