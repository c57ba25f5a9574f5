/**
 * Signatures: whether the host tensors that a caller gives are those that a program declares.
 */
import { type HostTensor, sameShape, showShape, sizeOf, type TensorSpec } from "../../tensor/HostTensor.ts"
import { SignatureMismatch } from "../EngineError.ts"

type Specs = { readonly [name: string]: TensorSpec }
type HostTensors = { readonly [name: string]: HostTensor }

/**
 * The first difference between tensors and what a program declares for them, if there is one: a name that is missing or
 * unknown, another shape or dtype, or an array that does not hold them.
 *
 * @param role what the tensors are to the program, for the message: `state` or `input`
 */
export const mismatch = (
  program: string,
  role: "state" | "input",
  specs: Specs,
  tensors: HostTensors
): SignatureMismatch | undefined => {
  for (const [name, spec] of Object.entries(specs)) {
    const tensor = Object.hasOwn(tensors, name) ? tensors[name] : undefined
    if (tensor === undefined || !matches(spec, tensor)) {
      return new SignatureMismatch({
        program,
        argument: `${role} "${name}"`,
        expected: show(spec),
        actual: describe(tensor)
      })
    }
  }
  for (const [name, tensor] of Object.entries(tensors)) {
    if (Object.hasOwn(specs, name)) continue
    const names = Object.keys(specs).map((name) => `"${name}"`)
    const expected = `absent (it has ${names.length === 0 ? `no ${role}` : `${role} ${names.join(", ")}`})`
    return new SignatureMismatch({ program, argument: `${role} "${name}"`, expected, actual: describe(tensor) })
  }
  return undefined
}

const matches = (spec: TensorSpec, tensor: HostTensor): boolean =>
  tensor.dtype === spec.dtype && sameShape(tensor.shape, spec.shape) && holds(tensor)

/** Whether a tensor's array is of its dtype and has the elements of its shape. */
const holds = ({ data, dtype, shape }: HostTensor): boolean =>
  (dtype === "float32" ? data instanceof Float32Array : data instanceof Int32Array) && data.length === sizeOf(shape)

const show = ({ dtype, shape }: TensorSpec): string => `${dtype} ${showShape(shape)}`

const describe = (tensor: HostTensor | undefined): string => {
  if (tensor === undefined) return "nothing"
  return holds(tensor)
    ? show(tensor)
    : `${show(tensor)} in a ${tensor.data.constructor.name} of ${tensor.data.length} elements`
}
