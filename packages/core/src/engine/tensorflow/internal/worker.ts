/**
 * The worker thread that owns TensorFlow's sessions. A session blocks its thread while it computes, so it has one of its
 * own. The thread is started with the path of the addon; each thread that loads it has handles of its own.
 */
import { createRequire } from "node:module"
import { work } from "../../worker/serve.ts"
import type { Binding } from "../Binding.ts"
import { makeMachine } from "./machine.ts"

// Effect, which `installation/` is written with, would take longer to load than TensorFlow.
work(async (addon) => makeMachine(createRequire(import.meta.url)(addon as string) as Binding))
