import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../../../api-server.testing.ts';
import { roundTrip } from './v1-forms.ts';

const path = (version: string, name = ''): string =>
  `/apis/autoscaling/${version}/namespaces/default/horizontalpodautoscalers${name === '' ? '' : `/${name}`}`;
const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
const memory = { type: 'Resource', resource: { name: 'memory', target: { type: 'Utilization', averageUtilization: 50 } } };
const cpu = (averageUtilization: number): object => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
});
const autoscaler = (version: string, name: string, spec: object): object => ({
  apiVersion: `autoscaling/${version}`,
  kind: 'HorizontalPodAutoscaler',
  metadata: { name, namespace: 'default' },
  spec: { scaleTargetRef, maxReplicas: 3, ...spec },
});

const specOf = ({ json }: { json: unknown }): Record<string, unknown> => (json as { spec: Record<string, unknown> }).spec;

describe('one autoscaler in two versions', () => {
  let api: TestServer;
  before(async () => {
    api = await startTestServer();
    await api.request('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } });
  });
  after(() => api.stop());
  const apply = (version: string, name: string, spec: object, manager: string, force = false) =>
    api.request(
      'PATCH',
      `${path(version, name)}?fieldManager=${manager}&force=${force}`,
      { ...autoscaler(version, name, spec) },
      { 'content-type': 'application/apply-patch+yaml' },
    );

  it('is written in either and read in both; v2 is what is stored', async () => {
    const made = await api.request('POST', path('v1'), autoscaler('v1', 'first', { targetCPUUtilizationPercentage: 60 }));
    assert.deepEqual([made.status, specOf(made)['minReplicas']], [201, 1]);
    const read = await api.request('GET', path('v2', 'first'));
    assert.deepEqual([read.json.apiVersion, specOf(read)['metrics']], ['autoscaling/v2', [cpu(60)]]);
    const written = await api.request('PUT', path('v2', 'first'), {
      ...(read.json as object),
      spec: { ...read.json.spec, metrics: [memory, cpu(70)] },
    });
    assert.equal(written.status, 200);
    const old = await api.request('GET', path('v1', 'first'));
    assert.equal(specOf(old)['targetCPUUtilizationPercentage'], 70);
    assert.equal(
      old.json.metadata.annotations?.[roundTrip.metrics],
      '[{"type":"Resource","resource":{"name":"memory","targetAverageUtilization":50}}]',
    );
    const stored = await api.store.get('/registry/horizontalpodautoscalers/default/first');
    assert.equal(JSON.parse(Buffer.from(stored.entry?.value ?? '').toString()).apiVersion, 'autoscaling/v2');
    const patched = await api.request(
      'PATCH',
      path('v1', 'first'),
      { spec: { maxReplicas: 8 } },
      { 'content-type': 'application/merge-patch+json' },
    );
    assert.equal(specOf(patched)['maxReplicas'], 8);
    assert.deepEqual(specOf(await api.request('GET', path('v2', 'first')))['metrics'], [memory, cpu(70)]);
  });

  it('has a status in both', async () => {
    await api.request('POST', path('v2'), autoscaler('v2', 'reported', {}));
    const status = {
      currentReplicas: 2,
      desiredReplicas: 3,
      currentMetrics: [
        { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 12, averageValue: '120m' } } },
      ],
    };
    const body = { ...autoscaler('v2', 'reported', { maxReplicas: 99 }), status };
    assert.equal((await api.request('PUT', `${path('v2', 'reported')}/status`, body)).status, 200);
    const { json } = await api.request('GET', `${path('v1', 'reported')}/status`);
    assert.deepEqual(
      [specOf({ json })['maxReplicas'], json.status],
      [3, { currentReplicas: 2, desiredReplicas: 3, currentCPUUtilizationPercentage: 12 }],
    );
  });

  it('is listed by discovery in both, v2 first', async () => {
    const { json } = await api.request('GET', '/apis/autoscaling');
    const group = json as unknown as { preferredVersion: { version: string }; versions: { version: string }[] };
    assert.deepEqual([group.preferredVersion.version, group.versions.map(({ version }) => version)], ['v2', ['v2', 'v1']]);
    for (const version of ['v1', 'v2']) {
      const { resources } = (await api.request('GET', `/apis/autoscaling/${version}`)).json as unknown as {
        resources: { name: string; shortNames?: string[]; categories?: string[] }[];
      };
      assert.deepEqual(
        resources.map(({ name }) => name),
        ['horizontalpodautoscalers', 'horizontalpodautoscalers/status'],
      );
      assert.deepEqual([resources[0]?.shortNames, resources[0]?.categories], [['hpa'], ['all']]);
    }
  });

  it('is applied in both: whose fields change is found out in the version in which they were applied', async () => {
    assert.equal((await apply('v1', 'applied', { targetCPUUtilizationPercentage: 60 }, 'old')).status, 201);
    const conflict = await apply('v2', 'applied', { metrics: [cpu(70)] }, 'new');
    assert.equal(conflict.status, 409);
    assert.match(String(conflict.json.message), /conflict with "old": \.spec\.targetCPUUtilizationPercentage/);
    const same = await apply('v2', 'applied', { metrics: [cpu(60)], minReplicas: 2 }, 'new', true);
    assert.equal(same.status, 200);
    const fields = (json: typeof same.json): unknown[] =>
      (
        json.metadata as unknown as { managedFields: { manager: string; apiVersion: string; fieldsV1: { 'f:spec': object } }[] }
      ).managedFields.map(({ manager, apiVersion, fieldsV1 }) => [manager, apiVersion, Object.keys(fieldsV1['f:spec'])]);
    assert.deepEqual(fields(same.json).sort(), [
      ['new', 'autoscaling/v2', ['f:maxReplicas', 'f:metrics', 'f:minReplicas', 'f:scaleTargetRef']],
      ['old', 'autoscaling/v1', ['f:maxReplicas', 'f:scaleTargetRef', 'f:targetCPUUtilizationPercentage']],
    ]);
    // The first manager gives up the target in v1, but the other one owns the metrics in v2.
    const given = await apply('v1', 'applied', {}, 'old');
    assert.deepEqual([given.status, specOf(given)['targetCPUUtilizationPercentage']], [200, 60]);
    // When the same manager applies in the other version without minReplicas, nobody owns that field any more.
    const moved = await apply('v1', 'applied', { targetCPUUtilizationPercentage: 60 }, 'new');
    assert.deepEqual([moved.status, specOf(moved)['minReplicas']], [200, 1]);
    assert.deepEqual(fields(moved.json).sort(), [
      ['new', 'autoscaling/v1', ['f:maxReplicas', 'f:scaleTargetRef', 'f:targetCPUUtilizationPercentage']],
      ['old', 'autoscaling/v1', ['f:maxReplicas', 'f:scaleTargetRef']],
    ]);
  });

  it('is watched in both', async () => {
    for (const version of ['v1', 'v2']) {
      const { text } = await api.request('GET', `${path(version)}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dfirst`);
      const event = JSON.parse(text.split('\n')[0] ?? '') as { type: string; object: { apiVersion: string } };
      assert.deepEqual([event.type, event.object.apiVersion], ['ADDED', `autoscaling/${version}`]);
    }
  });
});
