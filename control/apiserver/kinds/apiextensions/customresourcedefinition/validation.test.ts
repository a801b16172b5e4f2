import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { copyJson } from '#api/copy-json.ts';
import { allErrors } from '#api/field-error.ts';
import type { JsonObject } from '#api/json.ts';
import type { CustomResourceDefinition } from '#api/types.generated.ts';
import { texts } from '../../strategy.testing.ts';
import { setDefaults } from './defaults.ts';
import { checkDefinition } from './validation.ts';

const objectSchema = {
  type: 'object',
  properties: {
    spec: { type: 'object', properties: { colour: { type: 'string' }, parts: { type: 'array', items: { type: 'string' } } } },
  },
};

/** A definition that is right. */
function definition(
  change: (spec: CustomResourceDefinition['spec'], all: CustomResourceDefinition) => void = () => {},
): CustomResourceDefinition {
  const made = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'widgets.example.com', resourceVersion: '1' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' },
      versions: [
        { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: copyJson(objectSchema as unknown as JsonObject) } },
      ],
    },
  } as unknown as CustomResourceDefinition;
  change(made.spec, made);
  setDefaults(made);
  return made;
}

const errorsOf = (one: CustomResourceDefinition, old?: CustomResourceDefinition): string[] =>
  texts(allErrors(checkDefinition(one, old)));
const first = (spec: CustomResourceDefinition['spec']): CustomResourceDefinition['spec']['versions'][0] =>
  spec.versions[0] as CustomResourceDefinition['spec']['versions'][0];
const label = (name: string): string =>
  `a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. '${name}',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')`;

