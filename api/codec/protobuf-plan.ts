/**
 * Builds a plan from the schema facts of each type: a table of fields by number, each with functions that encode and decode it. A
 * plan is built once per type.
 *
 * A decoded object equals what Go's JSON would show for the same message. The zero of a non-pointer scalar means absent, unless
 * Go always writes the field. The zero of a pointer is a value. zeros.ts adds the fields that are always present.
 */
import { isJsonObject } from '#api/json.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { type FieldFacts, type FieldType, type ScalarKind, type TypeFacts, typeFacts } from '../schema/facts.ts';
import { fillZeros, zeroOf } from '../schema/zeros.ts';
import { memberValues } from './limits.ts';
import { type ScalarCodec, scalarCodecs } from './protobuf-scalars.ts';
import { schemaUnionCodecs } from './protobuf-schema-unions.ts';
import { lengthWire, ProtobufError, type WireReader, type WireWriter } from './protobuf-wire.ts';

/**
 * One field number of a message. It stands for a JSON field, or for a struct that Go embeds and whose fields JSON shows in the
 * outer object.
 */
interface PlannedField {
  number: number;
  /** The field's name in Go, for error texts. */
  goName: string;
  wire: number;
  read(reader: WireReader, target: JsonObject, wire: number): void;
  /** Writes the field; nothing when the object does not have it. */
  write(writer: WireWriter, source: JsonObject): void;
}

interface Plan {
  goName: string;
  byNumber: (PlannedField | undefined)[];
  /** The fields from the highest number to the lowest, because the writer works backwards. */
  descending: PlannedField[];
  /** The type whose always-present fields are added after reading. Undefined for an embedded struct: its outer type adds them. */
  typeName: string | undefined;
}

/**
 * The key is the facts, not the type's name: a type that is not built in may be removed, and another one added with the same
 * name.
 */
const plans = new WeakMap<TypeFacts, Plan>();

function planOf(typeName: string): Plan {
  const facts = typeFacts(typeName);
  let plan = plans.get(facts);
  if (plan === undefined) {
    plan = buildPlan(
      facts.goName,
      typeName,
      facts.fields.map((field) => ({ field, path: field.protoPath })),
    );
    plans.set(facts, plan);
  }
  return plan;
}

interface Placed {
  field: FieldFacts;
  /** The rest of the field's path of numbers, from this level on. */
  path: readonly number[];
}

function buildPlan(goName: string, typeName: string | undefined, placed: readonly Placed[]): Plan {
  const fields: PlannedField[] = [];
  for (const { field, path } of placed) if (path.length === 1) fields.push(fieldPlan(field, path[0] as number));
  const nested = placed.filter(({ path }) => path.length > 1);
  for (const number of new Set(nested.map(({ path }) => path[0] as number))) {
    const inside = nested.filter(({ path }) => path[0] === number).map(({ field, path }) => ({ field, path: path.slice(1) }));
    fields.push(embeddedPlan(goName, number, inside));
  }
  const byNumber: Plan['byNumber'] = [];
  for (const field of fields) byNumber[field.number] = field;
  return { goName, typeName, byNumber, descending: fields.sort((a, b) => b.number - a.number) };
}

function fieldPlan(field: FieldFacts, number: number): PlannedField {
  const { type, name } = field;
  const goName = name.charAt(0).toUpperCase() + name.slice(1);
  // A list type that Go marshals as a message of one field (meta/v1 Verbs).
  if (field.goType === 'v1.Verbs') return { number, goName, wire: lengthWire, ...wrappedListIo(name, number) };
  if (type.kind === 'list') {
    return type.item.kind === 'ref'
      ? { number, goName, wire: lengthWire, ...messageListIo(name, number, type.item.name) }
      : { number, goName, ...scalarListIo(name, number, valueCodec(type.item)) };
  }
  if (type.kind === 'map')
    return { number, goName, wire: lengthWire, ...mapIo(name, number, valueCodec(type.value, field.goType)) };
  if (type.kind === 'ref') return { number, goName, wire: lengthWire, ...messageIo(name, number, type.name) };
  return { number, goName, ...scalarIo(name, number, codecOf(type.kind, field.goType), field.pointer) };
}

type FieldIo = Pick<PlannedField, 'read' | 'write'>;

function scalarIo(name: string, number: number, codec: ScalarCodec, keepsZero: boolean): FieldIo & { wire: number } {
  return {
    wire: codec.wire,
    read(reader, target) {
      const value = codec.read(reader);
      // The last value on the wire counts, so a zero removes an earlier value. A Quantity is never absent in JSON.
      if (value === undefined || (value === codec.zero && !keepsZero && value !== '0')) delete target[name];
      else target[name] = value;
    },
    write(writer, source) {
      const value = source[name];
      if (value === undefined || value === null) return;
      codec.write(writer, value, name);
      writer.tag(number, codec.wire);
    },
  };
}

