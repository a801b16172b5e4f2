import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KubeObject } from '#api/meta.ts';
import type {
  ConfigMap,
  EndpointSlice,
  Endpoints,
  Event,
  EventsEvent,
  Lease,
  Namespace,
  Node,
  Secret,
  ServiceAccount,
} from '#api/types.generated.ts';
import type { Strategy } from '../registry/strategy.ts';
import { leaseStrategy } from './coordination/lease/strategy.ts';
import { configMapStrategy } from './core/configmap/strategy.ts';
import { endpointsStrategy } from './core/endpoints/strategy.ts';
import { eventStrategy, eventsEventStrategy } from './core/event/strategy.ts';
import { namespaceStrategy } from './core/namespace/strategy.ts';
import { nodeStrategy } from './core/node/strategy.ts';
import { secretStrategy } from './core/secret/strategy.ts';
import { serviceAccountStrategy } from './core/serviceaccount/strategy.ts';
import { endpointSliceStrategy } from './discovery/endpointslice/strategy.ts';
import { create, systemMeta, update } from './strategy.testing.ts';

const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

const base64 = (text: string): string => Buffer.from(text).toString('base64');

async function rejects<T extends KubeObject>(strategy: Strategy<T>, object: T, ...expected: string[]): Promise<void> {
  assert.deepEqual((await create(strategy, object)).errors, expected);
}

describe('metadata of every kind', () => {
  const map = (metadata: Partial<ConfigMap['metadata']>): ConfigMap => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { ...systemMeta('m', 'ns'), ...metadata },
  });

  it("refuses bad names, labels and annotations in upstream's words", async () => {
    await rejects(
      configMapStrategy,
      map({ name: 'My_Map', labels: { 'a b': 'x' }, annotations: { '/': '' } }),
      `metadata.name: Invalid value: "My_Map": ${SUBDOMAIN}`,
      "metadata.labels: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
      'metadata.annotations: Invalid value: "/": prefix part must be non-empty',
      'metadata.annotations: Invalid value: "/": name part must be non-empty',
      "metadata.annotations: Invalid value: \"/\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    );
  });

  it('refuses too many bytes of annotations', async () => {
    await rejects(
      configMapStrategy,
      map({ annotations: { a: 'x'.repeat(262144) } }),
      'metadata.annotations: Too long: may not be more than 262144 bytes',
    );
  });

  it('refuses finalizers that nobody owns, two that exclude each other, and two controllers', async () => {
    const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'a', uid: '1', controller: true };
    const ownerReferences = [owner, { ...owner, name: 'b', uid: '2' }];
    await rejects(
      configMapStrategy,
      map({ finalizers: ['mine', 'orphan', 'foregroundDeletion'], ownerReferences }),
      `metadata.ownerReferences: Invalid value: ${JSON.stringify(ownerReferences)}: Only one reference can have Controller set to true. Found "true" in references for ReplicaSet/a and ReplicaSet/b`,
      'metadata.finalizers: Invalid value: ["mine","orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',
      'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
    );
  });

  it('refuses new finalizers on what is being deleted', async () => {
    const old = map({ deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['a.b/c'] });
    const { errors } = await update(configMapStrategy, old, ({ metadata }) => metadata.finalizers?.push('a.b/d'));
    assert.deepEqual(errors, [
      'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"a.b/d"}',
    ]);
  });
});

describe('config maps', () => {
  const map = (more: Partial<ConfigMap>): ConfigMap => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: systemMeta('m', 'ns'),
    ...more,
  });
  const keyText =
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

  it('refuse bad keys, keys twice and more than a mebibyte', async () => {
    await rejects(configMapStrategy, map({ data: { 'a/b': '' } }), `data[a/b]: Invalid value: "a/b": ${keyText}`);
    await rejects(
      configMapStrategy,
      map({ data: { a: 'x' }, binaryData: { a: 'eA==' } }),
      'data[a]: Invalid value: "a": duplicate of key present in binaryData',
    );
    await rejects(
      configMapStrategy,
      map({ data: { a: 'x'.repeat(1048577) } }),
      '[]: Too long: may not be more than 1048576 bytes',
    );
    await rejects(configMapStrategy, map({ binaryData: { a: Buffer.alloc(1048576).toString('base64') } }));
  });

  it('stay as they are once immutable', async () => {
    const { errors } = await update(configMapStrategy, map({ immutable: true, data: { a: '1' } }), (object) => {
      delete object.immutable;
      object.data = { a: '2' };
    });
    assert.deepEqual(errors, [
      'immutable: Forbidden: field is immutable when `immutable` is set',
      'data: Forbidden: field is immutable when `immutable` is set',
    ]);
  });
});

