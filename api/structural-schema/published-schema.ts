/**
 * A schema as the OpenAPI documents show it. Version 2 cannot say all: what it cannot say is left out, so that clients do not refuse what
 * the server accepts.
 *
 * Source: apiextensions-apiserver `pkg/controller/openapi/builder/builder.go` (buildKubeNative), `pkg/controller/openapi/v2/conversion.go`,
 * `pkg/apiserver/schema/unfold.go`.
 */
import { isJsonObject } from '../json.ts';
import { sameJson } from '../meta.ts';
import type { ObjectTexts } from '../schema/facts.ts';
import type { JSONSchemaProps } from '../types.generated.ts';
import { asSchema } from './structural-checks.ts';

type Json = Record<string, unknown>;

/** For which document and which kind a schema is published. `isV2`: OpenAPI 2, which has fewer words than OpenAPI 3. */
export interface PublishOptions {
  isV2: boolean;
  group: string;
  version: string;
  kind: string;
  descriptions: ObjectTexts;
  /** `spec.color`, without a dot in front. */
  selectableFields?: readonly string[];
}

/** Descriptions of an embedded resource's own members. */
const embeddedApiVersion =
  'apiVersion defines the versioned schema of this representation of an object. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources';
const embeddedKind =
  'kind is a string value representing the type of this object. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds';

/** The schema of a kind. @param schema undefined: there is none */
export function publishedSchema(schema: JSONSchemaProps | undefined, options: PublishOptions): Json {
  const { isV2, group, version, kind, descriptions, selectableFields = [] } = options;
  const extensions: Json = {
    'x-kubernetes-group-version-kind': [{ group, version, kind }],
    ...(selectableFields.length === 0
      ? {}
      : { 'x-kubernetes-selectable-fields': selectableFields.map((fieldPath) => ({ fieldPath })) }),
  };
  // Clients would refuse every field if there were some, and what all others are is not known.
  if (schema === undefined || (isV2 && schema['x-kubernetes-preserve-unknown-fields'] === true))
    return { type: 'object', ...extensions };
  const made = new Publisher(options).publish(schema);
  const properties = {
    ...(made['properties'] as Json | undefined),
    apiVersion: { type: 'string', description: descriptions.apiVersion },
    kind: { type: 'string', description: descriptions.kind },
    metadata: metadataReference(options),
  };
  return { ...made, properties, ...extensions };
}

function metadataReference({ isV2, descriptions }: PublishOptions): Json {
  const name = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
  const $ref = isV2 ? `#/definitions/${name}` : `#/components/schemas/${name}`;
  // Next to a $ref version 3 has nothing else.
  return isV2 ? { $ref, description: descriptions.metadata } : { allOf: [{ $ref }], description: descriptions.metadata };
}

class Publisher {
  readonly #options: PublishOptions;
  constructor(options: PublishOptions) {
    this.#options = options;
  }

  publish(given: JSONSchemaProps): Json {
    const schema = this.#options.isV2 ? withoutUnsayable(given) : unfolded(given);
    const items = asSchema(schema.items);
    const values = asSchema(schema.additionalProperties);
    const { properties } = schema;
    const made: Json = {
      ...schema,
      ...(items === undefined ? {} : { items: this.publish(items) }),
      ...(values === undefined ? {} : { additionalProperties: this.publish(values) }),
      ...(properties === undefined
        ? {}
        : { properties: Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, this.publish(one)])) }),
    };
    const isOpen = this.#options.isV2 && schema['x-kubernetes-preserve-unknown-fields'] === true;
    return schema['x-kubernetes-embedded-resource'] === true && !isOpen ? this.#resource(made) : made;
  }

  /** An embedded resource has what every resource has. */
  #resource(schema: Json): Json {
    const required = (schema['required'] as string[] | undefined) ?? [];
    return {
      ...schema,
      required: [...required, ...['kind', 'apiVersion'].filter((name) => !required.includes(name))],
      properties: {
        ...(schema['properties'] as Json | undefined),
        apiVersion: { type: 'string', description: embeddedApiVersion },
        kind: { type: 'string', description: embeddedKind },
        metadata: metadataReference(this.#options),
      },
    };
  }
}

const integerOrString = [{ type: 'integer' }, { type: 'string' }];

/** `x-kubernetes-int-or-string` expressed with standard keywords. */
function unfolded(schema: JSONSchemaProps): JSONSchemaProps {
  if (schema['x-kubernetes-int-or-string'] !== true) return schema;
  if (sameJson(schema.anyOf, integerOrString) || sameJson(schema.allOf?.[0]?.anyOf, integerOrString)) return schema;
  if (schema.anyOf === undefined) return { ...schema, anyOf: integerOrString };
  return { ...schema, allOf: [{ anyOf: integerOrString }, ...(schema.allOf ?? [])] };
}

/** Removes parts that OpenAPI v2, and kubectl, which reads it, do not support. */
function withoutUnsayable(given: JSONSchemaProps): JSONSchemaProps {
  const { allOf: _allOf, oneOf: _oneOf, anyOf: _anyOf, not: _not, nullable, ...schema } = given;
  const isOpen = schema['x-kubernetes-preserve-unknown-fields'] === true;
  // Values without a type are no values to kubectl if something is said of their parts.
  if (nullable === true || isOpen) {
    delete schema.items;
    delete schema.properties;
  }
  const isUntypable =
    nullable === true || (schema.type === 'array' && !isJsonObject(schema.items)) || (isOpen && schema.type === 'object');
  if (isUntypable) delete schema.type;
  if (asSchema(schema.additionalProperties)?.nullable === true) delete schema.required;
  const required = schema.required?.filter((name) => schema.properties?.[name]?.nullable !== true);
  if (required === undefined) return schema;
  if (required.length > 0) return { ...schema, required };
  delete schema.required;
  return schema;
}
