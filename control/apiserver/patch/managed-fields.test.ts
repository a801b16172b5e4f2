import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';
import { ApiError, isConflict } from '#api/status.ts';
import { createObjectPatcher } from './object-patcher.ts';

const patcher = createObjectPatcher();
const nowMs = Date.UTC(2026, 0, 1);
const typeName = 'apps/v1.Deployment';

function deployment(spec: JsonObject, labels?: JsonObject): JsonObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', ...(labels === undefined ? {} : { labels }) },
    spec,
  };
}
const apply = (configuration: JsonObject, live?: JsonObject, more: { fieldManager?: string; force?: boolean } = {}): JsonObject =>
  patcher.applyServerSide({
    configuration,
    live: live as unknown as KubeObject | undefined,
    typeName,
    fieldManager: 'me',
    force: false,
    subresource: '',
    nowMs,
    ...more,
  });
const update = (object: JsonObject, live: JsonObject | undefined, fieldManager: string, subresource = ''): JsonObject => {
  const copy = structuredClone(object);
  patcher.trackManagedFields({
    object: copy as unknown as KubeObject,
    live: live as unknown as KubeObject | undefined,
    typeName,
    fieldManager,
    subresource,
    nowMs,
  });
  return copy;
};
const fieldsBy = (object: JsonObject, manager: string): unknown => {
  const entries = (object['metadata'] as { managedFields?: { manager: string; fieldsV1: unknown }[] }).managedFields ?? [];
  return entries.find((entry) => entry.manager === manager)?.fieldsV1;
};
const container = (image: string): JsonObject => ({ containers: [{ name: 'web', image }] });

describe('managedFields of ordinary writes', () => {
  it('records on create what the client set, with "." where a place itself came with it', () => {
    const created = update(
      deployment({ replicas: 3, template: { metadata: { labels: { app: 'web' } }, spec: container('web:1') } }, { app: 'web' }),
      undefined,
      'kubectl',
    );
    assert.deepEqual(fieldsBy(created, 'kubectl'), {
      'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
      'f:spec': {
        'f:replicas': {},
        'f:template': {
          'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
          'f:spec': { 'f:containers': { 'k:{"name":"web"}': { '.': {}, 'f:image': {}, 'f:name': {} } } },
        },
      },
    });
  });

  it('moves a field to the one who changes it, and drops what is removed', () => {
    const created = update(deployment({ replicas: 3, paused: true }), undefined, 'a');
    const changed = update(deployment({ replicas: 5 }), created, 'b');
    assert.deepEqual(fieldsBy(changed, 'b'), { 'f:spec': { 'f:replicas': {} } });
    assert.equal(fieldsBy(changed, 'a'), undefined);
  });

  it('keeps status writers apart from those of the spec', () => {
    const created = update(deployment({ replicas: 3 }), undefined, 'a');
    const reported = update({ ...created, status: { readyReplicas: 3 } }, created, 'controller', 'status');
    assert.deepEqual(fieldsBy(reported, 'controller'), { 'f:status': { 'f:readyReplicas': {} } });
    assert.deepEqual(fieldsBy(reported, 'a'), { 'f:spec': { 'f:replicas': {} } });
  });

  it('folds the oldest updaters together beyond ten', () => {
    let object = update(deployment({}), undefined, 'm0');
    for (let index = 1; index <= 12; index++)
      object = update(
        deployment({}, { ...((object['metadata'] as JsonObject)['labels'] as JsonObject), [`l${index}`]: 'x' }),
        object,
        `m${index}`,
      );
    const entries = (object['metadata'] as { managedFields: { manager: string }[] }).managedFields;
    assert.equal(entries.length, 10);
    assert.ok(entries.some(({ manager }) => manager === 'ancient-changes'));
  });
});

describe('server-side apply', () => {
  it('creates, and owns exactly what was applied', () => {
    const created = apply(deployment({ replicas: 2, template: { spec: container('web:1') } }));
    assert.equal((created['spec'] as JsonObject)['replicas'], 2);
    assert.deepEqual(fieldsBy(created, 'me'), {
      'f:spec': {
        'f:replicas': {},
        'f:template': { 'f:spec': { 'f:containers': { 'k:{"name":"web"}': { '.': {}, 'f:image': {}, 'f:name': {} } } } },
      },
    });
  });

  it('merges list elements by key and leaves those of others alone', () => {
    const live = update(
      deployment({ template: { spec: { containers: [{ name: 'sidecar', image: 's' }] } } }),
      undefined,
      'injector',
    );
    const merged = apply(deployment({ template: { spec: container('web:1') } }), live);
    const containers = (((merged['spec'] as JsonObject)['template'] as JsonObject)['spec'] as JsonObject)[
      'containers'
    ] as JsonObject[];
    assert.deepEqual(
      containers.map(({ name }) => name),
      ['sidecar', 'web'],
    );
  });

  it('removes what it no longer applies, unless somebody else holds it', () => {
    const first = apply(deployment({ replicas: 2, paused: true }, { a: '1', b: '2' }));
    const shared = apply(deployment({ replicas: 2 }), first, { fieldManager: 'other' });
    const second = apply(deployment({}, { a: '1' }), shared);
    assert.deepEqual(second['spec'], { replicas: 2 });
    assert.deepEqual((second['metadata'] as JsonObject)['labels'], { a: '1' });
  });

  it("refuses to take another's field, naming both, and takes it with force", () => {
    const live = update(deployment({ replicas: 3 }), undefined, 'hpa');
    assert.throws(
      () => apply(deployment({ replicas: 5 }), live),
      (error) => {
        assert.ok(isConflict(error) && error instanceof ApiError);
        assert.equal(error.message, 'Apply failed with 1 conflict: conflict with "hpa" using apps/v1: .spec.replicas');
        assert.deepEqual(error.status.details?.causes, [
          { reason: 'FieldManagerConflict', message: 'conflict with "hpa" using apps/v1', field: '.spec.replicas' },
        ]);
        return true;
      },
    );
    const forced = apply(deployment({ replicas: 5 }), live, { force: true });
    assert.equal((forced['spec'] as JsonObject)['replicas'], 5);
    assert.equal(fieldsBy(forced, 'hpa'), undefined);
  });

  it('shares a field that both set to the same value', () => {
    const live = apply(deployment({ replicas: 3 }), undefined, { fieldManager: 'a' });
    const both = apply(deployment({ replicas: 3 }), live, { fieldManager: 'b' });
    assert.deepEqual(fieldsBy(both, 'a'), fieldsBy(both, 'b'));
  });

  it('is the same after a second apply of the same', () => {
    const once = apply(deployment({ replicas: 2, template: { spec: container('web:1') } }, { a: '1' }));
    assert.deepEqual(apply(deployment({ replicas: 2, template: { spec: container('web:1') } }, { a: '1' }), once), once);
  });
});