describe('what is wrong with a CustomResourceDefinition', () => {
  it('is nothing where it is right', () => assert.deepEqual(errorsOf(definition()), []));

  for (const [what, change, expected] of [
    [
      'a name of its own',
      (_, all) => (all.metadata.name = 'x.example.com'),
      ['metadata.name: Invalid value: "x.example.com": must be spec.names.plural+"."+spec.group'],
    ],
    [
      'a group without a dot',
      (spec, all) => {
        spec.group = 'example';
        all.metadata.name = 'widgets.example';
      },
      ['spec.group: Invalid value: "example": should be a domain with at least one dot'],
    ],
    [
      'an unknown scope',
      (spec) => (spec.scope = 'Everywhere'),
      ['spec.scope: Unsupported value: "Everywhere": supported values: "Cluster", "Namespaced"'],
    ],
    [
      'no schema',
      (spec) => {
        delete first(spec).schema;
      },
      ['spec.versions[0].schema.openAPIV3Schema: Required value'],
    ],
    [
      'a version that is no label',
      (spec) => (first(spec).name = 'V1'),
      [`spec.versions[0].name: Invalid value: "V1": ${label('my-name')}`],
    ],
    [
      'a kind that is also its list',
      (spec) => (spec.names.listKind = 'Widget'),
      ['spec.names.listKind: Invalid value: "Widget": kind and listKind may not be the same'],
    ],
    [
      'a bad short name',
      (spec) => (spec.names.shortNames = ['W']),
      [`spec.names.shortNames[0]: Invalid value: "W": ${label('my-name')}`],
    ],
    [
      'no storage version',
      (spec) => (first(spec).storage = false),
      [
        'spec.versions: Invalid value: must have exactly one version marked as storage version',
        'status.storedVersions: Invalid value: []: must have at least one stored version',
      ],
    ],
    [
      'two storage versions',
      (spec) => spec.versions.push({ ...first(spec), name: 'v2' }),
      [
        'spec.versions: Invalid value: must have exactly one version marked as storage version',
        'status.storedVersions: Invalid value: ["v1"]: must have the storage version v2',
      ],
    ],
    [
      'the same version twice',
      (spec) => spec.versions.push({ ...first(spec), storage: false }),
      ['spec.versions: Invalid value: must contain unique version names'],
    ],
    [
      'a warning without a deprecation',
      (spec) => (first(spec).deprecationWarning = 'old'),
      ['spec.versions[0].deprecationWarning: Invalid value: "old": can only be set for deprecated versions'],
    ],
    [
      'a column without a type',
      (spec) => (first(spec).additionalPrinterColumns = [{ name: 'x', type: '', jsonPath: '.spec.x' }]),
      ['spec.additionalPrinterColumns[0].type: Required value: must be one of boolean,date,integer,number,string'],
    ],
    [
      'a column of another type',
      (spec) => (first(spec).additionalPrinterColumns = [{ name: 'x', type: 'text', jsonPath: 'spec.x' }]),
      [
        'spec.additionalPrinterColumns[0].type: Invalid value: "text": must be one of boolean,date,integer,number,string',
        'spec.additionalPrinterColumns[0].JSONPath: Invalid value: "spec.x": must be a simple json path starting with .',
      ],
    ],
    [
      'scale paths elsewhere',
      (spec) =>
        (first(spec).subresources = {
          scale: { specReplicasPath: '.status.x', statusReplicasPath: 'x', labelSelectorPath: '.metadata.labels' },
        }),
      [
        'spec.subresources.scale.specReplicasPath: Invalid value: ".status.x": should be a json path under .spec',
        'spec.subresources.scale.statusReplicasPath: Invalid value: "x": must be a simple json path starting with .',
        'spec.subresources.scale.labelSelectorPath: Invalid value: ".metadata.labels": should be a json path under either .spec or .status',
      ],
    ],
    [
      'selectable fields that cannot be',
      (spec) =>
        (first(spec).selectableFields = [
          { jsonPath: '.spec.parts' },
          { jsonPath: '.spec.size' },
          { jsonPath: '.spec["a"]' },
          { jsonPath: '' },
        ]),
      [
        'spec.selectableFields[0].jsonPath: Invalid value: ".spec.parts": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
        'spec.selectableFields[1].jsonPath: Invalid value: ".spec.size": is an invalid path: does not refer to a valid field',
        'spec.selectableFields[2].jsonPath: Invalid value: ".spec[\\"a\\"]": is an invalid path: array notation is not allowed',
        'spec.selectableFields[3].jsonPath: Required value',
      ],
    ],
    [
      'a selectable field twice',
      (spec) => (first(spec).selectableFields = [{ jsonPath: '.spec.colour' }, { jsonPath: '.spec.colour' }]),
      ['spec.selectableFields[1].jsonPath: Duplicate value: ".spec.colour"'],
    ],
    [
      'a schema that is not structural',
      (spec) => {
        first(spec).schema = { openAPIV3Schema: { type: 'object', properties: { spec: {} } } };
      },
      ['spec.validation.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields'],
    ],
    [
      'an unknown strategy',
      (spec) => (spec.conversion = { strategy: 'Magic' }),
      ['spec.conversion.strategy: Unsupported value: "Magic": supported values: "None", "Webhook"'],
    ],
    [
      'a webhook that is nowhere',
      (spec) => (spec.conversion = { strategy: 'Webhook', webhook: { conversionReviewVersions: ['v9'], clientConfig: {} } }),
      [
        'spec.conversion.webhookClientConfig: Required value: exactly one of url or service is required',
        'spec.conversion.conversionReviewVersions: Invalid value: ["v9"]: must include at least one of v1, v1beta1',
      ],
    ],
    [
      'a webhook that nobody calls',
      (spec) => (spec.conversion = { strategy: 'None', webhook: { conversionReviewVersions: ['v1'] } }),
      ['spec.conversion.conversionReviewVersions: Forbidden: should not be set when strategy is not set to Webhook'],
    ],
    [
      'unknown fields kept everywhere',
      (spec) => (spec.preserveUnknownFields = true),
      [
        'spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
      ],
    ],
    [
      "a group of Kubernetes' own",
      (spec, all) => {
        spec.group = 'widgets.k8s.io';
        all.metadata.name = 'widgets.widgets.k8s.io';
      },
      [
        'metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111',
      ],
    ],
  ] as [string, (spec: CustomResourceDefinition['spec'], all: CustomResourceDefinition) => unknown, string[]][])
    it(`is ${what}`, () => assert.deepEqual(errorsOf(definition((spec, all) => void change(spec, all))), expected));

  it('differs in each version where the versions differ', () => {
    const wrong = definition((spec) => {
      spec.versions.push({
        name: 'v2',
        served: true,
        storage: false,
        schema: { openAPIV3Schema: { type: 'object', properties: { a: {} } } },
      });
    });
    assert.deepEqual(errorsOf(wrong), [
      'spec.versions[1].schema.openAPIV3Schema.properties[a].type: Required value: must not be empty for specified object fields',
    ]);
  });

  it('includes what may not change once it is established', () => {
    const old = definition(
      (_, all) => (all.status = { conditions: [{ type: 'Established', status: 'True' }], storedVersions: ['v0', 'v1'] }),
    );
    const changed = definition((spec, all) => {
      spec.scope = 'Cluster';
      spec.names.kind = 'Gadget';
      all.status = { storedVersions: ['v0', 'v1'] };
    });
    assert.deepEqual(errorsOf(changed, old), [
      'spec.scope: Invalid value: "Cluster": field is immutable',
      'spec.names.kind: Invalid value: "Gadget": field is immutable',
      'status.storedVersions[0]: Invalid value: "v0": missing from spec.versions; v0 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v0 and removes v0 from status.storedVersions',
    ]);
    const before = definition();
    assert.deepEqual(
      errorsOf(
        definition((spec) => (spec.scope = 'Cluster')),
        before,
      ),
      [],
    );
  });

  it('leaves a stored schema that is not structural alone, until it changes', () => {
    const loose = (type: string) =>
      definition(
        (spec) => (first(spec).schema = { openAPIV3Schema: { type: 'object', properties: { spec: {}, more: { type } } } }),
      );
    assert.deepEqual(errorsOf(loose('string'), loose('string')), []);
    assert.deepEqual(errorsOf(loose('integer'), loose('string')), []);
  });
});
