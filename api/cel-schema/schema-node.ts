/**
 * The parts of a schema that CEL needs. It is the common form of a custom resource's structural schema and of the facts about a built-in
 * type.
 *
 * Source: apiserver `pkg/cel/common/adaptor.go`.
 */
export interface SchemaNode {
  /** `object`, `array`, `string`, `number`, `integer`, `boolean`; empty: any value. */
  readonly type: string;
  readonly format: string;
  readonly isIntOrString: boolean;
  readonly isEmbeddedResource: boolean;
  readonly items: SchemaNode | undefined;
  /** The schema of a map's values. */
  readonly additional: SchemaNode | undefined;
  readonly propertyNames: readonly string[];
  property(name: string): SchemaNode | undefined;
  readonly required: readonly string[];
  readonly hasDefault: boolean;
  readonly maxLength: number | undefined;
  readonly maxItems: number | undefined;
  readonly maxProperties: number | undefined;
  readonly enumValues: readonly unknown[] | undefined;
  readonly listType: string | undefined;
  readonly listMapKeys: readonly string[];
}

const plain = {
  format: '',
  isIntOrString: false,
  isEmbeddedResource: false,
  items: undefined,
  additional: undefined,
  propertyNames: [] as readonly string[],
  property: (): SchemaNode | undefined => undefined,
  required: [] as readonly string[],
  hasDefault: false,
  maxLength: undefined,
  maxItems: undefined,
  maxProperties: undefined,
  enumValues: undefined,
  listType: undefined,
  listMapKeys: [] as readonly string[],
};

/** A schema with the given parts only. */
export const schemaNode = (given: Partial<SchemaNode> & { type: string }): SchemaNode => ({ ...plain, ...given });

/** An object schema with exactly these fields. */
export const objectNode = (properties: Readonly<Record<string, SchemaNode>>): SchemaNode =>
  schemaNode({
    type: 'object',
    propertyNames: Object.keys(properties),
    property: (name) => (Object.hasOwn(properties, name) ? properties[name] : undefined),
  });

const text = schemaNode({ type: 'string' });
const typeMeta: Readonly<Record<string, SchemaNode>> = {
  kind: text,
  apiVersion: text,
  metadata: objectNode({ name: text, generateName: text }),
};

/** The schema of a resource, of which expressions always see `apiVersion`, `kind`, `metadata.name` and `metadata.generateName`. */
export function withTypeAndObjectMeta(node: SchemaNode): SchemaNode {
  const metadata = node.property('metadata');
  const isThere =
    node.property('kind')?.type === 'string' &&
    node.property('apiVersion')?.type === 'string' &&
    metadata?.type === 'object' &&
    metadata.property('name')?.type === 'string' &&
    metadata.property('generateName')?.type === 'string';
  if (isThere) return node;
  const { type, additional, required, maxProperties, isIntOrString, format } = node;
  return schemaNode({
    type,
    additional,
    required,
    maxProperties,
    isIntOrString,
    format,
    propertyNames: [...new Set([...node.propertyNames, ...Object.keys(typeMeta)])],
    property: (name) => (Object.hasOwn(typeMeta, name) ? typeMeta[name] : node.property(name)),
  });
}
