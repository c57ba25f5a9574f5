/**
 * The operations of TensorFlow that lowering uses, as TensorFlow defines them (tensorflow/core/ops/*.cc): how many tensors
 * they take and give, and their attributes. Those in brackets have a default.
 */

/** An operation's definition. */
export interface Operator {
  /** Tensors taken, or the attribute that says how many (itself, or by what it lists), and how many besides. */
  readonly inputs: number | { readonly attribute: string; readonly besides: number }
  /** Tensors given, or the attribute that says how many. */
  readonly outputs: number | string
  readonly required: ReadonlyArray<string>
  readonly optional: ReadonlyArray<string>
}

/** `Name(inputs -> outputs) attributes [attributes with a default]`. */
const definitions = `
  Abs(1 -> 1) T
  Acos(1 -> 1) T
  Acosh(1 -> 1) T
  AddV2(2 -> 1) T
  All(2 -> 1) [keep_dims Tidx]
  Any(2 -> 1) [keep_dims Tidx]
  ArgMax(2 -> 1) T [Tidx output_type]
  ArgMin(2 -> 1) T [Tidx output_type]
  Asin(1 -> 1) T
  Asinh(1 -> 1) T
  AssignVariableOp(2 -> 0) dtype [validate_shape]
  Atan(1 -> 1) T
  Atanh(1 -> 1) T
  AvgPool(1 -> 1) T ksize strides padding [data_format]
  AvgPoolGrad(2 -> 1) T ksize strides padding [data_format]
  BatchMatMulV2(2 -> 1) T [adj_x adj_y grad_x grad_y]
  BroadcastTo(2 -> 1) T [Tidx]
  Cast(1 -> 1) SrcT DstT [Truncate]
  Ceil(1 -> 1) T
  ConcatV2(N+1 -> 1) N T [Tidx]
  Const(0 -> 1) dtype value
  Conv2D(2 -> 1) T strides padding [use_cudnn_on_gpu explicit_paddings data_format dilations]
  Conv2DBackpropFilter(3 -> 1) T strides padding [use_cudnn_on_gpu explicit_paddings data_format dilations]
  Conv2DBackpropInput(3 -> 1) T strides padding [use_cudnn_on_gpu explicit_paddings data_format dilations]
  Cos(1 -> 1) T
  Cosh(1 -> 1) T
  Cumsum(2 -> 1) T [exclusive reverse Tidx]
  DeepCopy(1 -> 1) T
  DepthwiseConv2dNative(2 -> 1) T strides padding [explicit_paddings data_format dilations]
  Div(2 -> 1) T
  Equal(2 -> 1) T [incompatible_shape_error]
  Erf(1 -> 1) T
  Exp(1 -> 1) T
  Floor(1 -> 1) T
  FloorDiv(2 -> 1) T
  FloorMod(2 -> 1) T
  GatherV2(3 -> 1) Tparams Tindices Taxis [batch_dims]
  Greater(2 -> 1) T
  GreaterEqual(2 -> 1) T
  Identity(1 -> 1) T
  IsFinite(1 -> 1) T
  IsInf(1 -> 1) T
  IsNan(1 -> 1) T
  Less(2 -> 1) T
  LessEqual(2 -> 1) T
  Log(1 -> 1) T
  LogSoftmax(1 -> 1) T
  LogicalAnd(2 -> 1)
  LogicalNot(1 -> 1)
  LogicalOr(2 -> 1)
  MatMul(2 -> 1) T [transpose_a transpose_b grad_a grad_b]
  Max(2 -> 1) T [keep_dims Tidx]
  MaxPool(1 -> 1) ksize strides padding [T explicit_paddings data_format]
  Maximum(2 -> 1) T
  Mean(2 -> 1) T [keep_dims Tidx]
  Min(2 -> 1) T [keep_dims Tidx]
  Minimum(2 -> 1) T
  Mul(2 -> 1) T
  Neg(1 -> 1) T
  NoOp(0 -> 0)
  NotEqual(2 -> 1) T [incompatible_shape_error]
  OneHot(4 -> 1) T [axis TI]
  Pad(2 -> 1) T [Tpaddings]
  PadV2(3 -> 1) T [Tpaddings]
  PartitionedCall(Tin+0 -> Tout) Tin Tout f [config config_proto executor_type]
  Placeholder(0 -> 1) dtype [shape]
  Pow(2 -> 1) T
  Prod(2 -> 1) T [keep_dims Tidx]
  ReadVariableOp(1 -> 1) dtype
  RealDiv(2 -> 1) T
  Reciprocal(1 -> 1) T
  Relu(1 -> 1) T
  Reshape(2 -> 1) T [Tshape]
  ReverseV2(2 -> 1) T [Tidx]
  Round(1 -> 1) T
  Rsqrt(1 -> 1) T
  SelectV2(3 -> 1) T
  Sigmoid(1 -> 1) T
  Sign(1 -> 1) T
  Sin(1 -> 1) T
  Sinh(1 -> 1) T
  Slice(3 -> 1) T Index
  Softmax(1 -> 1) T
  Softplus(1 -> 1) T
  SplitV(3 -> num_split) T num_split [Tlen]
  Sqrt(1 -> 1) T
  Square(1 -> 1) T
  StridedSlice(4 -> 1) T Index [begin_mask end_mask ellipsis_mask new_axis_mask shrink_axis_mask]
  Sub(2 -> 1) T
  Sum(2 -> 1) T [keep_dims Tidx]
  Tan(1 -> 1) T
  Tanh(1 -> 1) T
  Tile(2 -> 1) T [Tmultiples]
  TopKV2(2 -> 2) T [sorted Tk index_type]
  Transpose(2 -> 1) T [Tperm]
  VarHandleOp(0 -> 1) dtype shape [shared_name container]
`

const words = (list: string | undefined): ReadonlyArray<string> => (list ?? "").split(" ").filter((word) => word !== "")

const inputsOf = (written: string): Operator["inputs"] => {
  const [attribute, besides] = written.split("+") as [string, string?]
  return besides === undefined ? Number(attribute) : { attribute, besides: Number(besides) }
}

/** The definitions by name. */
export const operators: ReadonlyMap<string, Operator> = new Map(
  Array.from(
    definitions.matchAll(/^ *(\w+)\(([\w+]+) -> (\w+)\) ?([\w ]*?) ?(?:\[([\w ]+)\])?$/gm),
    ([, name, inputs, outputs, required, optional]) => [name!, {
      inputs: inputsOf(inputs!),
      outputs: /^\d+$/.test(outputs!) ? Number(outputs) : outputs!,
      required: words(required),
      optional: words(optional)
    }]
  )
)
