/**
 * A structural schema as types of the schema facts, for managedFields and server-side apply: which fields there are, which lists are sets or
 * maps by keys, and where anything may stand. A part becomes a type when an object has something there.
 *
 * Source: kube-openapi `pkg/schemaconv`; apiextensions-apiserver `pkg/apiserver/customresource_handler.go` (buildOpenAPIModelsForApply).
 */
import { isJsonObject } from '../json.ts';
import type { DetailedType, FieldFacts, FieldType, TypeFacts } from '../schema/facts.ts';
import type { JSONSchemaProps } from '../types.generated.ts';
import { publishedSchema } from './published-schema.ts';
import { parseStructuralSchema, type StructuralSchema } from './structural-schema.ts';

/** The published facts of a type besides its schema. */
export interface PublishedKind {
  group: string;
  version: string;
  kind: string;
  /** `spec.color`, without a dot in front. */
  selectableFields: readonly string[];
  /** See {@link DetailedType.revision}. */
  revision: string;
}

/** @param name of the type, as it is in the schema facts: `example.com/v1.Widget` @param published absent: nothing is, as in the decoding thread */
export function detailedType(name: string, schema: JSONSchemaProps | undefined, published?: PublishedKind): DetailedType {
  const types = new SchemaTypes(name, parseStructuralSchema(schema));
  return {
    facts: (part) => types.facts(part),
    source: schema ?? {},
    revision: published?.revision ?? '',
    published: (isV2, descriptions) =>
      published === undefined ? {} : publishedSchema(schema, { ...published, isV2, descriptions }),
  };
}

class SchemaTypes {
  readonly #name: string;
  /** The nodes that have become types, by number. The root is the first. */
  readonly #nodes: StructuralSchema[];
  readonly #numbers = new Map<StructuralSchema, number>();
  readonly #facts: TypeFacts[] = [];

  constructor(name: string, root: StructuralSchema) {
    this.#name = name;
    this.#nodes = [root];
  }

  facts(part: string): TypeFacts {
    const number = part === '' ? 0 : Number(part);
    const node = this.#nodes[number];
    if (node === undefined) throw new Error(`schema facts: unknown type "${this.#name}#${part}"`);
    return (this.#facts[number] ??= this.#make(node, number === 0));
  }

  #make(node: StructuralSchema, isRoot: boolean): TypeFacts {
    const own = node.propertyNames.map((name) => this.#field(name, node.property(name) as StructuralSchema));
    const isResource = isRoot || node.isEmbeddedResource;
    const others = own.filter(({ name }) => !isResource || resourceFields.every((field) => field.name !== name));
    const fields = isResource ? [...resourceFields, ...others] : own;
    return {
      name: this.#name,
      goName: '',
      kinds: [],
      mapType: mapTypeOf(node),
      unions: undefined,
      open: node.preservesUnknown || (own.length === 0 && !node.hasAdditional),
      required: [],
      fields,
      byName: new Map(fields.map((field) => [field.name, field])),
    };
  }

  #field(name: string, node: StructuralSchema): FieldFacts {
    const { default: value } = node.json;
    return {
      ...plainField(name, this.#type(node)),
      listType: listTypeOf(node),
      keys: node.listMapKeys,
      mapType: mapTypeOf(node),
      default: typeof value === 'object' ? undefined : value,
    };
  }

  #type(node: StructuralSchema): FieldType {
    if (node.isIntOrString) return { kind: 'intstr' };
    switch (node.type) {
      case 'object':
        return this.#object(node);
      case 'array':
        return { kind: 'list', item: node.items === undefined ? { kind: 'any' } : this.#type(node.items) };
      case 'string':
        return { kind: 'string' };
      case 'boolean':
        return { kind: 'bool' };
      case 'integer':
        return { kind: 'int64' };
      case 'number':
        return { kind: 'double' };
      default:
        return { kind: 'any' };
    }
  }

  #object(node: StructuralSchema): FieldType {
    const values = node.additional;
    if (values !== undefined) return { kind: 'map', value: this.#type(values) };
    if (node.hasAdditional && !isJsonObject(node.json.additionalProperties)) return { kind: 'map', value: { kind: 'any' } };
    let number = this.#numbers.get(node);
    if (number === undefined) {
      number = this.#nodes.push(node) - 1;
      this.#numbers.set(node, number);
    }
    return { kind: 'ref', name: `${this.#name}#${number}` };
  }
}

function listTypeOf({ listType }: StructuralSchema): FieldFacts['listType'] {
  return listType === 'set' || listType === 'map' ? listType : 'atomic';
}

const mapTypeOf = ({ mapType }: StructuralSchema): FieldFacts['mapType'] => (mapType === 'atomic' ? 'atomic' : undefined);

function plainField(name: string, type: FieldType): FieldFacts {
  return {
    name,
    type,
    protoPath: [],
    required: false,
    written: false,
    pointer: true,
    listType: undefined,
    keys: [],
    mapType: undefined,
    patchStrategy: [],
    mergeKey: undefined,
    default: undefined,
    zero: undefined,
    bare: false,
    goType: undefined,
  };
}

/** The fields of every resource. */
const resourceFields: readonly FieldFacts[] = [
  plainField('apiVersion', { kind: 'string' }),
  plainField('kind', { kind: 'string' }),
  plainField('metadata', { kind: 'ref', name: 'meta/v1.ObjectMeta' }),
];
