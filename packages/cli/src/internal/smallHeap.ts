/**
 * How much memory V8 takes for JavaScript's own objects, which here are small: what is large (states, batches, what steps
 * compute) is in typed arrays and in native memory.
 */
import { setFlagsFromString } from "node:v8"

/**
 * Keeps V8's heap in this process near to what is in use, in place of some multiple of it. That is a matter of a whole
 * process, so it is for programs to decide: no library does it. To be called before anything large is imported.
 *
 * @example
 * keepHeapSmall()
 * const { runMain } = await import("./runMain.ts")
 */
export const keepHeapSmall = (): void => {
  keepYoungSpaceSmall()
  process.on("worker", (worker) =>
    worker.once("online", () => {
      // Where a heap is made, as for this thread, the growth of all of them is set to what is usual.
      keepYoungSpaceSmall()
      // From now on garbage is collected when there is a third as much as is in use, not as much again and more. Before an
      // engine has its thread, while modules are loaded and data read, that would take time: reading the digits twice as much.
      setFlagsFromString("--optimize-for-size")
    }))
}

/**
 * The space for young objects stays as it is at first, 1 MiB; modules that are loaded would make 16 of it, twice over. The
 * option `--max-semi-space-size` would say the same, but only at the start of a process.
 */
const keepYoungSpaceSmall = (): void => setFlagsFromString("--semi-space-growth-factor=1")
