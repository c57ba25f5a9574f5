/**
 * The names of operations' outputs (tensorflow/core/ops/*.cc). In a graph outputs are numbered; in a function they are
 * called by name, and numbered where a name stands for a list.
 */

const unary = new Set([
  "Abs",
  "Acos",
  "Acosh",
  "Asin",
  "Asinh",
  "Atan",
  "Atanh",
  "Cast",
  "Ceil",
  "Cos",
  "Cosh",
  "Erf",
  "Exp",
  "Floor",
  "IsFinite",
  "IsInf",
  "IsNan",
  "Log",
  "LogicalNot",
  "Neg",
  "Reciprocal",
  "Round",
  "Rsqrt",
  "Sigmoid",
  "Sign",
  "Sin",
  "Sinh",
  "Sqrt",
  "Square",
  "Tan",
  "Tanh",
  "Transpose"
])

const binary = new Set([
  "AddV2",
  "Div",
  "Equal",
  "FloorDiv",
  "FloorMod",
  "Greater",
  "GreaterEqual",
  "Less",
  "LessEqual",
  "LogicalAnd",
  "LogicalOr",
  "Maximum",
  "Minimum",
  "Mul",
  "NotEqual",
  "Pow",
  "RealDiv",
  "Sub"
])

const others: ReadonlyMap<string, string> = new Map([
  ["Cumsum", "out"],
  ["LogSoftmax", "logsoftmax"],
  ["MatMul", "product"],
  ["Relu", "activations"],
  ["Softmax", "softmax"],
  ["Softplus", "activations"]
])

/** An output of an operation, as a function's nodes call it after the node's name. */
export const outputOf = (op: string, output: number): string => {
  if (op === "TopKV2") return `${["values", "indices"][output]}:0`
  const name = unary.has(op) ? "y" : binary.has(op) ? "z" : others.get(op) ?? "output"
  return `${name}:${output}`
}
