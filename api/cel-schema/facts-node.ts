/**
 * The types of the built-in API for CEL, from the schema facts.
 *
 * Source: apiserver `pkg/cel/openapi/{adaptor,extensions}.go`, `pkg/cel/openapi/resolver`.
 */
import { type FieldFacts, type FieldType, typeFacts } from '../schema/facts.ts';
import { type SchemaNode, schemaNode } from './schema-node.ts';

/** The schema of a type. @param typeName for example `apps/v1.Deployment` @throws Error for an unknown type */
export function factsNode(typeName: string): SchemaNode {
  const facts = typeFacts(typeName);
  return schemaNode({
    type: 'object',
    propertyNames: facts.fields.map(({ name }) => name),
    property(name) {
      const field = facts.byName.get(name);
      return field === undefined ? undefined : fieldNode(field);
    },
    required: facts.required,
  });
}

function fieldNode(field: FieldFacts): SchemaNode {
  const node = typeNode(field.type);
  const hasDefault = (field.default ?? field.zero) !== undefined;
  if (!hasDefault && field.listType === undefined) return node;
  return { ...node, hasDefault, listType: field.listType, listMapKeys: field.keys };
}

function typeNode(type: FieldType): SchemaNode {
  switch (type.kind) {
    case 'list':
      return schemaNode({ type: 'array', items: typeNode(type.item) });
    case 'map':
      return schemaNode({ type: 'object', additional: typeNode(type.value) });
    case 'ref':
      return factsNode(type.name);
    case 'int32':
    case 'int64':
      return schemaNode({ type: 'integer', format: type.kind });
    case 'double':
      return schemaNode({ type: 'number', format: 'double' });
    case 'bool':
      return schemaNode({ type: 'boolean' });
    case 'intstr':
      return schemaNode({ type: 'string', isIntOrString: true });
    case 'bytes':
      return schemaNode({ type: 'string', format: 'byte' });
    case 'time':
    case 'microtime':
      return schemaNode({ type: 'string', format: 'date-time' });
    case 'json':
      return schemaNode({ type: '' });
    case 'raw':
    case 'fieldsV1':
      return schemaNode({ type: 'object' });
    default:
      return schemaNode({ type: 'string' });
  }
}
