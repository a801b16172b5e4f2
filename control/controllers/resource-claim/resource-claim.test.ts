import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { claimFinalizer } from '#api/dra/pod-claims.ts';
import type { DraResourceClaim, Pod, PodResourceClaim } from '#api/types.generated.ts';
import { startWorld, type World } from '../cluster.testing.ts';
import { ControllerMonitors } from '../monitors/index.ts';
import { generatedClaim } from './generated-claim.ts';

const namespace = 'default';
const spec = { devices: { requests: [{ name: 'one', exactly: { deviceClassName: 'gpu' } }] } };

describe('resource claim controller', () => {
  let world: World;
  const monitors = new ControllerMonitors();
  before(async () => {
    world = await startWorld({ monitors });
    await world.client.resource('resourceclaimtemplates.resource.k8s.io').create({
      apiVersion: 'resource.k8s.io/v1',
      kind: 'ResourceClaimTemplate',
      metadata: { name: 'gpu', namespace },
      spec: { metadata: { labels: { a: 'b' }, annotations: { c: 'd' } }, spec },
    });
  });
  after(() => world.stop());

  const claims = () => world.client.resource('resourceclaims.resource.k8s.io');
  const pods = () => world.client.resource('pods');
  const makePod = (name: string, resourceClaims: PodResourceClaim[], nodeName?: string): Promise<Pod> =>
    pods().create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace },
      spec: {
        containers: [{ name: 'c', image: 'i', resources: { claims: resourceClaims.map((one) => ({ name: one.name })) } }],
        resourceClaims,
        ...(nodeName === undefined ? {} : { nodeName }),
      },
    });
  const makeClaim = (name: string): Promise<DraResourceClaim> =>
    claims().create({ apiVersion: 'resource.k8s.io/v1', kind: 'ResourceClaim', metadata: { name, namespace }, spec });
  /** What the scheduler does with a claim. */
  const allocate = async (claim: DraResourceClaim, ...users: Pod[]): Promise<DraResourceClaim> => {
    const locked = await claims().update({ ...claim, metadata: { ...claim.metadata, finalizers: [claimFinalizer] } });
    const results = [{ request: 'one', driver: 'gpu.example.com', pool: 'n1', device: 'gpu-0' }];
    const reservedFor = users.map(({ metadata }) => ({ resource: 'pods', name: metadata.name, uid: metadata.uid }));
    return claims().updateStatus({ ...locked, status: { allocation: { devices: { results } }, reservedFor } });
  };
  const claimOf = (pod: Pod): Promise<DraResourceClaim> =>
    world.until(`the claim of ${pod.metadata.name}`, async () => {
      const { resourceClaimStatuses = [] } = (await pods().get({ namespace, name: pod.metadata.name })).status ?? {};
      const name = resourceClaimStatuses[0]?.resourceClaimName;
      return name === undefined
        ? undefined
        : claims()
            .get({ namespace, name })
            .catch(() => undefined);
    });
  const list = async (): Promise<DraResourceClaim[]> => (await claims().list({ namespace })).items;
  const values = async (name: string): Promise<unknown> => {
    const metric = monitors.metrics.find((one) => (one as { name?: string }).name === name);
    return (await metric?.get())?.values.map(({ labels, value }) => ({ ...labels, value }));
  };

  it('makes a claim from its template, once, and again when somebody has deleted it', async () => {
    const pod = await makePod('web', [{ name: 'gpu', resourceClaimTemplateName: 'gpu' }]);
    const claim = await claimOf(pod);
    assert.match(claim.metadata.name, /^web-gpu-[a-z0-9]{5}$/);
    assert.deepEqual(claim.metadata.labels, { a: 'b' });
    assert.deepEqual(claim.metadata.annotations, { c: 'd', 'resource.kubernetes.io/pod-claim-name': 'gpu' });
    assert.deepEqual(claim.metadata.ownerReferences, [
      { apiVersion: 'v1', kind: 'Pod', name: 'web', uid: pod.metadata.uid, controller: true },
    ]);
    assert.deepEqual(claim.spec.devices?.requests?.[0]?.exactly?.deviceClassName, 'gpu');
    await world.pass(2);
    assert.equal((await list()).length, 1);
    assert.deepEqual(await values('resourceclaim_controller_creates_total'), [
      { status: 'success', admin_access: 'false', value: 1 },
    ]);
    assert.deepEqual(await values('resourceclaim_controller_resource_claims'), [
      { allocated: 'false', admin_access: 'false', source: 'resource_claim_template', value: 1 },
    ]);
    await claims().delete(claim.metadata);
    const again = await world.until('another claim', async () => {
      const found = await claimOf(pod);
      return found.metadata.uid === claim.metadata.uid ? undefined : found;
    });
    assert.notEqual(again.metadata.uid, claim.metadata.uid);
    await pods().delete({ namespace, name: 'web' }, { gracePeriodSeconds: 0 });
    await world.until('the claim goes with its pod', async () => (await list()).length === 0);
  });

  it('waits for a template, and says so', async () => {
    const pod = await makePod('early', [{ name: 'x', resourceClaimTemplateName: 'late' }]);
    await world.until('an event', async () =>
      (await world.client.resource('events').list({ namespace })).items.find(
        ({ reason, message }) =>
          reason === 'FailedResourceClaimCreation' &&
          message ===
            'PodResourceClaim x: resource claim template "late": resourceclaimtemplate.resource.k8s.io "late" not found',
      ),
    );
    await world.client.resource('resourceclaimtemplates.resource.k8s.io').create({
      apiVersion: 'resource.k8s.io/v1',
      kind: 'ResourceClaimTemplate',
      metadata: { name: 'late', namespace },
      spec: { spec },
    });
    await claimOf(pod);
    await pods().delete({ namespace, name: 'early' }, { gracePeriodSeconds: 0 });
    await world.until('the claim goes', async () => (await list()).length === 0);
  });

  it('gives the devices back once the last pod has gone, and not before', async () => {
    const claim = await makeClaim('shared');
    const [first, second] = [
      await makePod('first', [{ name: 'gpu', resourceClaimName: 'shared' }]),
      await makePod('second', [{ name: 'gpu', resourceClaimName: 'shared' }]),
    ];
    const other = { apiGroup: 'example.com', resource: 'things', name: 'x', uid: 'y' };
    const allocated = await allocate(claim, first, second);
    await pods().delete({ namespace, name: 'first' }, { gracePeriodSeconds: 0 });
    const now = () => claims().get({ namespace, name: 'shared' });
    await world.until('one is left', async () => (await now()).status?.reservedFor?.length === 1);
    assert.deepEqual((await now()).status?.allocation, allocated.status?.allocation);
    // Of a kind that the controller does not know: it stays.
    const known = await now();
    await claims().updateStatus({
      ...known,
      status: { ...known.status, reservedFor: [...(known.status?.reservedFor ?? []), other] },
    });
    await pods().delete({ namespace, name: 'second' }, { gracePeriodSeconds: 0 });
    await world.until('the other kind is left', async () => (await now()).status?.reservedFor?.length === 1);
    assert.deepEqual((await now()).status?.reservedFor, [other]);
    assert.ok((await now()).status?.allocation !== undefined);
    const third = await makePod('third', [{ name: 'gpu', resourceClaimName: 'shared' }]);
    const status = { ...(await now()).status, reservedFor: [{ resource: 'pods', name: 'third', uid: third.metadata.uid }] };
    await claims().updateStatus({ ...(await now()), status });
    await pods().delete({ namespace, name: 'third' }, { gracePeriodSeconds: 0 });
    await world.until('it is free', async () => (await now()).status?.allocation === undefined);
    await world.until('without its finalizer', async () => (await now()).metadata.finalizers === undefined);
    await claims().delete({ namespace, name: 'shared' });
  });

  it('does not believe a reservation of an earlier pod of the same name, nor of one that never was', async () => {
    const claim = await makeClaim('stale');
    const now = () => claims().get({ namespace, name: 'stale' });
    const locked = await claims().update({ ...claim, metadata: { ...claim.metadata, finalizers: [claimFinalizer] } });
    const results = [{ request: 'one', driver: 'gpu.example.com', pool: 'n1', device: 'gpu-0' }];
    const pod = await makePod('reborn', [{ name: 'gpu', resourceClaimName: 'stale' }]);
    await claims().updateStatus({
      ...locked,
      status: {
        allocation: { devices: { results } },
        reservedFor: [
          { resource: 'pods', name: 'reborn', uid: 'an-older-one' },
          { resource: 'pods', name: 'nobody', uid: 'nobody' },
          { resource: 'pods', name: 'reborn', uid: pod.metadata.uid },
        ],
      },
    });
    await world.until('only the living', async () => {
      const { reservedFor = [] } = (await now()).status ?? {};
      return reservedFor.length === 1 && reservedFor[0]?.uid === pod.metadata.uid;
    });
    await pods().delete({ namespace, name: 'reborn' }, { gracePeriodSeconds: 0 });
    await claims().delete({ namespace, name: 'stale' });
    await world.until('it is gone', async () => (await list()).length === 0);
  });

  it('deletes the claim of a pod that has ended and stays', async () => {
    const pod = await makePod('ended', [{ name: 'gpu', resourceClaimTemplateName: 'gpu' }]);
    await allocate(await claimOf(pod), pod);
    await pods().patch(
      { namespace, name: 'ended' },
      { type: 'merge', body: { status: { phase: 'Succeeded' } } },
      { subresource: 'status' },
    );
    await world.until('the claim is gone', async () => (await list()).length === 0);
    assert.equal((await pods().get({ namespace, name: 'ended' })).status?.phase, 'Succeeded');
  });

  it('reserves an allocated claim for a pod that came to its node without the scheduler', async () => {
    const claim = await makeClaim('fixed');
    const someone = await makePod('someone', [{ name: 'gpu', resourceClaimName: 'fixed' }]);
    await allocate(claim, someone);
    const pod = await makePod('fixed-pod', [{ name: 'gpu', resourceClaimName: 'fixed' }], 'n1');
    await world.until('it is reserved', async () =>
      (await claims().get({ namespace, name: 'fixed' })).status?.reservedFor?.some(({ uid }) => uid === pod.metadata.uid),
    );
  });

  it('names claims after pod and entry, both cut where they are long', () => {
    const template = { spec: { spec } } as never;
    const named = (pod: string, entry: string) =>
      generatedClaim({ metadata: { name: pod, namespace, uid: 'u' } } as Pod, { name: entry }, template).metadata.generateName;
    assert.equal(named('p', 'e'), 'p-e-');
    assert.equal(named('p'.repeat(40), 'e'.repeat(15)), `${'p'.repeat(40)}-${'e'.repeat(15)}-`.slice(0, 57));
    assert.equal(named('p'.repeat(100), 'e'.repeat(12)), `${'p'.repeat(50)}-${'e'.repeat(6)}`);
  });
});
