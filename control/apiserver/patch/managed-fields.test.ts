import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';
import { ApiError, isConflict } from '#api/status.ts';
import { deploymentKind } from '../kinds/apps/deployment/strategy.ts';
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
    resetFields: undefined,
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
    resetFields: deploymentKind.strategy.resetFields?.[subresource],
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

  it('lets a status writer own what that endpoint lets through: annotations, but neither spec nor the labels of a Deployment', () => {
    const created = update(deployment({ replicas: 3 }), undefined, 'a');
    const changed = {
      ...created,
      metadata: { ...(created['metadata'] as JsonObject), annotations: { why: 'x' }, labels: { l: 'x' } },
      spec: { replicas: 4 },
      status: { replicas: 3 },
    };
    const reported = update(changed, created, 'controller', 'status');
    assert.deepEqual(fieldsBy(reported, 'controller'), {
      'f:metadata': { 'f:annotations': { '.': {}, 'f:why': {} } },
      'f:status': { 'f:replicas': {} },
    });
  });

  it('is absent where nobody owns anything', () => {
    const created = update({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' } }, undefined, 'a');
    assert.equal('managedFields' in (created['metadata'] as JsonObject), false);
  });

  it('gives what nobody owned to before-first-apply when the object is first applied', () => {
    const applied = apply(deployment({ replicas: 5 }), deployment({ replicas: 5, paused: true }));
    assert.deepEqual(fieldsBy(applied, 'before-first-apply'), { 'f:spec': { 'f:paused': {}, 'f:replicas': {} } });
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

  it('tells a thousand conflicts and how many there are', () => {
    const labels = (value: string): JsonObject =>
      Object.fromEntries(Array.from({ length: 1500 }, (_, index) => [`l${index}`, value]));
    const live = update(deployment({}, labels('a')), undefined, 'hpa');
    assert.throws(
      () => apply(deployment({}, labels('b')), live),
      (error) => {
        assert.ok(error instanceof ApiError);
        assert.equal(error.status.details?.causes?.length, 1000);
        assert.match(
          error.message,
          /^Apply failed with 1500 conflicts: conflicts with "hpa" using apps\/v1:\n- .metadata.labels.l0\n[^]*\n…$/,
        );
        return true;
      },
    );
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

  const containersOf = (object: JsonObject): JsonObject[] =>
    (((object['spec'] as JsonObject)['template'] as JsonObject)['spec'] as JsonObject)['containers'] as JsonObject[];
  const podOf = (...containers: JsonObject[]): JsonObject => deployment({ template: { spec: { containers } } });

  it('takes the defaults of what it no longer applies away with it', () => {
    const probed = { name: 'a', image: 'a', livenessProbe: { tcpSocket: { port: 80 } }, ports: [{ containerPort: 80 }] };
    const live = apply(podOf(probed, { name: 'b', image: 'b' }));
    for (const one of containersOf(live)) one['imagePullPolicy'] = 'Always';
    const [a] = containersOf(live) as [JsonObject];
    a['livenessProbe'] = { ...(a['livenessProbe'] as JsonObject), periodSeconds: 10 };
    a['ports'] = [{ containerPort: 80, protocol: 'TCP' }];
    const again = apply(podOf({ name: 'a', image: 'a' }), live);
    assert.deepEqual(containersOf(again), [{ name: 'a', image: 'a', imagePullPolicy: 'Always' }]);
  });

  it('keeps what somebody else holds within a struct that it no longer applies', () => {
    const live = apply(deployment({ strategy: { rollingUpdate: { maxSurge: 1 } } }));
    const shared = apply(deployment({ strategy: { rollingUpdate: { maxUnavailable: 0 } } }), live, { fieldManager: 'other' });
    assert.deepEqual(apply(deployment({}), shared)['spec'], { strategy: { rollingUpdate: { maxUnavailable: 0 } } });
  });

  for (const [live, applied, want] of [
    ['a b', 'new a b', 'new a b'],
    ['a b', 'b a', 'b a'],
    ['x a y b', 'b new a', 'x y b new a'],
    ['x', 'a', 'x a'],
  ] as const) {
    it(`orders ${live} as applied: ${applied} gives ${want}`, () => {
      const of = (names: string): JsonObject => podOf(...names.split(' ').map((name) => ({ name })));
      const before = update(of(live), undefined, 'other');
      const names = containersOf(apply(of(applied), before)).map(({ name }) => name);
      assert.deepEqual(names, want.split(' '));
    });
  }

  it('keeps elements that another wrote twice', () => {
    const env = [
      { name: 'A', value: '1' },
      { name: 'A', value: '2' },
    ];
    const live = update(podOf({ name: 'web', env }), undefined, 'other');
    assert.deepEqual(containersOf(apply(podOf({ name: 'web', env: [{ name: 'B' }] }), live))[0]?.['env'], [
      ...env,
      { name: 'B' },
    ]);
  });

  it('refuses a configuration that says who manages what', () => {
    const configuration = deployment({ replicas: 1 });
    (configuration['metadata'] as JsonObject)['managedFields'] = [];
    assert.throws(() => apply(configuration), /metadata.managedFields must be nil/);
  });
});

describe('from client-side to server-side apply', () => {
  const key = 'kubectl.kubernetes.io/last-applied-configuration';
  const clientSide = (replicas: number): JsonObject => {
    const object = deployment({ replicas });
    const annotations = { [key]: JSON.stringify(object) };
    return update(
      { ...object, metadata: { ...(object['metadata'] as JsonObject), annotations } },
      undefined,
      'kubectl-client-side-apply',
    );
  };

  it('lets kubectl change what it applied before, and keeps the annotation true', () => {
    const changed = apply(deployment({ replicas: 5 }), clientSide(3), { fieldManager: 'kubectl' });
    assert.equal((changed['spec'] as JsonObject)['replicas'], 5);
    const annotations = (changed['metadata'] as JsonObject)['annotations'] as Record<string, string>;
    assert.equal((JSON.parse(annotations[key] ?? '') as { spec: JsonObject }).spec['replicas'], 5);
  });

  it('writes the annotation as upstream does: keys sorted, no annotations where none were applied', () => {
    const annotationOf = (configuration: JsonObject): string => {
      const { metadata } = apply(configuration, clientSide(3), { fieldManager: 'kubectl', force: true });
      return ((metadata as JsonObject)['annotations'] as Record<string, string>)[key] ?? '';
    };
    const configuration = deployment({ replicas: 5, paused: false });
    const text = annotationOf(configuration);
    assert.ok(text.startsWith('{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":'), text);
    assert.match(text, /"spec":\{"paused":false,"replicas":5.*\n$/);
    assert.doesNotMatch(text, /annotations/);
    const metadata = configuration['metadata'] as JsonObject;
    const annotated = { ...configuration, metadata: { ...metadata, annotations: { [key]: 'old', b: '<2>', a: '1' } } };
    assert.match(annotationOf(annotated), /"metadata":\{"annotations":\{"a":"1","b":"\\u003c2\\u003e"\},"name":/);
    const onlyOurs = { ...configuration, metadata: { ...metadata, annotations: { [key]: 'old' } } };
    assert.match(annotationOf(onlyOurs), /"annotations":\{\}/);
  });

  it('leaves the annotation out where it would be too large', () => {
    const metadata = { ...(deployment({})['metadata'] as JsonObject), annotations: { big: 'x'.repeat(200_000) } };
    const applied = apply({ ...deployment({ replicas: 3 }), metadata }, clientSide(3), { fieldManager: 'kubectl' });
    assert.deepEqual(Object.keys((applied['metadata'] as JsonObject)['annotations'] as JsonObject), ['big']);
  });

  it('lets nobody else', () => {
    assert.throws(() => apply(deployment({ replicas: 5 }), clientSide(3), { fieldManager: 'flux' }), isConflict);
  });

  it('does not give kubectl what another has changed since', () => {
    const live = clientSide(3);
    const scaled = update({ ...live, spec: { replicas: 4 } }, live, 'hpa');
    assert.throws(() => apply(deployment({ replicas: 5 }), scaled, { fieldManager: 'kubectl' }), isConflict);
  });

  for (const [what, sent, manager] of [
    ['hands fields to the manager that the client names', [{ operation: 'Apply' }], 'flux'],
    ['forgets managers for a list with one empty entry', 'reset', undefined],
    ['does not believe an entry that it cannot read', [{ operation: 'Own' }], 'a'],
    ['does not believe fields that it cannot read', [{ operation: 'Apply', fieldsV1: { 'k:{': {} } }], 'a'],
  ] as const) {
    it(what, () => {
      const live = update(deployment({ replicas: 3 }), undefined, 'a');
      const entry = {
        manager: 'flux',
        apiVersion: 'apps/v1',
        fieldsType: 'FieldsV1',
        fieldsV1: { 'f:spec': { 'f:replicas': {} } },
      };
      const managedFields = sent === 'reset' ? [{}] : sent.map((one) => ({ ...entry, ...one }));
      const metadata = { ...(live['metadata'] as JsonObject), managedFields };
      const entries =
        (update({ ...live, metadata }, live, 'a')['metadata'] as { managedFields?: { manager: string }[] }).managedFields ?? [];
      assert.deepEqual(
        entries.map((one) => one.manager),
        manager === undefined ? [] : [manager],
      );
    });
  }
});
