/**
 * How much memory V8 takes for JavaScript's own objects, which here are small: what is large (states, batches, what steps
 * compute) is in typed arrays and in native memory.
 */
import { setFlagsFromString } from "node:v8"

/**
 * Keeps the space for young objects as it is at first, 1 MiB, in this process; modules that are loaded would make 16 of it, twice
 * over. (The option `--max-semi-space-size` would say the same, but only at the start of a process.) That is a matter of a whole
 * process, so it is for programs to decide: no library does it. To be called before anything large is imported.
 *
 * @example
 * keepHeapSmall()
 * const { runMain } = await import("./runMain.ts")
 */
export const keepHeapSmall = (): void => {
  keepYoungSpace()
  // Where a heap is made, as for a worker thread, the growth of all of them is set to what is usual until the thread has begun;
  // one that ends may have made another.
  process.on("worker", (worker) => worker.once("online", keepYoungSpace).once("exit", keepYoungSpace))
}

const keepYoungSpace = (): void => setFlagsFromString("--semi-space-growth-factor=1")