describe('secrets', () => {
  const secret = (more: Partial<Secret>): Secret => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: systemMeta('s', 'ns'),
    ...more,
  });

  it('fold stringData into data', async () => {
    const { object, errors } = await create(
      secretStrategy,
      secret({ data: { a: base64('1'), b: base64('2') }, stringData: { b: '3', c: 'ä' } }),
    );
    assert.deepEqual(errors, []);
    assert.deepEqual(object, secret({ type: 'Opaque', data: { a: base64('1'), b: base64('3'), c: base64('ä') } }));
  });

  for (const [type, data, ...expected] of [
    ['kubernetes.io/tls', {}, 'data[tls.crt]: Required value', 'data[tls.key]: Required value'],
    ['kubernetes.io/basic-auth', {}, 'data[username]: Required value', 'data[password]: Required value'],
    ['kubernetes.io/basic-auth', { username: base64('u') }],
    ['kubernetes.io/ssh-auth', { 'ssh-privatekey': '' }, 'data[ssh-privatekey]: Required value'],
    ['kubernetes.io/dockerconfigjson', {}, 'data[.dockerconfigjson]: Required value'],
    [
      'kubernetes.io/dockerconfigjson',
      { '.dockerconfigjson': base64('') },
      'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": unexpected end of JSON input',
    ],
    ['kubernetes.io/dockerconfigjson', { '.dockerconfigjson': base64('{"auths":{}}') }],
    ['kubernetes.io/service-account-token', {}, 'metadata.annotations[kubernetes.io/service-account.name]: Required value'],
    ['example.com/own', {}],
  ] as [string, Record<string, string>, ...string[]][]) {
    it(`of type ${type} ${expected.length === 0 ? 'are accepted' : 'need their keys'}`, async () => {
      await rejects(secretStrategy, secret({ type, data }), ...expected);
    });
  }

  it('keep their type, and their data once immutable', async () => {
    const { errors } = await update(
      secretStrategy,
      secret({ type: 'Opaque', immutable: true, data: { a: base64('1') } }),
      (object) => {
        object.type = 'example.com/own';
        object.data = {};
      },
    );
    assert.deepEqual(errors, [
      'type: Invalid value: "example.com/own": field is immutable',
      'data: Forbidden: field is immutable when `immutable` is set',
    ]);
  });

  it('are selected by type', () => {
    assert.deepEqual(secretStrategy.fields?.(secret({ type: 'Opaque' })), { type: 'Opaque' });
  });
});

describe('namespaces', () => {
  const namespace = (name: string): Namespace => ({ apiVersion: 'v1', kind: 'Namespace', metadata: systemMeta(name), spec: {} });

  it('get their finalizer, phase and name label', async () => {
    const { object, errors } = await create(namespaceStrategy, namespace('lab'));
    assert.deepEqual(errors, []);
    assert.deepEqual(object, {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { ...systemMeta('lab'), labels: { 'kubernetes.io/metadata.name': 'lab' } },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' },
    });
  });

  it('have names without dots', async () => {
    await rejects(namespaceStrategy, namespace('a.b'), 'metadata.name: Invalid value: "a.b": must not contain dots');
  });

  it('keep finalizers and status on update, and are Active until deleted', async () => {
    const { object: old } = await create(namespaceStrategy, namespace('lab'));
    const main = await update(namespaceStrategy, old, (object) => {
      object.spec.finalizers = [];
      object.status = { phase: 'Terminating' };
    });
    assert.deepEqual([main.errors, main.object.spec, main.object.status], [[], old.spec, old.status]);
    const status = await update(namespaceStrategy, old, (object) => void (object.status = { phase: 'Terminating' }), 'status');
    assert.deepEqual(status.errors, [
      'status.Phase: Invalid value: "Terminating": may only be \'Active\' if `deletionTimestamp` is empty',
    ]);
  });
});

