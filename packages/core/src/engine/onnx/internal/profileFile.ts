/**
 * The file that ONNX Runtime's profiler writes: a list of events in Chrome's trace format, one for each node that was run
 * and one for each run, in the order in which they ended.
 */

/** One run of a program. */
export interface TimedRun {
  /** From the call of the session to its return. */
  readonly microseconds: number
  /** In the order in which they were run, one after the other. */
  readonly nodes: ReadonlyArray<TimedNode>
}

/** A node that was run. */
export interface TimedNode {
  readonly name: string
  /** The operator that ran. ONNX Runtime's optimizer may have put it, and a new name, in the place of the model's. */
  readonly kernel: string
  readonly microseconds: number
}

/** What is read of an event. */
interface ProfilerEvent {
  readonly cat: string
  readonly name: string
  /** Microseconds. */
  readonly dur: number
  readonly args?: { readonly op_name?: string }
}

const kernelSuffix = "_kernel_time"

/**
 * The runs in a profile. One that is cut off, as the last one is where there are more events than the profiler keeps (a
 * million), is none.
 *
 * @throws SyntaxError when the text is no JSON
 * @example
 * readRuns(text)[0].nodes[0] // => { name: "Conv_12", kernel: "Conv", microseconds: 530 }
 */
export const readRuns = (text: string): ReadonlyArray<TimedRun> => {
  const runs: Array<TimedRun> = []
  let nodes: Array<TimedNode> = []
  for (const { args, cat, dur, name } of JSON.parse(text) as ReadonlyArray<ProfilerEvent>) {
    if (cat === "Node" && name.endsWith(kernelSuffix)) {
      nodes.push({ name: name.slice(0, -kernelSuffix.length), kernel: args?.op_name ?? "", microseconds: dur })
    }
    if (cat === "Session" && name === "model_run") {
      runs.push({ microseconds: dur, nodes })
      nodes = []
    }
  }
  return runs
}
