/**
 * Sums of many elements, in part in float64 (`graph/sums.ts`): TensorFlow's own kernel adds along outer axes one element after
 * the other, and loses 3 % of a sum over 3 million of them. tfjs has no float64, so these work on the addon's tensors.
 */
import * as tf from "@tensorflow/tfjs"
import { sizeOf } from "../../../../tensor/HostTensor.ts"
import { needsFloat64, type Sum, sumInFloat64, type SumOperations, type SumType } from "../../../graph/sums.ts"
import { type Binding, float64, type OperationAttribute, type TensorHandle } from "../../Binding.ts"
import type { Attributes, Inputs, Kernel, Kernels } from "./kernel.ts"

const kernelOf = (of: Sum["of"]): Kernel => ({ x }, attributes, backend) => {
  const { axes, result } = geometryOf(x!, attributes)
  const operations = new Operations(backend.binding)
  const input: TensorHandle = {
    id: backend.getInputTensorIds([x!])[0]!,
    shape: x!.shape,
    dtype: backend.binding.TF_FLOAT
  }
  const sum = sumInFloat64(operations, input, { of, shape: x!.shape, axes, result })
  operations.release(sum)
  return backend.createOutputTensor(sum)
}

/** Sums and means. */
export const sums: Kernels = { Sum: kernelOf("sum"), Mean: kernelOf("mean") }

/** Whether a sum or a mean is made in part in float64. Shapes and divisors are int32 here. */
export const addsMany = (attributes: Attributes, { x }: Inputs): boolean => {
  const { axes, result } = geometryOf(x!, attributes)
  const isCountable = sizeOf(x!.shape) < 2 ** 31
  return x!.dtype === "float32" && isCountable &&
    needsFloat64(sizeOf(axes.map((axis) => x!.shape[axis]!)), sizeOf(result))
}

const geometryOf = ({ shape }: tf.TensorInfo, { axis, keepDims }: Attributes) => {
  const axes = tf.util.parseAxisParam(axis as number | Array<number>, shape).toSorted((a, b) => a - b)
  const [kept] = tf.backend_util.computeOutAndReduceShapes(shape, axes)
  return { axes, result: keepDims === true ? tf.backend_util.expandShapeToKeepDim(kept, axes) : kept }
}

/** TensorFlow's operations on the addon's tensors, and what they have made. */
class Operations implements SumOperations<TensorHandle> {
  private readonly binding: Binding
  private readonly made: Array<number> = []

  constructor(binding: Binding) {
    this.binding = binding
  }

  reshape(x: TensorHandle, shape: ReadonlyArray<number>): TensorHandle {
    return this.run("Reshape", [this.type("T", x.dtype), this.type("Tshape", this.binding.TF_INT32)], [
      x.id,
      this.integers(shape)
    ])
  }

  sum(x: TensorHandle, axes: ReadonlyArray<number>): TensorHandle {
    const { TF_ATTR_BOOL, TF_INT32 } = this.binding
    const keepDims = { name: "keep_dims", type: TF_ATTR_BOOL, value: false }
    return this.run("Sum", [this.type("T", x.dtype), this.type("Tidx", TF_INT32), keepDims], [
      x.id,
      this.integers(axes)
    ])
  }

  padSecond(x: TensorHandle, zeros: number): TensorHandle {
    const pairs = this.create([3, 2], Int32Array.of(0, 0, 0, zeros, 0, 0), this.binding.TF_INT32)
    return this.run("Pad", [this.type("T", x.dtype), this.type("Tpaddings", this.binding.TF_INT32)], [x.id, pairs])
  }

  widen(x: TensorHandle): TensorHandle {
    return this.cast(x, "float64")
  }

  narrow(x: TensorHandle): TensorHandle {
    return this.cast(x, "float32")
  }

  divide(x: TensorHandle, divisor: number): TensorHandle {
    const number = this.create([], Int32Array.of(divisor), this.binding.TF_INT32)
    const wide = this.cast({ id: number, shape: [], dtype: this.binding.TF_INT32 }, "float64")
    return this.run("RealDiv", [this.type("T", float64)], [x.id, wide.id])
  }

  /** Deletes all that was made but this. */
  release(kept: TensorHandle): void {
    for (const id of this.made) if (id !== kept.id) this.binding.deleteTensor(id)
  }

  private cast(x: TensorHandle, type: SumType): TensorHandle {
    const to = type === "float64" ? float64 : this.binding.TF_FLOAT
    const truncates = { name: "Truncate", type: this.binding.TF_ATTR_BOOL, value: false }
    return this.run("Cast", [this.type("SrcT", x.dtype), this.type("DstT", to), truncates], [x.id])
  }

  private type(name: string, value: number): OperationAttribute {
    return { name, type: this.binding.TF_ATTR_TYPE, value }
  }

  private integers(values: ReadonlyArray<number>): number {
    return this.create([values.length], Int32Array.from(values), this.binding.TF_INT32)
  }

  private create(shape: ReadonlyArray<number>, values: Int32Array, dtype: number): number {
    const id = this.binding.createTensor(shape, dtype, values)
    this.made.push(id)
    return id
  }

  private run(
    operation: string,
    attributes: ReadonlyArray<OperationAttribute>,
    inputs: ReadonlyArray<number>
  ): TensorHandle {
    const [output] = this.binding.executeOp(operation, attributes, inputs, 1)
    this.made.push(output!.id)
    return output!
  }
}
