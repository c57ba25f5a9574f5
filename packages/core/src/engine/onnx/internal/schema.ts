/**
 * The messages of ONNX's protobuf schema that a model of ours uses, by their names and field numbers in `onnx.proto3`
 * (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3). Decoding skips whatever else a file holds.
 *
 * ONNX tells a field that is zero from one that is not there (an axis of size 0 from one of unknown size), so zeros are
 * written too: every type has explicit presence.
 */
import { type IType, Root, type Type } from "protobufjs/light.js"
import type { OnnxAttribute, OnnxType } from "../Model.ts"

/** `TensorProto.DataType`. */
export const dataTypes: { readonly [T in OnnxType]: number } = { float32: 1, int32: 6, int64: 7, bool: 9, float64: 11 }

/** Bytes of one element in `TensorProto.raw_data`. */
export const bytesPerElement: { readonly [T in OnnxType]: 1 | 4 | 8 } = {
  float32: 4,
  int32: 4,
  int64: 8,
  bool: 1,
  float64: 8
}

/** `TensorProto.DataLocation`: elements are in a file of their own. */
export const external = 1

/** `AttributeProto.AttributeType`. */
export const attributeTypes: { readonly [T in OnnxAttribute["type"]]: number } = {
  float: 1,
  int: 2,
  string: 3,
  floats: 6,
  ints: 7
}

const messages: { readonly [name: string]: IType } = {
  ModelProto: {
    fields: {
      irVersion: { type: "int64", id: 1 },
      producerName: { type: "string", id: 2 },
      graph: { type: "GraphProto", id: 7 },
      opsetImport: { rule: "repeated", type: "OperatorSetIdProto", id: 8 }
    }
  },
  OperatorSetIdProto: {
    fields: {
      domain: { type: "string", id: 1 },
      version: { type: "int64", id: 2 }
    }
  },
  GraphProto: {
    fields: {
      node: { rule: "repeated", type: "NodeProto", id: 1 },
      name: { type: "string", id: 2 },
      initializer: { rule: "repeated", type: "TensorProto", id: 5 },
      input: { rule: "repeated", type: "ValueInfoProto", id: 11 },
      output: { rule: "repeated", type: "ValueInfoProto", id: 12 }
    }
  },
  NodeProto: {
    fields: {
      input: { rule: "repeated", type: "string", id: 1 },
      output: { rule: "repeated", type: "string", id: 2 },
      name: { type: "string", id: 3 },
      opType: { type: "string", id: 4 },
      attribute: { rule: "repeated", type: "AttributeProto", id: 5 },
      domain: { type: "string", id: 7 }
    }
  },
  AttributeProto: {
    fields: {
      name: { type: "string", id: 1 },
      f: { type: "float", id: 2 },
      i: { type: "int64", id: 3 },
      s: { type: "bytes", id: 4 },
      floats: { rule: "repeated", type: "float", id: 7 },
      ints: { rule: "repeated", type: "int64", id: 8 },
      type: { type: "int32", id: 20 }
    }
  },
  TensorProto: {
    fields: {
      dims: { rule: "repeated", type: "int64", id: 1 },
      dataType: { type: "int32", id: 2 },
      name: { type: "string", id: 8 },
      rawData: { type: "bytes", id: 9 },
      externalData: { rule: "repeated", type: "StringStringEntryProto", id: 13 },
      dataLocation: { type: "int32", id: 14 }
    }
  },
  StringStringEntryProto: {
    fields: {
      key: { type: "string", id: 1 },
      value: { type: "string", id: 2 }
    }
  },
  ValueInfoProto: {
    fields: {
      name: { type: "string", id: 1 },
      type: { type: "TypeProto", id: 2 }
    }
  },
  TypeProto: {
    fields: { tensorType: { type: "Tensor", id: 1 } },
    nested: {
      Tensor: {
        fields: {
          elemType: { type: "int32", id: 1 },
          shape: { type: "TensorShapeProto", id: 2 }
        }
      }
    }
  },
  TensorShapeProto: {
    fields: { dim: { rule: "repeated", type: "Dimension", id: 1 } },
    nested: { Dimension: { fields: { dimValue: { type: "int64", id: 1 } } } }
  }
}

const explicitPresence = { features: { field_presence: "EXPLICIT" } }

/** The codec of a whole model. */
export const modelProto: Type = Root.fromJSON({
  nested: Object.fromEntries(
    Object.entries(messages).map(([name, type]) => [name, { ...type, options: explicitPresence }])
  )
}).lookupType("ModelProto")
