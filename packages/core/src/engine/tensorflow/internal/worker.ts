/**
 * The worker thread that owns TensorFlow's sessions. A session blocks its thread while it computes, so it has one of its
 * own. The thread is started with the path of the addon; each thread that loads it has handles of its own.
 */
import { constants, platform } from "node:os"
import { work } from "../../worker/serve.ts"
import type { Binding } from "../Binding.ts"
import { makeMachine } from "./machine.ts"

/** `RTLD_NODELETE`, which Node has no name for. */
const neverUnloaded = platform() === "darwin" ? 0x80 : 0x1000

/**
 * Loads the addon until the process ends. Node unloads what a worker thread has loaded when the thread ends, and
 * libtensorflow has threads and exit handlers that are still there then: the process would end with a segmentation fault.
 */
const load = (addon: string): Binding => {
  const module = { exports: {} }
  process.dlopen(module, addon, constants.dlopen.RTLD_LAZY | neverUnloaded)
  return module.exports as Binding
}

// Effect, which `installation/` is written with, would take longer to load than TensorFlow.
work(async (addon) => makeMachine(load(addon as string)))
