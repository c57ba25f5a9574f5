/**
 * A process of its own that loads an addon and adds two numbers with it. Its argument is the path of the addon; it answers
 * with a line of JSON.
 */
import { loadBinding } from "@effusion/core/engine/tensorflow/installation"

/** What the process answers. */
export type Computed = { readonly sum: number } | { readonly error: string }

const compute = (addon: string): Computed => {
  try {
    const binding = loadBinding(addon)
    const number = (value: number) => binding.createTensor([1], binding.TF_FLOAT, Float32Array.of(value))
    const type = { name: "T", type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT }
    const [sum] = binding.executeOp("AddV2", [type], [number(2), number(3)], 1)
    return { sum: binding.tensorDataSync(sum!.id)[0]! }
  } catch (cause) {
    return { error: cause instanceof Error ? cause.message : String(cause) }
  }
}

process.stdout.write(JSON.stringify(compute(process.argv[2]!)))
