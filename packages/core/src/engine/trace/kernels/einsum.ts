/**
 * tf.einsum, of one tensor or of two: as sums, a matrix product, and transposes.
 *
 * tfjs has no gradient of it. There is one here, of two more such sums: https://arxiv.org/abs/2010.10150 has others.
 */
import * as tf from "@tensorflow/tfjs"
import type { Value } from "../../graph/Graph.ts"
import type { Recorder } from "../Tracer.ts"
import type { Kernels } from "./kernel.ts"

/** A value whose axes have letters. */
interface Lettered {
  readonly value: Value
  readonly letters: ReadonlyArray<string>
}

export const einsum: Kernels = {
  Einsum: ({ attributes, inputs, recorder }) => {
    const { output, terms } = lettersOf(attributes["equation"] as string, inputs)
    const elsewhere = (i: number) => new Set([...output, ...terms.filter((_, other) => other !== i).flat()])
    const operands = terms.map((letters, i) =>
      summed(recorder, { value: recorder.cast(inputs[i]!, "float32"), letters }, elsewhere(i))
    )
    const [a, b] = operands
    return b === undefined
      ? arranged(recorder, a!, output)
      : arranged(recorder, product(recorder, a!, b, output), output)
  }
}

/**
 * The letters of the inputs and of the output.
 *
 * tfjs's own operation looks at nothing: each backend refuses what it cannot do, by functions that they share. Those look
 * neither at ranks nor at letters that the output has twice.
 *
 * @throws RangeError for what is no sum of one or two such tensors
 */
const lettersOf = (equation: string, inputs: ReadonlyArray<Value>) => {
  const refuse = (reason: string): never => {
    throw new RangeError(`tf.einsum of "${equation}": ${reason}`)
  }
  try {
    const { allDims, idDims } = tf.backend_util.decodeEinsumEquation(equation, inputs.length)
    // It reads shapes, and nothing else.
    tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, inputs as unknown as Array<tf.Tensor>)
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
  const [left, right] = equation.replaceAll(/\s/g, "").split("->") as [string, string]
  const terms = left.split(",").map((letters) => [...letters])
  const output = [...right]
  terms.forEach((letters, i) => {
    const { shape } = inputs[i]!
    if (letters.length !== shape.length) {
      refuse(
        `"${letters.join("")}" is for a tensor of rank ${letters.length}, and was given one of rank ${shape.length}`
      )
    }
  })
  const twice = output.find((letter, i) => output.indexOf(letter) !== i)
  return twice === undefined
    ? { output, terms }
    : refuse(`the output has "${twice}" twice; each letter is one axis of it`)
}

/** Summed over the axes whose letters nothing else has. */
const summed = (recorder: Recorder, { letters, value }: Lettered, needed: ReadonlySet<string>): Lettered => {
  const axes = letters.flatMap((letter, axis) => needed.has(letter) ? [] : [axis])
  if (axes.length === 0) return { letters, value }
  const kept = letters.filter((letter) => needed.has(letter))
  const shape = value.shape.filter((_, axis) => !axes.includes(axis))
  const operation = { kind: "reduce", function: "sum", axes, keepDims: false } as const
  return { letters: kept, value: recorder.append(operation, [value], shape, value.dtype) }
}

/** The product over the letters of both: matrices of what only one has, for each of what both and the output have. */
const product = (recorder: Recorder, a: Lettered, b: Lettered, output: ReadonlyArray<string>): Lettered => {
  const shared = a.letters.filter((letter) => b.letters.includes(letter))
  const batch = shared.filter((letter) => output.includes(letter))
  const inner = shared.filter((letter) => !output.includes(letter))
  const rows = a.letters.filter((letter) => !shared.includes(letter))
  const columns = b.letters.filter((letter) => !shared.includes(letter))
  const sizes = new Map(
    [a, b].flatMap(({ letters, value }) => letters.map((letter, axis) => [letter, value.shape[axis]!] as const))
  )
  const sizesOf = (letters: ReadonlyArray<string>) => letters.map((letter) => sizes.get(letter)!)
  const count = (letters: ReadonlyArray<string>) => sizesOf(letters).reduce((product, size) => product * size, 1)
  const shape = [count(batch), count(rows), count(columns)]
  const x = recorder.reshape(arranged(recorder, a, [...batch, ...rows, ...inner]), [shape[0]!, shape[1]!, count(inner)])
  const y = recorder.reshape(arranged(recorder, b, [...batch, ...inner, ...columns]), [
    shape[0]!,
    count(inner),
    shape[2]!
  ])
  const matrices = recorder.append({ kind: "matMul", transposeA: false, transposeB: false }, [x, y], shape, "float32")
  const letters = [...batch, ...rows, ...columns]
  return { letters, value: recorder.reshape(matrices, sizesOf(letters)) }
}

/** With its axes in another order. */
const arranged = (recorder: Recorder, { letters, value }: Lettered, order: ReadonlyArray<string>): Value =>
  order.every((letter, axis) => letter === letters[axis])
    ? value
    : recorder.transpose(value, order.map((letter) => letters.indexOf(letter)))
