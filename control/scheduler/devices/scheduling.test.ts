/** Pods with resource claims, with the real API server, the scheduler, and the controller that makes and frees claims. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import type { Device, DeviceRequest, DraResourceClaim, Pod } from '#api/types.generated.ts';
import { systemClock } from '#client/clock.ts';
import { runControllerSet } from '#client/controller-runner.ts';
import { createEventRecorder, type FlushingEventRecorder } from '#client/event-recorder.ts';
import { createInformers } from '#client/informers.ts';
import { createLeftOutReporter } from '#client/left-out.ts';
import { createClient } from '#client/rest-client.ts';
import { startTestServer, type TestServer } from '#control/apiserver/api-server.testing.ts';
import { componentUser } from '#control/apiserver/authentication/component-users.ts';
import { bootstrapRoles } from '#control/apiserver/authorization/rbac/bootstrap-roles.ts';
import { defaultPolicy } from '#control/apiserver/authorization/rbac/policy/default-policy.ts';
import { inProcessTransport } from '#control/apiserver/in-process-transport.ts';
import { silentLog } from '#control/apiserver/serving/server-log.ts';
import { resourceClaimController } from '#control/controllers/resource-claim/resource-claim.ts';
import { until as untilWithin } from '#lab/until.ts';
import { createScheduler, type Scheduler } from '../scheduler.ts';

const log = pino({ level: process.env['TEST_LOG'] ?? 'silent' });
const namespace = 'default';
const driver = 'gpu.example.com';

describe('scheduling of pods with resource claims', () => {
  let server: TestServer;
  let events: FlushingEventRecorder;
  let scheduler: Scheduler | undefined;
  const abort = new AbortController();
  let running: Promise<unknown> = Promise.resolve();
  before(async () => {
    server = await startTestServer({ modes: ['RBAC'], namespaces: ['default', 'kube-system', 'kube-public'] });
    const { client } = server;
    await bootstrapRoles(client, defaultPolicy(), systemClock, silentLog, abort.signal);
    await client
      .resource('serviceaccounts')
      .create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } });
    for (const name of ['n1', 'n2']) {
      const amounts = { cpu: '64', memory: '64Gi', pods: '110' };
      const node = await client.resource('nodes').create({
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name, labels: { 'kubernetes.io/hostname': name } },
        spec: {},
        status: { allocatable: amounts, capacity: amounts },
      });
      // Without the taint of a node that has not reported yet.
      await client.resource('nodes').update({ ...node, spec: { taints: [] } });
    }
    const scheduling = createClient(inProcessTransport(server.server, componentUser('kube-scheduler')), {
      userAgent: 'scheduler',
    });
    const reading = createClient(inProcessTransport(server.server, componentUser('kube-controller-manager')), {
      userAgent: 'kcm',
    });
    const informers = createInformers({ client: reading, clock: systemClock, log });
    events = createEventRecorder({ client: scheduling, clock: systemClock, log, component: 'default-scheduler' });
    const leftOut = createLeftOutReporter({ events, log });
    const deps = { informers, clock: systemClock, log, events, leftOut };
    scheduler = createScheduler(
      { ...deps, client: scheduling, random: () => 0 },
      { queue: { initialBackoffMs: 20, maxBackoffMs: 50 } },
    );
    const controller = resourceClaimController({ ...deps, client, catalog: server.server.resources, caches: informers });
    running = Promise.all([
      scheduler.run(abort.signal),
      runControllerSet([controller], deps, abort.signal),
      informers.run(abort.signal),
    ]);
    await classNamed('gpu');
  });
  after(async () => {
    abort.abort();
    await running;
    await events.flush();
    await server.stop();
  });

  const pods = () => server.client.resource('pods');
  const claims = () => server.client.resource('resourceclaims.resource.k8s.io');
  const classNamed = (name: string, expression = `device.driver == "${driver}"`) =>
    server.client.resource('deviceclasses.resource.k8s.io').create({
      apiVersion: 'resource.k8s.io/v1',
      kind: 'DeviceClass',
      metadata: { name },
      spec: { selectors: [{ cel: { expression } }] },
    });
  const until = <T>(what: string, check: () => Promise<T | undefined | false>) =>
    untilWithin(what, check, { timeoutMs: 60_000, everyMs: 20 });
  const publish = async (pool: string, nodeName: string, devices: Device[]): Promise<void> => {
    await server.client.resource('resourceslices.resource.k8s.io').create({
      apiVersion: 'resource.k8s.io/v1',
      kind: 'ResourceSlice',
      metadata: { name: pool },
      spec: { driver, nodeName, pool: { name: pool, generation: 1, resourceSliceCount: 1 }, devices },
    });
  };
  const template = (name: string, ...requests: DeviceRequest[]) =>
    server.client.resource('resourceclaimtemplates.resource.k8s.io').create({
      apiVersion: 'resource.k8s.io/v1',
      kind: 'ResourceClaimTemplate',
      metadata: { name, namespace },
      spec: { spec: { devices: { requests } } },
    });
  const ask = (deviceClassName: string, expression?: string): DeviceRequest => ({
    name: 'one',
    exactly: { deviceClassName, ...(expression === undefined ? {} : { selectors: [{ cel: { expression } }] }) },
  });
  const makePod = (name: string, source: { resourceClaimTemplateName: string } | { resourceClaimName: string }, spec = {}) =>
    pods().create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace },
      spec: {
        containers: [{ name: 'c', image: 'i', resources: { claims: [{ name: 'gpu' }] } }],
        resourceClaims: [{ name: 'gpu', ...source }],
        ...spec,
      },
    });
  const bound = (name: string): Promise<Pod> =>
    until(`${name} has a node`, async () => {
      const pod = await pods().get({ namespace, name });
      return (pod.spec.nodeName ?? '') === '' ? undefined : pod;
    });
  const message = (name: string, text: RegExp): Promise<string> =>
    until(`${name} hears ${text}`, async () => {
      const { status } = await pods().get({ namespace, name });
      const found = status?.conditions?.find(({ type }) => type === 'PodScheduled')?.message;
      return found !== undefined && text.test(found) ? found : undefined;
    });
  const claimOf = async (pod: Pod): Promise<DraResourceClaim> => {
    const [entry] = pod.spec.resourceClaims ?? [];
    const made = pod.status?.resourceClaimStatuses?.[0]?.resourceClaimName;
    return claims().get({ namespace, name: entry?.resourceClaimName ?? made ?? '' });
  };
  const deviceOf = ({ status }: DraResourceClaim): string | undefined => status?.allocation?.devices?.results?.[0]?.device;
  const remove = (name: string) => pods().delete({ namespace, name }, { gracePeriodSeconds: 0 });

  it('chooses a device, writes it into the claim, and binds the pod where the device is; the next pod waits for it', async () => {
    await publish('p1', 'n2', [{ name: 'gpu-0' }]);
    await template('gpu', ask('gpu'));
    const made = await makePod('first', { resourceClaimTemplateName: 'gpu' });
    const first = await bound('first');
    assert.equal(first.spec.nodeName, 'n2');
    const claim = await claimOf(first);
    assert.deepEqual(claim.metadata.finalizers, ['resource.kubernetes.io/delete-protection']);
    assert.deepEqual(claim.status?.reservedFor, [{ resource: 'pods', name: 'first', uid: made.metadata.uid }]);
    const { allocationTimestamp, ...allocation } = claim.status?.allocation ?? {};
    assert.ok(allocationTimestamp !== undefined);
    assert.deepEqual(allocation, {
      devices: { results: [{ request: 'one', driver, pool: 'p1', device: 'gpu-0' }] },
      nodeSelector: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n2'] }] }] },
    });
    await makePod('second', { resourceClaimTemplateName: 'gpu' });
    const text = await message('second', /./);
    assert.equal(
      text,
      '0/2 nodes are available: 2 cannot allocate all claims. still not schedulable, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.',
    );
    await remove('first');
    assert.equal((await bound('second')).spec.nodeName, 'n2');
    await remove('second');
  });

  it('says nothing while a claim is still to be made', async () => {
    await makePod('early', { resourceClaimName: 'later' });
    await delay(100);
    assert.equal((await pods().get({ namespace, name: 'early' })).status?.conditions, undefined);
    await claims().create({
      apiVersion: 'resource.k8s.io/v1',
      kind: 'ResourceClaim',
      metadata: { name: 'later', namespace },
      spec: { devices: { requests: [ask('gpu')] } },
    });
    await bound('early');
    // Another pod of the same claim goes where its device is.
    await makePod('sharing', { resourceClaimName: 'later' });
    const sharing = await bound('sharing');
    assert.equal(sharing.spec.nodeName, 'n2');
    assert.deepEqual(
      (await claimOf(sharing)).status?.reservedFor?.map(({ name }) => name),
      ['early', 'sharing'],
    );
    await remove('early');
    await remove('sharing');
    await until('it is free', async () => deviceOf(await claimOf(sharing)) === undefined);
  });

  it('gives each of many pods a device of its own', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `many-${index}`);
    await classNamed('many', `device.attributes["${driver}"].?many.orValue(false)`);
    await publish(
      'p2',
      'n1',
      names.map((name) => ({ name, attributes: { many: { bool: true } } })),
    );
    await template('many', ask('many'));
    for (const name of names) await makePod(name, { resourceClaimTemplateName: 'many' });
    const devices = new Set<string | undefined>();
    for (const name of names) devices.add(deviceOf(await claimOf(await bound(name))));
    assert.equal(devices.size, names.length);
    for (const name of names) await remove(name);
  });

  it('waits for a class, and for devices', async () => {
    await template('new', ask('new', `device.attributes["${driver}"].?isNew.orValue(false)`));
    await makePod('waiting', { resourceClaimTemplateName: 'new' });
    assert.equal(
      await message('waiting', /./),
      '0/2 nodes are available: request one: device class new does not exist. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.'.replace(
        ' preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.',
        ' not found',
      ),
    );
    await classNamed('new');
    await message('waiting', /cannot allocate all claims/);
    await publish('p3', 'n1', [{ name: 'new-0', attributes: { isNew: { bool: true } } }]);
    assert.equal((await bound('waiting')).spec.nodeName, 'n1');
    await remove('waiting');
  });

  it('tells of a selector that cannot be evaluated', async () => {
    await template('broken', ask('gpu', `device.attributes["${driver}"].nothing == 1`));
    await makePod('broken', { resourceClaimTemplateName: 'broken' });
    const text = await message('broken', /running "DynamicResources" filter plugin/);
    assert.match(
      text,
      /^running "DynamicResources" filter plugin: claim default\/broken-gpu-\w+: selector #0: CEL runtime error: /,
    );
    assert.deepEqual(scheduler?.explain('default/broken').remedies, [], 'why it waits can be asked for');
    await remove('broken');
  });

  it('takes the first alternative that there is, and prefers the node that has an earlier one', async () => {
    const kind = (value: string) => `device.attributes["${driver}"].?kind.orValue("") == "${value}"`;
    await publish('p4', 'n1', [{ name: 'small', attributes: { kind: { string: 'small' } } }]);
    await publish('p5', 'n2', [{ name: 'large', attributes: { kind: { string: 'large' } } }]);
    const alternative = (name: string) => ({ name, deviceClassName: 'gpu', selectors: [{ cel: { expression: kind(name) } }] });
    await template('either', { name: 'one', firstAvailable: [alternative('large'), alternative('small')] });
    await makePod('best', { resourceClaimTemplateName: 'either' });
    const best = await bound('best');
    assert.deepEqual([best.spec.nodeName, deviceOf(await claimOf(best))], ['n2', 'large']);
    await makePod('next', { resourceClaimTemplateName: 'either' });
    const next = await bound('next');
    assert.deepEqual([next.spec.nodeName, deviceOf(await claimOf(next))], ['n1', 'small']);
    await remove('best');
    await remove('next');
  });

  it('binds a pod once its device is prepared, and gives back one whose preparation has failed', async () => {
    const conditions = { bindingConditions: ['Attached'], bindingFailureConditions: ['Broken'] };
    await classNamed('slow', `device.attributes["${driver}"].?slow.orValue(false)`);
    await publish('p6', 'n1', [{ name: 'slow-0', attributes: { slow: { bool: true } }, ...conditions }]);
    await template('slow', ask('slow'));
    await makePod('slow', { resourceClaimTemplateName: 'slow' });
    const report = async (type: string): Promise<void> => {
      const claim = await until('it is allocated', async () => {
        const pod = await pods().get({ namespace, name: 'slow' });
        if (pod.status?.resourceClaimStatuses === undefined) return undefined;
        const found = await claimOf(pod);
        return deviceOf(found) === undefined ? undefined : found;
      });
      const lastTransitionTime = '2026-01-01T00:00:00Z';
      const reported = [{ type, status: 'True', reason: 'Because', message: 'it is so', lastTransitionTime }];
      await claims().updateStatus({
        ...claim,
        status: { ...claim.status, devices: [{ driver, pool: 'p6', device: 'slow-0', conditions: reported }] },
      });
    };
    await report('Broken');
    await message('slow', /running PreBind plugin "DynamicResources": device binding failed: claim=slow-gpu-\w+, reason=Because/);
    // The allocation is given back, and the device chosen anew.
    await until('it is tried again', async () => {
      const claim = await claimOf(await pods().get({ namespace, name: 'slow' }));
      return deviceOf(claim) !== undefined && claim.status?.devices === undefined;
    });
    await report('Attached');
    assert.equal((await bound('slow')).spec.nodeName, 'n1');
    await remove('slow');
  });
});