describe('nodes', () => {
  const node = (spec: Node['spec'] = {}, status?: Node['status']): Node => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: systemMeta('w1'),
    spec,
    ...(status === undefined ? {} : { status }),
  });

  it('start out not ready, with what they can give equal to what they have', async () => {
    const { object, errors } = await create(nodeStrategy, node({ podCIDR: '10.1.0.0/24' }, { capacity: { cpu: '2' } }));
    assert.deepEqual(errors, []);
    assert.deepEqual(object.spec, {
      podCIDR: '10.1.0.0/24',
      podCIDRs: ['10.1.0.0/24'],
      taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }],
    });
    assert.deepEqual(object.status, { capacity: { cpu: '2' }, allocatable: { cpu: '2' } });
  });

  it('refuse taints twice and unknown effects', async () => {
    const taint = { key: 'a', value: 'x', effect: 'NoSchedule' };
    await rejects(
      nodeStrategy,
      node({ taints: [taint, taint, { key: 'b', effect: 'Explode' }] }),
      'metadata.taints[1]: Duplicate value: {"Key":"a","Value":"x","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair',
      'metadata.taints[2].effect: Unsupported value: "Explode": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
    );
  });

  it('keep their pod CIDR and provider ID', async () => {
    const { errors } = await update(nodeStrategy, node({ podCIDRs: ['10.1.0.0/24'], providerID: 'a' }), ({ spec }) => {
      spec.podCIDR = '10.2.0.0/24';
      spec.providerID = 'b';
    });
    assert.deepEqual(errors, [
      'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
      'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
    ]);
  });

  it('refuse pod CIDRs with bits beyond the prefix', async () => {
    await rejects(
      nodeStrategy,
      node({ podCIDRs: ['10.1.0.1/24'] }),
      'spec.podCIDRs[0]: Invalid value: "10.1.0.1/24": must not have bits set beyond the prefix length',
    );
  });

  it('are selected by whether they take pods', () => {
    assert.deepEqual(nodeStrategy.fields?.(node({ unschedulable: true })), { 'spec.unschedulable': 'true' });
  });
});

describe('endpoints', () => {
  const endpoints = (subsets: Endpoints['subsets']): Endpoints => ({
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: systemMeta('e', 'ns'),
    subsets,
  });

  it('default to TCP', async () => {
    const { object } = await create(endpointsStrategy, endpoints([{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }]));
    assert.deepEqual(object.subsets?.[0]?.ports, [{ port: 80, protocol: 'TCP' }]);
  });

  it('refuse addresses that no service can reach', async () => {
    await rejects(
      endpointsStrategy,
      endpoints([{ addresses: [{ ip: '127.0.0.1' }, { ip: '169.254.1.1' }], ports: [{ port: 80 }, { port: 81 }] }, {}]),
      'subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      'subsets[0].addresses[1].ip: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
      'subsets[0].ports[0].name: Required value',
      'subsets[0].ports[1].name: Required value',
      'subsets[1]: Required value: must specify `addresses` or `notReadyAddresses`',
    );
  });
});

describe('endpoint slices', () => {
  const slice = (more: Partial<EndpointSlice>): EndpointSlice => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: systemMeta('e-1', 'ns'),
    addressType: 'IPv4',
    ...more,
  });

  it('default to unnamed TCP ports, and count generations', async () => {
    const { object, errors } = await create(
      endpointSliceStrategy,
      slice({ endpoints: [{ addresses: ['10.0.0.1'] }], ports: [{ port: 80 }] }),
    );
    assert.deepEqual([errors, object.ports, object.metadata.generation], [[], [{ name: '', port: 80, protocol: 'TCP' }], 1]);
    const same = await update(endpointSliceStrategy, object, ({ metadata }) => void (metadata.annotations = { a: 'b' }));
    assert.equal(same.object.metadata.generation, 1);
    const other = await update(endpointSliceStrategy, object, (changed) => void (changed.endpoints = []));
    assert.equal(other.object.metadata.generation, 2);
  });

  it('refuse other address types and other families', async () => {
    await rejects(
      endpointSliceStrategy,
      slice({ addressType: 'IPX' }),
      'addressType: Unsupported value: "IPX": supported values: "FQDN", "IPv4", "IPv6"',
    );
    await rejects(
      endpointSliceStrategy,
      slice({ endpoints: [{ addresses: ['2001:db8::1'] }, { addresses: [] }] }),
      'endpoints[0].addresses: Invalid value: "2001:db8::1": must be an IPv4 address',
      'endpoints[1].addresses: Required value: must contain at least 1 address',
    );
    const { errors } = await update(endpointSliceStrategy, slice({}), (object) => void (object.addressType = 'IPv6'));
    assert.deepEqual(errors, ['addressType: Invalid value: "IPv6": field is immutable']);
  });
});

