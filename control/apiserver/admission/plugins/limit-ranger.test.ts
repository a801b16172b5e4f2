import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { KubeObject } from '#api/meta.ts';
import type { LimitRangeItem, Pod, ResourceRequirements } from '#api/types.generated.ts';
import { startTestServer, type TestServer } from '../../api-server.testing.ts';
import { ask, objectOf } from '../admission.testing.ts';
import { limitRanger } from './limit-ranger.ts';

const range = (...limits: LimitRangeItem[]): Record<string, KubeObject> => ({
  'limitranges/ns/l': objectOf('LimitRange', 'l', 'ns', { spec: { limits } }),
});
const pod = (...containers: ResourceRequirements[]): KubeObject =>
  objectOf('Pod', 'p', 'ns', { spec: { containers: containers.map((resources, index) => ({ name: `c${index}`, resources })) } });
const claim = (storage: string): KubeObject =>
  objectOf('PersistentVolumeClaim', 'c', 'ns', { spec: { resources: { requests: { storage } } } });
const claims = { resource: { group: '', version: 'v1', plural: 'persistentvolumeclaims' } };

describe('LimitRanger', () => {
  it('fills in what containers leave out, and notes it', async () => {
    const stored = range({
      type: 'Container',
      default: { cpu: '500m', memory: '500Mi' },
      defaultRequest: { cpu: '100m', memory: '200Mi' },
    });
    const asked = pod({}, { requests: { memory: '150Mi' }, limits: { cpu: '300m' } });
    const changed = (await ask(limitRanger(), 'create', { object: asked, stored })) as Pod;
    assert.deepEqual(
      changed.spec.containers.map(({ resources }) => resources),
      [
        { limits: { cpu: '500m', memory: '500Mi' }, requests: { cpu: '100m', memory: '200Mi' } },
        { limits: { cpu: '300m', memory: '500Mi' }, requests: { memory: '150Mi', cpu: '100m' } },
      ],
    );
    assert.equal(
      changed.metadata.annotations?.['kubernetes.io/limit-ranger'],
      'LimitRanger plugin set: cpu, memory request for container c0; cpu, memory limit for container c0; ' +
        'cpu request for container c1; memory limit for container c1',
    );
  });

  const refusals: [what: string, item: LimitRangeItem, resources: ResourceRequirements, why: string | undefined][] = [
    [
      'a small request',
      { type: 'Container', min: { cpu: '50m' } },
      { requests: { cpu: '10m' } },
      'minimum cpu usage per Container is 50m, but request is 10m',
    ],
    [
      'a small limit',
      { type: 'Container', min: { cpu: '50m' } },
      { requests: { cpu: '1' }, limits: { cpu: '10m' } },
      'minimum cpu usage per Container is 50m, but limit is 10m',
    ],
    [
      'no request',
      { type: 'Container', min: { cpu: '50m' } },
      {},
      'minimum cpu usage per Container is 50m.  No request is specified',
    ],
    [
      'no limit',
      { type: 'Container', max: { memory: '1Gi' } },
      {},
      'maximum memory usage per Container is 1Gi.  No limit is specified',
    ],
    [
      'a large limit',
      { type: 'Container', max: { memory: '1024Mi' } },
      { limits: { memory: '2Gi' } },
      'maximum memory usage per Container is 1Gi, but limit is 2Gi',
    ],
    [
      'a large request',
      { type: 'Container', max: { memory: '1Gi' } },
      { limits: { memory: '1Gi' }, requests: { memory: '2Gi' } },
      'maximum memory usage per Container is 1Gi, but request is 2Gi',
    ],
    [
      'a large ratio',
      { type: 'Container', maxLimitRequestRatio: { cpu: '1500m' } },
      { limits: { cpu: '2' }, requests: { cpu: '1' } },
      'cpu max limit to request ratio per Container is 1500m, but provided ratio is 2.000000',
    ],
    [
      'a fitting ratio',
      { type: 'Container', maxLimitRequestRatio: { cpu: '2' } },
      { limits: { cpu: '2' }, requests: { cpu: '1' } },
      undefined,
    ],
    [
      'a ratio to nothing',
      { type: 'Container', maxLimitRequestRatio: { cpu: '2' } },
      { limits: { cpu: '2' }, requests: { cpu: '0' } },
      'cpu max limit to request ratio per Container is 2, but no request is specified or request is 0',
    ],
    [
      'a ratio without limit',
      { type: 'Container', maxLimitRequestRatio: { cpu: '2' } },
      { requests: { cpu: '1' } },
      'cpu max limit to request ratio per Container is 2, but no limit is specified or limit is 0',
    ],
    [
      'what fits',
      { type: 'Container', min: { cpu: '1' }, max: { cpu: '1' } },
      { requests: { cpu: '1' }, limits: { cpu: '1' } },
      undefined,
    ],
    [
      'more than a pod may have',
      { type: 'Pod', max: { cpu: '3' } },
      { limits: { cpu: '2' }, requests: { cpu: '2' } },
      'maximum cpu usage per Pod is 3, but limit is 4',
    ],
  ];
  for (const [what, item, resources, why] of refusals)
    it(`${why === undefined ? 'admits' : 'refuses'} ${what}`, async () => {
      const object = pod(resources, resources);
      const answer = await ask(limitRanger(), 'create', { object, stored: range(item) });
      if (why === undefined) assert.deepEqual(answer, object);
      else assert.equal(answer, `403 pods "p" is forbidden: ${why}`);
    });

  it('tells all that is wrong, each once', async () => {
    const item = { type: 'Container', min: { cpu: '1' }, max: { memory: '1' } };
    assert.equal(
      await ask(limitRanger(), 'create', { object: pod({}, {}), stored: range(item) }),
      '403 pods "p" is forbidden: [minimum cpu usage per Container is 1.  No request is specified, maximum memory usage per Container is 1.  No limit is specified]',
    );
  });

  it('looks at init containers, and at the pod with its sidecars and pod-level resources', async () => {
    const object = pod({ limits: { cpu: '1' } });
    Object.assign((object as Pod).spec, {
      initContainers: [{ name: 'i', restartPolicy: 'Always', resources: { limits: { cpu: '2' } } }],
    });
    const answer = (item: LimitRangeItem, asked = object) => ask(limitRanger(), 'create', { object: asked, stored: range(item) });
    assert.match(String(await answer({ type: 'Container', max: { cpu: '1' } })), /but limit is 2$/);
    assert.match(String(await answer({ type: 'Pod', max: { cpu: '1' } })), /but limit is 3$/);
    const whole = structuredClone(object);
    Object.assign((whole as Pod).spec, { resources: { limits: { cpu: '4' } } });
    assert.match(String(await answer({ type: 'Pod', max: { cpu: '1' } }, whole)), /but limit is 4$/);
  });

  it('leaves updates of pods alone, but not their resize, and nothing that is being deleted', async () => {
    const stored = range({ type: 'Container', max: { cpu: '1' } });
    const object = pod({ limits: { cpu: '2' } });
    assert.deepEqual(await ask(limitRanger(), 'update', { object, old: object, stored }), object);
    assert.match(
      String(await ask(limitRanger(), 'update', { object, old: object, stored, subresource: 'resize' })),
      /limit is 2/,
    );
    const going = { ...object, metadata: { ...object.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
    assert.deepEqual(await ask(limitRanger(), 'update', { object, old: going, stored, subresource: 'resize' }), object);
  });

  it('stays small, however large the range and the pod', async () => {
    const names = Array.from({ length: 5000 }, (_, index) => `example.com/r${index}`);
    const list = Object.fromEntries(names.map((name) => [name, '1']));
    const object = pod(...Array.from({ length: 2000 }, () => ({})));
    const ask1 = (item: LimitRangeItem) => ask(limitRanger(), 'create', { object, stored: range(item) });
    assert.equal(await ask1({ type: 'Container', default: list }), '500 etcdserver: request is too large');
    const refused = String(await ask1({ type: 'Container', min: list }));
    assert.ok(refused.length < 1_000_000, String(refused.length));
  });

  it('bounds claims, also when they grow', async () => {
    const stored = range({ type: 'PersistentVolumeClaim', min: { storage: '1Gi' }, max: { storage: '2Gi' } });
    const rule = '403 persistentvolumeclaims "c" is forbidden:';
    const asked = (storage: string) => ask(limitRanger(), 'create', { object: claim(storage), stored, told: claims });
    assert.equal(await asked('1Mi'), `${rule} minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi`);
    assert.deepEqual(await asked('2Gi'), claim('2Gi'));
    assert.equal(
      await ask(limitRanger(), 'update', { object: claim('3Gi'), old: claim('1Gi'), stored, told: claims }),
      `${rule} maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi`,
    );
  });
});

describe('a namespace with a limit range', () => {
  let api: TestServer;
  const ranges = '/api/v1/namespaces/default/limitranges';
  const pods = '/api/v1/namespaces/default/pods';
  const amounts = (cpu: string, memory: string) => ({ cpu, memory });
  const item = (min: object) => ({
    type: 'Container',
    min,
    max: amounts('500m', '500Mi'),
    default: amounts('500m', '500Mi'),
    defaultRequest: amounts('100m', '200Mi'),
  });
  const limitRange = (name: string, min: object) => ({
    apiVersion: 'v1',
    kind: 'LimitRange',
    metadata: { name, labels: { e2e: 'yes', [name]: 'created' } },
    spec: { limits: [item(min)] },
  });
  const submit = (name: string, resources: object) =>
    api.request('POST', pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: { automountServiceAccountToken: false, containers: [{ name: 'c', image: 'i', resources }] },
    });

  before(async () => {
    api = await startTestServer({ namespaces: ['default', 'other'] });
    await api.request('POST', '/api/v1/namespaces/default/serviceaccounts', {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'default' },
    });
  });
  after(() => api.stop());

  it('gives pods defaults and keeps them in its bounds, as they are now', async () => {
    await api.request('POST', ranges, limitRange('a', amounts('50m', '100Mi')));
    const resourcesOf = async (name: string, resources: object): Promise<unknown> => {
      const { status, json } = await submit(name, resources);
      assert.equal(status, 201, json.message);
      return (json as unknown as Pod).spec.containers[0]?.resources;
    };
    assert.deepEqual(await resourcesOf('none', {}), { limits: amounts('500m', '500Mi'), requests: amounts('100m', '200Mi') });
    // A given limit is also the default of the request, before the LimitRange is applied.
    assert.deepEqual(await resourcesOf('part', { requests: { memory: '150Mi' }, limits: { cpu: '300m' } }), {
      limits: amounts('300m', '500Mi'),
      requests: amounts('300m', '150Mi'),
    });
    assert.equal((await submit('small', { requests: amounts('10m', '50Mi') })).status, 403);
    // The default limit is below what is requested.
    assert.equal((await submit('large', { requests: amounts('600m', '600Mi') })).status, 422);
    const { json } = await api.request('GET', `${ranges}/a`);
    await api.request('PUT', `${ranges}/a`, { ...json, spec: { limits: [item(amounts('9m', '49Mi'))] } });
    assert.equal((await submit('small', { requests: amounts('10m', '50Mi') })).status, 201);
    assert.equal((await submit('large', { requests: amounts('600m', '600Mi') })).status, 422);
    await api.request('DELETE', `${ranges}/a`);
    assert.equal((await submit('large', { requests: amounts('600m', '600Mi') })).status, 201);
  });

  it('is listed, patched and deleted as a collection', async () => {
    await api.request('POST', ranges, limitRange('b', amounts('50m', '100Mi')));
    await api.request('POST', '/api/v1/namespaces/other/limitranges', limitRange('b', amounts('50m', '100Mi')));
    const count = async (selector: string) =>
      (await api.request('GET', `/api/v1/limitranges?labelSelector=${encodeURIComponent(selector)}`)).json.items.length;
    assert.equal(await count('e2e=yes'), 2);
    const body = { metadata: { labels: { b: 'patched' } }, spec: { limits: [item(amounts('9m', '49Mi'))] } };
    const merge = { 'content-type': 'application/strategic-merge-patch+json' };
    const { json } = await api.request('PATCH', `${ranges}/b`, body, merge);
    assert.equal(json.metadata.labels?.['b'], 'patched');
    await api.request('DELETE', `${ranges}?labelSelector=b%3Dpatched`);
    assert.deepEqual([await count('b=patched'), await count('e2e=yes')], [0, 1]);
  });
});
