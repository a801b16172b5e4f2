import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CustomResourceDefinition, JSONSchemaProps } from '#api/types.generated.ts';
import { formatWarnings } from '../kinds/apiextensions/customresourcedefinition/unrecognized-formats.ts';
import { definition } from './definition.testing.ts';
import { isServable, withStatus } from './definition-status.ts';

const facts = { group: () => [], isServed: true, nowMs: 0 };
const shown = (one: CustomResourceDefinition) =>
  one.status?.conditions?.map(({ type, status, reason }) => `${type}=${status} ${reason}`);
/** Until nothing changes. */
function settled(one: CustomResourceDefinition): CustomResourceDefinition {
  const next = withStatus(one, facts);
  return next === one ? one : settled(next);
}

describe('the status of a definition', () => {
  it('is established once it is served, in two steps', () => {
    const named = withStatus(definition(), { ...facts, isServed: false });
    assert.deepEqual(shown(named), ['NamesAccepted=True NoConflicts', 'Established=False Installing']);
    assert.equal(isServable(named), true);
    assert.equal(withStatus(named, { ...facts, isServed: false }), named);
    assert.deepEqual(shown(withStatus(named, facts)), [
      'NamesAccepted=True NoConflicts',
      'Established=True InitialNamesAccepted',
    ]);
  });

  it('says who has approved a kind of Kubernetes', () => {
    for (const [annotation, expected] of [
      ['https://github.com/kubernetes/kubernetes/pull/1', 'True ApprovedAnnotation'],
      ['unapproved, experimental', 'False UnapprovedAnnotation'],
      ['yes', 'False InvalidAnnotation'],
      [undefined, 'False MissingAnnotation'],
    ] as const) {
      const one = definition({ group: 'x.k8s.io' });
      if (annotation !== undefined) one.metadata.annotations = { 'api-approved.kubernetes.io': annotation };
      assert.ok(shown(settled(one))?.includes(`KubernetesAPIApprovalPolicyConformant=${expected}`), annotation ?? 'none');
    }
  });

  it('is not established while the CA of its webhook cannot be read', () => {
    const conversion = {
      strategy: 'Webhook',
      webhook: { conversionReviewVersions: ['v1'], clientConfig: { url: 'https://a/', caBundle: 'eA==' } },
    };
    assert.ok(shown(settled(definition({ spec: { conversion } })))?.includes('Established=False InvalidCABundle'));
  });

  it('says that an old definition is not structural, as long as it is so', () => {
    const old = settled(definition({ schema: { type: 'object', properties: { a: {} } }, spec: { preserveUnknownFields: true } }));
    const found = old.status?.conditions?.find(({ type }) => type === 'NonStructuralSchema');
    assert.equal(
      found?.message,
      '[spec.preserveUnknownFields: Invalid value: true: must be false, spec.versions[0].schema.openAPIV3Schema.properties[a].type: Required value: must not be empty for specified object fields]',
    );
    const mended = { ...old, spec: definition().spec };
    assert.equal(
      settled(mended).status?.conditions?.some(({ type }) => type === 'NonStructuralSchema'),
      false,
    );
  });
});

describe('formats that nobody checks', () => {
  const of = (...formats: string[]) =>
    definition({
      schema: {
        type: 'object',
        properties: Object.fromEntries(
          formats.map((format, index) => [`f${index}`, { type: 'string', format } as JSONSchemaProps]),
        ),
      },
    });

  it('are warned of once they come', () => {
    assert.deepEqual(formatWarnings(of('date-time', 'telephone'), undefined), ['unrecognized format "telephone"']);
    assert.deepEqual(formatWarnings(of('telephone', 'fax'), of('telephone')), ['unrecognized format "fax"']);
  });

  it('depend on the type', () => {
    const schema: JSONSchemaProps = {
      type: 'object',
      properties: {
        a: { type: 'integer', format: 'int16' },
        b: { type: 'array', format: 'x', items: { type: 'number', format: 'double' } },
      },
    };
    assert.deepEqual(formatWarnings(definition({ schema }), undefined), [
      'unrecognized format "int16"',
      'unrecognized format "x"',
    ]);
  });
});
