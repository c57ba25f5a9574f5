/**
 * The messages of TensorFlow's public protobuf schemas that a graph of ours uses, by their names and field numbers in
 * https://github.com/tensorflow/tensorflow/tree/master/tensorflow/core: protobuf/saved_model.proto,
 * protobuf/meta_graph.proto, framework/graph.proto, framework/versions.proto, framework/node_def.proto,
 * framework/function.proto, framework/op_def.proto, framework/attr_value.proto, framework/tensor.proto, framework/tensor_shape.proto and framework/types.proto. Decoding
 * skips whatever else a file holds.
 *
 * An attribute says its type by which of its fields is there, so zeros are written too: every type has explicit presence.
 */
import { type IType, Root, type Type } from "protobufjs/light.js"
import type { TensorflowType } from "../Model.ts"

/** `DataType` of types.proto. */
export const dataTypes: { readonly [T in TensorflowType]: number } = {
  float32: 1,
  float64: 2,
  int32: 3,
  int64: 9,
  bool: 10
}

/** Bytes of one element in `TensorProto.tensor_content`. */
export const bytesPerElement: { readonly [T in TensorflowType]: number } = {
  float32: 4,
  float64: 8,
  int32: 4,
  int64: 8,
  bool: 1
}

/** The field of a `TensorProto` that lists elements of a type one by one. */
export const elementFields = {
  float32: "floatVal",
  float64: "doubleVal",
  int32: "intVal",
  int64: "int64Val",
  bool: "boolVal"
} as const

const messages: { readonly [name: string]: IType } = {
  SavedModel: {
    fields: {
      savedModelSchemaVersion: { type: "int64", id: 1 },
      metaGraphs: { rule: "repeated", type: "MetaGraphDef", id: 2 }
    }
  },
  MetaGraphDef: {
    fields: {
      metaInfoDef: { type: "MetaInfoDef", id: 1 },
      graphDef: { type: "GraphDef", id: 2 }
    },
    nested: {
      MetaInfoDef: { fields: { tags: { rule: "repeated", type: "string", id: 4 } } }
    }
  },
  GraphDef: {
    fields: {
      node: { rule: "repeated", type: "NodeDef", id: 1 },
      library: { type: "FunctionDefLibrary", id: 2 },
      versions: { type: "VersionDef", id: 4 }
    }
  },
  VersionDef: {
    fields: {
      producer: { type: "int32", id: 1 },
      minConsumer: { type: "int32", id: 2 }
    }
  },
  FunctionDefLibrary: { fields: { function: { rule: "repeated", type: "FunctionDef", id: 1 } } },
  FunctionDef: {
    fields: {
      signature: { type: "OpDef", id: 1 },
      nodeDef: { rule: "repeated", type: "NodeDef", id: 3 },
      ret: { rule: "repeated", type: "RetEntry", id: 4 },
      attr: { rule: "repeated", type: "AttrEntry", id: 5 }
    },
    nested: {
      RetEntry: {
        fields: {
          key: { type: "string", id: 1 },
          value: { type: "string", id: 2 }
        }
      }
    }
  },
  OpDef: {
    fields: {
      name: { type: "string", id: 1 },
      inputArg: { rule: "repeated", type: "ArgDef", id: 2 },
      outputArg: { rule: "repeated", type: "ArgDef", id: 3 }
    },
    nested: {
      ArgDef: {
        fields: {
          name: { type: "string", id: 1 },
          type: { type: "int32", id: 3 }
        }
      }
    }
  },
  NodeDef: {
    fields: {
      name: { type: "string", id: 1 },
      op: { type: "string", id: 2 },
      input: { rule: "repeated", type: "string", id: 3 },
      attr: { rule: "repeated", type: "AttrEntry", id: 5 }
    }
  },
  // A map field is a list of entries (https://protobuf.dev/programming-guides/proto3/#maps).
  AttrEntry: {
    fields: {
      key: { type: "string", id: 1 },
      value: { type: "AttrValue", id: 2 }
    }
  },
  AttrValue: {
    fields: {
      list: { type: "ListValue", id: 1 },
      s: { type: "bytes", id: 2 },
      i: { type: "int64", id: 3 },
      f: { type: "float", id: 4 },
      b: { type: "bool", id: 5 },
      type: { type: "int32", id: 6 },
      shape: { type: "TensorShapeProto", id: 7 },
      tensor: { type: "TensorProto", id: 8 },
      func: { type: "NameAttrList", id: 10 }
    },
    nested: {
      ListValue: {
        fields: {
          i: { rule: "repeated", type: "int64", id: 3 },
          type: { rule: "repeated", type: "int32", id: 6 }
        }
      }
    }
  },
  NameAttrList: { fields: { name: { type: "string", id: 1 } } },
  TensorShapeProto: {
    fields: { dim: { rule: "repeated", type: "Dim", id: 2 } },
    nested: { Dim: { fields: { size: { type: "int64", id: 1 } } } }
  },
  TensorProto: {
    fields: {
      dtype: { type: "int32", id: 1 },
      tensorShape: { type: "TensorShapeProto", id: 2 },
      tensorContent: { type: "bytes", id: 4 },
      floatVal: { rule: "repeated", type: "float", id: 5 },
      doubleVal: { rule: "repeated", type: "double", id: 6 },
      intVal: { rule: "repeated", type: "int32", id: 7 },
      int64Val: { rule: "repeated", type: "int64", id: 10 },
      boolVal: { rule: "repeated", type: "bool", id: 11 }
    }
  }
}

const explicitPresence = { features: { field_presence: "EXPLICIT" } }

/** The codec of a whole SavedModel. */
export const savedModelProto: Type = Root.fromJSON({
  nested: Object.fromEntries(
    Object.entries(messages).map(([name, type]) => [name, { ...type, options: explicitPresence }])
  )
}).lookupType("SavedModel")
