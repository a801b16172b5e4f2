/**
 * The parts of a JSON schema that may have two types in JSON (object or boolean, object or list). In protobuf each is a message
 * with one field per type.
 *
 * Source: apiextensions-apiserver `generated.proto` (JSONSchemaPropsOrArray, …OrBool, …OrStringArray).
 */

import type { JsonValue } from '../json.ts';
import { isJsonObject } from '../json.ts';
import { type ScalarCodec, scalarCodecs } from './protobuf-scalars.ts';
import { lengthWire, ProtobufError, varintWire } from './protobuf-wire.ts';

/** The codecs by Go type. For a map type it is the codec of its values. @param jsonSchema the codec of JSONSchemaProps */
export function schemaUnionCodecs(jsonSchema: ScalarCodec): Readonly<Record<string, ScalarCodec>> {
  return {
    'v1.JSONSchemaPropsOrArray': schemaUnion(jsonSchema, { schema: 1, list: 2, item: jsonSchema }),
    'v1.JSONSchemaPropsOrBool': schemaUnion(jsonSchema, { schema: 2, allows: 1 }),
    'v1.JSONSchemaDependencies': schemaUnion(jsonSchema, { schema: 1, list: 2, item: scalarCodecs.string }),
  };
}

interface SchemaUnion {
  /** Number of the field that holds a schema. */
  schema: number;
  /** Number of the field that holds a boolean. */
  allows?: number;
  /** Number of the field that holds a list. */
  list?: number;
  item?: ScalarCodec;
}

function schemaUnion(jsonSchema: ScalarCodec, { schema, allows, list, item }: SchemaUnion): ScalarCodec {
  return {
    wire: lengthWire,
    zero: undefined,
    read(reader) {
      const end = reader.lengthEnd(reader.bytes.length);
      let [object, flag]: (JsonValue | undefined)[] = [];
      const items: JsonValue[] = [];
      while (reader.position < end) {
        const tag = reader.varint();
        if (tag === schema * 8 + lengthWire) object = jsonSchema.read(reader);
        else if (allows !== undefined && tag === allows * 8) flag = reader.varint() !== 0;
        else if (list !== undefined && item !== undefined && tag === list * 8 + lengthWire) items.push(item.read(reader) ?? null);
        else reader.skip(tag & 7);
      }
      if (reader.position !== end) throw new ProtobufError('unexpected EOF');
      return object ?? (list === undefined ? (flag ?? false) : items);
    },
    write(writer, value, field) {
      const mark = writer.size;
      if (isJsonObject(value)) {
        jsonSchema.write(writer, value, field);
        writer.tag(schema, lengthWire);
      } else if (Array.isArray(value) && list !== undefined && item !== undefined) {
        for (const each of value.toReversed()) {
          item.write(writer, each, field);
          writer.tag(list, lengthWire);
        }
      } else if (typeof value === 'boolean' && allows !== undefined) {
        writer.varint(value ? 1 : 0);
        writer.tag(allows, varintWire);
      } else {
        throw new ProtobufError(`field "${field}": cannot encode ${JSON.stringify(value)} as part of a JSON schema`);
      }
      writer.lengthSince(mark);
    },
  };
}