function scalarListIo(name: string, number: number, codec: ScalarCodec): FieldIo & { wire: number } {
  return {
    wire: codec.wire,
    read(reader, target, wire) {
      const list = (target[name] ??= []) as JsonValue[];
      if (wire === codec.wire) {
        list.push(codec.read(reader) ?? null);
        return;
      }
      // Packed encoding: the numbers one after the other in one length-delimited field. A reader must accept packed and unpacked.
      const end = reader.lengthEnd(reader.bytes.length);
      while (reader.position < end) {
        reader.count();
        list.push(codec.read(reader) ?? null);
      }
      if (reader.position !== end) throw new ProtobufError('unexpected EOF');
    },
    write(writer, source) {
      const list = listOf(source, name);
      for (let index = list.length - 1; index >= 0; index--) {
        codec.write(writer, list[index] as JsonValue, name);
        writer.tag(number, codec.wire);
      }
    },
  };
}

function messageIo(name: string, number: number, typeName: string): FieldIo {
  let plan: Plan | undefined;
  return {
    read(reader, target) {
      plan ??= planOf(typeName);
      const existing = target[name];
      const into = isJsonObject(existing) ? existing : {};
      readDelimited(plan, reader, into);
      target[name] = into;
    },
    write(writer, source) {
      const value = source[name];
      if (value === undefined || value === null) return;
      plan ??= planOf(typeName);
      writeDelimited(plan, writer, value, name);
      writer.tag(number, lengthWire);
    },
  };
}

function messageListIo(name: string, number: number, typeName: string): FieldIo {
  let plan: Plan | undefined;
  return {
    read(reader, target) {
      plan ??= planOf(typeName);
      const item: JsonObject = {};
      readDelimited(plan, reader, item);
      ((target[name] ??= []) as JsonValue[]).push(item);
    },
    write(writer, source) {
      const list = listOf(source, name);
      plan ??= planOf(typeName);
      for (let index = list.length - 1; index >= 0; index--) {
        writeDelimited(plan, writer, list[index] as JsonValue, name);
        writer.tag(number, lengthWire);
      }
    },
  };
}

function wrappedListIo(name: string, number: number): FieldIo {
  const codec = wrappedStrings;
  return {
    read(reader, target) {
      target[name] = codec.read(reader) as JsonValue;
    },
    write(writer, source) {
      const value = source[name];
      if (value === undefined || value === null) return;
      codec.write(writer, value, name);
      writer.tag(number, lengthWire);
    },
  };
}

/** The entries of a map are messages `{key = 1, value = 2}`. Go writes them sorted by key, and so does this code. */
function mapIo(name: string, number: number, codec: ScalarCodec): FieldIo {
  return {
    read(reader, target) {
      const end = reader.lengthEnd(reader.bytes.length);
      let key = '';
      let value: JsonValue | undefined;
      while (reader.position < end) {
        const tag = reader.varint();
        if (tag === 8 + lengthWire) key = reader.string();
        else if (tag === 16 + codec.wire) value = codec.read(reader);
        else reader.skip(tag & 7);
      }
      if (reader.position !== end) throw new ProtobufError('unexpected EOF');
      const map = (target[name] ??= {}) as JsonObject;
      reader.count(memberValues - 1);
      setOwn(map, key, value ?? codec.zero ?? null);
    },
    write(writer, source) {
      const map = source[name];
      if (map === undefined || map === null) return;
      if (!isJsonObject(map)) throw new ProtobufError(`cannot encode field "${name}": not an object`);
      for (const key of Object.keys(map).sort().reverse()) {
        const value = map[key];
        if (value === undefined || value === null) continue;
        const mark = writer.size;
        codec.write(writer, value, name);
        writer.tag(2, codec.wire);
        writer.string(key);
        writer.tag(1, lengthWire);
        writer.lengthSince(mark);
        writer.tag(number, lengthWire);
      }
    },
  };
}

/** Sets a map's key. Also the key `__proto__` becomes a field; it does not set the object's prototype. */
function setOwn(map: JsonObject, key: string, value: JsonValue): void {
  if (key === '__proto__') Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
  else map[key] = value;
}

function embeddedPlan(outer: string, number: number, inside: readonly Placed[]): PlannedField {
  const plan = buildPlan(outer, undefined, inside);
  return {
    number,
    goName: outer,
    wire: lengthWire,
    read: (reader, target) => readDelimited(plan, reader, target),
    write(writer, source) {
      const mark = writer.size;
      writeFields(plan, writer, source);
      if (writer.size === mark) return;
      writer.lengthSince(mark);
      writer.tag(number, lengthWire);
    },
  };
}