describe('leases', () => {
  const lease = (spec: Lease['spec']): Lease => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: systemMeta('l', 'ns'),
    spec,
  });

  it('refuse a duration of zero and transitions below it', async () => {
    await rejects(
      leaseStrategy,
      lease({ leaseDurationSeconds: 0, leaseTransitions: -1 }),
      'spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0',
      'spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0',
    );
  });

  it('drop coordinated election, which 1.36 leaves off', async () => {
    const { object } = await create(leaseStrategy, lease({ strategy: 'OldestEmulationVersion', preferredHolder: 'x' }));
    assert.deepEqual(object.spec, {});
  });
});

describe('service accounts', () => {
  it('name secrets and say nothing else of them', async () => {
    const account: ServiceAccount = {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: systemMeta('a', 'ns'),
      secrets: [{ name: 's', namespace: 'other' }],
    };
    const { object, errors } = await create(serviceAccountStrategy, account);
    assert.deepEqual([errors, object.secrets], [[], [{ name: 's' }]]);
  });
});

describe('events', () => {
  const core = (more: Partial<Event> = {}): Event => ({
    apiVersion: 'v1',
    kind: 'Event',
    metadata: systemMeta('e', 'ns'),
    involvedObject: { kind: 'Pod', namespace: 'ns', name: 'p' },
    ...more,
  });
  const modern = (more: Partial<EventsEvent> = {}): EventsEvent => ({
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: systemMeta('e', 'ns'),
    eventTime: '2026-01-01T00:00:00.000000Z',
    regarding: { kind: 'Pod', namespace: 'ns', name: 'p' },
    reportingController: 'example.com/c',
    reportingInstance: 'c-1',
    action: 'Start',
    reason: 'Started',
    type: 'Normal',
    ...more,
  });

  it('belong to the namespace of their object', async () => {
    await rejects(eventStrategy, core());
    await rejects(
      eventStrategy,
      core({ involvedObject: { kind: 'Pod', namespace: 'other' } }),
      'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
    );
  });

  it('with an eventTime say who reports, in either view', async () => {
    await rejects(
      eventStrategy,
      core({ eventTime: '2026-01-01T00:00:00.000000Z', reportingComponent: 'c', reportingInstance: 'c-1', reason: 'R' }),
      'action: Required value',
    );
    await rejects(eventsEventStrategy, modern());
    await rejects(
      eventsEventStrategy,
      modern({ type: 'Odd', deprecatedCount: 2 }),
      'type: Invalid value: "": has invalid value: Odd',
      'count: Invalid value: "": needs to be unset',
    );
  });

  it('of events.k8s.io change only their series', async () => {
    const series = await update(
      eventsEventStrategy,
      modern(),
      (object) => void (object.series = { count: 2, lastObservedTime: '2026-01-01T00:00:01.000000Z' }),
    );
    assert.deepEqual(series.errors, []);
    const reason = await update(eventsEventStrategy, modern(), (object) => void (object.reason = 'Other'));
    assert.deepEqual(reason.errors, ['reason: Invalid value: "Other": field is immutable']);
  });

  it('are selected by their object, reason, type and source', () => {
    const fields = eventStrategy.fields?.(core({ reason: 'Killing', type: 'Normal', source: { component: 'kubelet' } }));
    assert.deepEqual(fields, {
      'involvedObject.kind': 'Pod',
      'involvedObject.namespace': 'ns',
      'involvedObject.name': 'p',
      'involvedObject.uid': '',
      'involvedObject.apiVersion': '',
      'involvedObject.resourceVersion': '',
      'involvedObject.fieldPath': '',
      reason: 'Killing',
      reportingComponent: '',
      source: 'kubelet',
      type: 'Normal',
    });
  });
});