/** The codec of the values of a list or map. Each value is length-delimited or a scalar. */
function valueCodec(type: FieldType, goType?: string): ScalarCodec {
  if (type.kind === 'list') return wrappedStrings;
  if (type.kind === 'map') throw new Error('schema facts: protobuf has no maps of maps');
  if (type.kind !== 'ref') return codecOf(type.kind, goType);
  const { name } = type;
  return {
    wire: lengthWire,
    get zero() {
      return zeroOf(type);
    },
    read(reader) {
      const target: JsonObject = {};
      readDelimited(planOf(name), reader, target);
      return target;
    },
    write: (writer, value) => writeDelimited(planOf(name), writer, value, name),
  };
}

/** In CustomResourceDefinitions, some JSON values of several types are messages with a field for each type. */
function codecOf(kind: ScalarKind, goType: string | undefined): ScalarCodec {
  return (kind === 'json' && goType !== undefined ? schemaUnions[goType] : undefined) ?? scalarCodecs[kind];
}

const schemaUnions = schemaUnionCodecs(valueCodec({ kind: 'ref', name: 'apiextensions/v1.JSONSchemaProps' }));

/**
 * A list of strings as a message `{items = 1}`, because protobuf has no lists as values of maps (authentication's ExtraValue).
 */
const wrappedStrings: ScalarCodec = {
  wire: lengthWire,
  zero: [],
  read(reader) {
    const end = reader.lengthEnd(reader.bytes.length);
    const items: JsonValue[] = [];
    while (reader.position < end) {
      const tag = reader.varint();
      if (tag === 8 + lengthWire) items.push(reader.string());
      else reader.skip(tag & 7);
    }
    if (reader.position !== end) throw new ProtobufError('unexpected EOF');
    return items;
  },
  write(writer, value, field) {
    if (!Array.isArray(value)) throw new ProtobufError(`field "${field}": not a list of strings`);
    const mark = writer.size;
    for (let index = value.length - 1; index >= 0; index--) {
      scalarCodecs.string.write(writer, value[index] as JsonValue, field);
      writer.tag(1, lengthWire);
    }
    writer.lengthSince(mark);
  },
};

function listOf(source: JsonObject, name: string): JsonValue[] {
  const list = source[name];
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) throw new ProtobufError(`cannot encode field "${name}": not a list`);
  return list;
}

function readDelimited(plan: Plan, reader: WireReader, target: JsonObject): void {
  const end = reader.lengthEnd(reader.bytes.length);
  reader.enter();
  readFields(plan, reader, end, target);
  reader.leave();
}

function readFields(plan: Plan, reader: WireReader, end: number, target: JsonObject): void {
  while (reader.position < end) {
    const tag = reader.varint();
    const number = Math.floor(tag / 8);
    const wire = tag & 7;
    const field = plan.byNumber[number];
    if (field !== undefined) {
      // Numbers may be packed. Any other field must have its own wire type.
      if (wire !== field.wire && !(wire === lengthWire && field.wire !== lengthWire)) {
        throw new ProtobufError(`proto: wrong wireType = ${wire} for field ${field.goName}`);
      }
      reader.count();
      field.read(reader, target, wire);
    } else if (number === 0) {
      throw new ProtobufError(`proto: ${plan.goName}: illegal tag 0 (wire type ${tag})`);
    } else if (wire === 4) {
      throw new ProtobufError(`proto: ${plan.goName}: wiretype end group for non-group`);
    } else {
      reader.skip(wire);
    }
  }
  if (reader.position !== end) throw new ProtobufError('unexpected EOF');
  if (plan.typeName !== undefined) {
    // Counts two values: the object itself, and the object that most types always contain.
    reader.count(2);
    fillZeros(plan.typeName, target);
  }
}

function writeDelimited(plan: Plan, writer: WireWriter, value: JsonValue, name: string): void {
  if (!isJsonObject(value)) throw new ProtobufError(`cannot encode field "${name}": not an object`);
  const mark = writer.size;
  writeFields(plan, writer, value);
  writer.lengthSince(mark);
}

function writeFields(plan: Plan, writer: WireWriter, source: JsonObject): void {
  for (const field of plan.descending) field.write(writer, source);
}

/** Decodes a message without envelope. @throws ProtobufError for malformed bytes, OversizeError for too many values */
export function readMessage(typeName: string, reader: WireReader): JsonObject {
  const target: JsonObject = {};
  readFields(planOf(typeName), reader, reader.bytes.length, target);
  return target;
}

/** Encodes a message without envelope or length. @throws ProtobufError for a value that does not fit its field */
export function writeMessage(typeName: string, writer: WireWriter, source: JsonObject): void {
  writeFields(planOf(typeName), writer, source);
}
