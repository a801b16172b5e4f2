/** Tests the pure parts of the endpoint and node controllers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatCidr, mustParseCidr } from '#api/ip.ts';
import type { New } from '#api/meta.ts';
import type { Endpoint, EndpointSlice, Node, NodeCondition, Pod, Service, Taint, Toleration } from '#api/types.generated.ts';
import { CidrParts } from './cidr-set.ts';
import { maxAddresses, planEndpoints } from './endpoints.ts';
import { groupEndpoints } from './endpointslice.ts';
import { observeHealth, plannedTaints, silentConditions, zoneState } from './node-health.ts';
import { usedRanges } from './node-ipam.ts';
import { packSlices } from './slice-packing.ts';
import { evictionTimeMs } from './taint-eviction.ts';

const nowMs = Date.UTC(2026, 0, 2);
const at = (ms: number): string => new Date(ms).toISOString();
const meta = (name: string, more: object = {}) => ({
  name,
  namespace: 'ns',
  uid: `uid-${name}`,
  resourceVersion: '1',
  creationTimestamp: at(nowMs),
  ...more,
});

describe('slice packing', () => {
  const ports = [{ name: 'http', port: 80, protocol: 'TCP' }];
  const endpoint = (ip: string, ready = true): Endpoint => ({ addresses: [ip], conditions: { ready } });
  const template: New<EndpointSlice> = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { generateName: 'web-', namespace: 'ns', labels: { l: '1' } },
    addressType: 'IPv4',
  };
  const slice = (name: string, ips: string[], more: Partial<EndpointSlice> = {}): EndpointSlice => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: meta(name, { labels: { l: '1' } }),
    addressType: 'IPv4',
    ports,
    endpoints: ips.map((ip) => endpoint(ip)),
    ...more,
  });
  const pack = (existing: EndpointSlice[], ips: string[], placeholders: string[] = ['IPv4']) =>
    packSlices(existing, [{ addressType: 'IPv4', ports, endpoints: ips.map((ip) => endpoint(ip)) }], {
      maxPerSlice: 3,
      template,
      placeholders,
    });
  const ips = (slices: readonly { endpoints?: Endpoint[] | undefined }[]) =>
    slices.map(({ endpoints = [] }) => endpoints.flatMap(({ addresses }) => addresses).join(' '));
  const names = (slices: readonly EndpointSlice[]) => slices.map(({ metadata }) => metadata.name);

  const cases: [string, EndpointSlice[], string[], { create?: string[]; update?: string[]; remove?: string[] }][] = [
    ['writes nothing where nothing changed', [slice('a', ['1', '2'])], ['2', '1'], {}],
    ['fills several slices', [], ['1', '2', '3', '4'], { create: ['1 2 3', '4'] }],
    [
      'puts a new endpoint into a slice with room',
      [slice('a', ['1', '2', '3']), slice('b', ['4'])],
      ['1', '2', '3', '4', '5'],
      { update: ['4 5'] },
    ],
    [
      'touches a second slice only if all fits',
      [slice('a', ['1', '2']), slice('b', ['3', '4'])],
      ['1', '2', '3', '4', '5', '6'],
      { create: ['5 6'] },
    ],
    [
      'exchanges within the slice that changes anyway',
      [slice('a', ['1', '2', '3']), slice('b', ['4'])],
      ['2', '3', '4', '9'],
      { update: ['2 3 9'] },
    ],
    ['removes a slice that becomes empty', [slice('a', ['1']), slice('b', ['2'])], ['2'], { remove: ['a'] }],
  ];
  for (const [name, existing, wanted, { create = [], update = [], remove = [] }] of cases) {
    it(name, () => {
      const plan = pack(existing, wanted);
      assert.deepEqual([ips(plan.create), ips(plan.update), names(plan.remove)], [create, update, remove]);
    });
  }

  it('keeps one empty slice when there are no endpoints, and does not create a second one', () => {
    const plan = pack([slice('a', ['1'])], []);
    assert.deepEqual(
      [plan.create, plan.update.map(({ metadata, endpoints, ports: of }) => [metadata.name, endpoints, of]), plan.remove],
      [[], [['a', [], []]], []],
    );
    assert.deepEqual(
      pack([], []).create.map(({ endpoints, ports: of }) => [endpoints, of]),
      [[[], []]],
    );
    assert.deepEqual(pack([slice('empty', [], { ports: [] })], []), { create: [], update: [], remove: [] });
    assert.deepEqual(pack([slice('a', ['1'])], [], []).create, []);
  });

  it('reuses slices of the same address type that would be deleted', () => {
    const six = slice('six', ['fd00::1'], { addressType: 'IPv6' });
    const plan = pack([slice('a', ['1', '2'], { ports: [{ name: 'http', port: 8080 }] }), slice('b', ['3']), six], ['4', '5']);
    assert.deepEqual(
      [plan.create, plan.update.map((one) => [one.metadata.name, one.ports]), ips(plan.update), names(plan.remove).sort()],
      [[], [['b', ports]], ['4 5'], ['a', 'six']],
    );
    const moved = pack([slice('a', ['1'], { ports: [{ name: 'http', port: 8080 }] })], ['1', '2', '3', '4']);
    assert.deepEqual(
      [ips(moved.create), moved.update.map(({ metadata, ports: of }) => [metadata.name, of]), ips(moved.update), moved.remove],
      [['1 2 3'], [['a', ports]], ['4'], []],
    );
  });

  it('does not keep the trigger time of an earlier change', () => {
    const trigger = 'endpoints.kubernetes.io/last-change-trigger-time';
    const old = slice('a', ['1', '2']);
    const annotated = { ...old, metadata: { ...old.metadata, annotations: { [trigger]: at(nowMs), mine: 'x' } } };
    assert.deepEqual(
      pack([annotated], ['1']).update.map(({ metadata }) => metadata.annotations),
      [{ mine: 'x' }],
    );
  });

  it('updates changed readiness and labels in the existing slice', () => {
    const groups = [{ addressType: 'IPv4', ports, endpoints: [endpoint('1', false)] }];
    assert.deepEqual(
      packSlices([slice('a', ['1'])], groups, { maxPerSlice: 3, template, placeholders: [] }).update.map(
        (one) => one.endpoints?.[0]?.conditions?.ready,
      ),
      [false],
    );
    const relabelled = { ...template, metadata: { ...template.metadata, labels: { l: '2' } } };
    const plan = packSlices([slice('a', ['1'])], [{ addressType: 'IPv4', ports, endpoints: [endpoint('1')] }], {
      maxPerSlice: 3,
      template: relabelled,
      placeholders: [],
    });
    assert.deepEqual(
      plan.update.map(({ metadata }) => metadata.labels),
      [{ l: '2' }],
    );
  });
});

const service = (spec: Partial<Service['spec']> = {}): Service =>
  ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: meta('web'),
    spec: {
      selector: { app: 'web' },
      clusterIP: '10.96.0.1',
      ipFamilies: ['IPv4'],
      ports: [{ port: 80, targetPort: 8080, protocol: 'TCP' }],
      ...spec,
    },
  }) as Service;

const backend = (name: string, ip: string, ready: boolean, more: Partial<Pod['spec']> = {}, deleting = false): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: meta(name, { labels: { app: 'web' }, ...(deleting ? { deletionTimestamp: at(nowMs) } : {}) }),
  spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i', ports: [{ name: 'web', containerPort: 9090 }] }], ...more },
  status: {
    phase: 'Running',
    podIP: ip,
    podIPs: [{ ip }, { ip: 'fd00::1' }],
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
  },
});

describe('Endpoints', () => {
  it('separate ready from not ready, sorted, and are not written when they are right', () => {
    const pods = [backend('b', '10.0.0.2', true), backend('a', '10.0.0.1', true), backend('c', '10.0.0.3', false)];
    const planned = planEndpoints(service(), pods, undefined, undefined);
    const [subset] = planned?.subsets ?? [];
    assert.deepEqual(
      [subset?.addresses?.map(({ ip }) => ip), subset?.notReadyAddresses?.map(({ ip }) => ip), subset?.ports],
      [['10.0.0.1', '10.0.0.2'], ['10.0.0.3'], [{ name: undefined, port: 8080, protocol: 'TCP', appProtocol: undefined }]],
    );
    const stored = { ...JSON.parse(JSON.stringify(planned)), metadata: { ...planned?.metadata, ...meta('web') } };
    assert.equal(planEndpoints(service(), [...pods].reverse(), stored, undefined), undefined);
  });

  it('count not ready addresses as ready when the Service publishes them', () => {
    const planned = planEndpoints(
      service({ publishNotReadyAddresses: true }),
      [backend('a', '10.0.0.1', false)],
      undefined,
      undefined,
    );
    assert.deepEqual([planned?.subsets?.[0]?.addresses?.length, planned?.subsets?.[0]?.notReadyAddresses], [1, undefined]);
  });

  it('group pods by the number that a port name has in each pod', () => {
    const other = backend('b', '10.0.0.2', true, {
      containers: [{ name: 'c', image: 'i', ports: [{ name: 'web', containerPort: 7070 }] }],
    });
    const without = backend('c', '10.0.0.3', true, { containers: [{ name: 'c', image: 'i' }] });
    const planned = planEndpoints(
      service({ ports: [{ port: 80, targetPort: 'web' }] }),
      [backend('a', '10.0.0.1', true), other, without],
      undefined,
      undefined,
    );
    assert.deepEqual(
      planned?.subsets?.map(({ addresses, ports }) => [addresses?.map(({ ip }) => ip), ports?.[0]?.port]),
      [
        [['10.0.0.2'], 7070],
        [['10.0.0.1'], 9090],
      ],
    );
  });

  it('put a port that all pods offer into one subset, and those that only some offer into others', () => {
    const named = service({
      ports: [
        { name: 'all', port: 80, targetPort: 8080, protocol: 'TCP' },
        { name: 'some', port: 81, targetPort: 'web', protocol: 'TCP' },
      ],
    });
    const other = backend('b', '10.0.0.2', true, {
      containers: [{ name: 'c', image: 'i', ports: [{ name: 'web', containerPort: 9191 }] }],
    });
    assert.deepEqual(
      planEndpoints(named, [backend('a', '10.0.0.1', true), other], undefined, undefined)?.subsets?.map(
        ({ addresses, ports }) => [addresses?.map(({ ip }) => ip).join(), ports?.map(({ port }) => port).join()],
      ),
      [
        ['10.0.0.1,10.0.0.2', '8080'],
        ['10.0.0.1', '9090'],
        ['10.0.0.2', '9191'],
      ],
    );
  });

  it('hold at most 1000 addresses, the ready ones first, and are marked as truncated', () => {
    const pods = Array.from({ length: maxAddresses + 50 }, (_, n) => backend(`p${n}`, `10.1.${n >> 8}.${n & 255}`, n >= 100));
    const planned = planEndpoints(service(), pods, undefined, undefined);
    const [subset] = planned?.subsets ?? [];
    assert.deepEqual([subset?.addresses?.length, subset?.notReadyAddresses?.length], [950, 50]);
    assert.equal(planned?.metadata.annotations?.['endpoints.kubernetes.io/over-capacity'], 'truncated');
  });
});

describe('endpoints of slices', () => {
  const nodes = {
    get: (name: string) =>
      name === 'n1'
        ? ({ metadata: meta('n1', { labels: { 'topology.kubernetes.io/zone': 'z1' } }) } as unknown as Node)
        : undefined,
  };
  const one = (pod: Pod, spec: Partial<Service['spec']> = {}) =>
    groupEndpoints(service(spec), [pod], nodes).groups[0]?.endpoints[0];

  const cases: [string, Pod, Partial<Service['spec']>, object][] = [
    ['a ready pod', backend('a', '10.0.0.1', true), {}, { ready: true, serving: true, terminating: false }],
    ['a pod that is not ready', backend('a', '10.0.0.1', false), {}, { ready: false, serving: false, terminating: false }],
    [
      'a pod that ends but still serves',
      backend('a', '10.0.0.1', true, {}, true),
      {},
      { ready: false, serving: true, terminating: true },
    ],
    [
      'an unready pod that is published',
      backend('a', '10.0.0.1', false),
      { publishNotReadyAddresses: true },
      { ready: true, serving: false, terminating: false },
    ],
  ];
  for (const [name, pod, spec, conditions] of cases)
    it(`have the conditions of ${name}`, () => assert.deepEqual(one(pod, spec)?.conditions, conditions));

  it('carry zone, node and host name, and both families each in its own slice', () => {
    const endpoint = one(backend('a', '10.0.0.1', true, { hostname: 'h', subdomain: 'web' }), {
      trafficDistribution: 'PreferClose',
    });
    assert.deepEqual(
      [endpoint?.zone, endpoint?.nodeName, endpoint?.hostname, endpoint?.hints],
      ['z1', 'n1', 'h', { forZones: [{ name: 'z1' }] }],
    );
    const unready = one(backend('a', '10.0.0.1', false), { trafficDistribution: 'PreferClose' });
    assert.equal(unready?.hints, undefined, 'who is not ready has no hint');
    const { groups } = groupEndpoints(service({ ipFamilies: ['IPv4', 'IPv6'] }), [backend('a', '10.0.0.1', true)], nodes);
    assert.deepEqual(
      groups.map(({ addressType, endpoints }) => [addressType, endpoints[0]?.addresses]),
      [
        ['IPv4', ['10.0.0.1']],
        ['IPv6', ['fd00::1']],
      ],
    );
  });

  it('leave out a pod whose node is not known, and ask for a retry', () => {
    assert.deepEqual(groupEndpoints(service(), [backend('a', '10.0.0.1', true, { nodeName: 'lost' })], nodes), {
      groups: [],
      missingNode: true,
    });
  });
});

describe('node health', () => {
  const ready = (status: string): NodeCondition => ({
    type: 'Ready',
    status,
    lastHeartbeatTime: at(nowMs - 1000),
    lastTransitionTime: at(nowMs),
  });
  const node = (conditions: NodeCondition[], spec: Node['spec'] = {}): Node => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { ...meta('n1'), creationTimestamp: at(nowMs) },
    spec,
    status: { conditions },
  });
  const limits = { gracePeriodMs: 50_000, startupGracePeriodMs: 60_000 };
  const lease = (renewTime: string) => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: meta('n1'),
    spec: { renewTime },
  });

  const clockAt = (afterMs: number) => ({ now: () => nowMs + afterMs, monotonic: () => 1000 + afterMs });

  it('counts from the last change of heartbeat or lease', () => {
    const first = observeHealth(undefined, node([ready('True')]), lease('2026-01-01T00:00:00.000000Z'), clockAt(0));
    const silent = observeHealth(first, node([ready('True')]), lease('2026-01-01T00:00:00.000000Z'), clockAt(20_000));
    assert.equal(silent.seenMs, 1000);
    assert.equal(
      observeHealth(silent, node([ready('True')]), lease('2026-01-01T00:00:10.000000Z'), clockAt(20_000)).seenMs,
      21_000,
    );
  });

  it('takes a heartbeat of a clock that was set back: any change of the Lease is one', () => {
    const first = observeHealth(undefined, node([ready('True')]), lease('2026-01-01T10:00:00.000000Z'), clockAt(0));
    assert.equal(
      observeHealth(first, node([ready('True')]), lease('2026-01-01T09:00:10.000000Z'), clockAt(10_000)).seenMs,
      11_000,
    );
  });

  it('becomes Unknown once, after the grace period', () => {
    const of = node([ready('True')]);
    assert.equal(silentConditions(of, 50_000, limits, nowMs), undefined);
    const next = silentConditions(of, 50_001, limits, nowMs) ?? [];
    assert.deepEqual(
      next.map(({ type, status, reason }) => [type, status, reason]),
      [
        ['Ready', 'Unknown', 'NodeStatusUnknown'],
        ...['MemoryPressure', 'DiskPressure', 'PIDPressure'].map((type) => [type, 'Unknown', 'NodeStatusNeverUpdated']),
      ],
    );
    assert.equal(silentConditions(node(next), 90_000, limits, nowMs), undefined);
  });

  it('gives a node that never reported its startup grace period, from its creation on', () => {
    const { seenMs } = observeHealth(undefined, node([]), undefined, clockAt(55_000));
    assert.equal(seenMs, 1000);
    assert.equal(silentConditions(node([]), 60_000, limits, nowMs), undefined);
    assert.equal(
      silentConditions(node([]), 60_001, limits, nowMs)?.find(({ type }) => type === 'Ready')?.message,
      'Kubelet never posted node status.',
    );
  });

  const taint = (key: string, effect: string): Taint => ({ key: `node.kubernetes.io/${key}`, effect });
  const mine: Taint = { key: 'dedicated', effect: 'NoSchedule', value: 'x' };
  const cases: [string, Node, 'now' | 'later' | 'never', string[]][] = [
    ['a ready node has none', node([ready('True')]), 'later', []],
    ['a cordoned node keeps pods away', node([ready('True')], { unschedulable: true }), 'later', ['unschedulable:NoSchedule']],
    [
      'pressure keeps pods away',
      node([ready('True'), { type: 'DiskPressure', status: 'True' }]),
      'later',
      ['disk-pressure:NoSchedule'],
    ],
    ['a silent node waits for its turn', node([ready('Unknown')]), 'later', ['unreachable:NoSchedule']],
    ['and then drives its pods off', node([ready('Unknown')]), 'now', ['unreachable:NoSchedule', 'unreachable:NoExecute']],
    ['a node that reports not ready does too', node([ready('False')]), 'now', ['not-ready:NoSchedule', 'not-ready:NoExecute']],
    [
      'another cause takes the place of the first',
      node([ready('Unknown')], { taints: [taint('not-ready', 'NoExecute')] }),
      'later',
      ['unreachable:NoSchedule', 'unreachable:NoExecute'],
    ],
    [
      'what was begun is called off',
      node([ready('Unknown')], { taints: [taint('unreachable', 'NoExecute')] }),
      'never',
      ['unreachable:NoSchedule'],
    ],
    [
      'recovery takes all of them away',
      node([ready('True')], { taints: [taint('unreachable', 'NoExecute'), taint('unreachable', 'NoSchedule')] }),
      'later',
      [],
    ],
  ];
  for (const [name, of, eviction, expected] of cases) {
    it(`taints: ${name}, and keeps foreign taints`, () => {
      const taints = plannedTaints({ ...of, spec: { ...of.spec, taints: [mine, ...(of.spec.taints ?? [])] } }, eviction, nowMs);
      assert.deepEqual(
        taints.map(({ key, effect }) => `${key.replace('node.kubernetes.io/', '')}:${effect}`),
        ['dedicated:NoSchedule', ...expected],
      );
    });
  }

  it('distinguishes a failed node from a failed zone', () => {
    const nodes = (...statuses: string[]) => statuses.map((status) => node([ready(status)]));
    assert.equal(zoneState(nodes('True', 'Unknown'), 0.55), 'Normal');
    assert.equal(zoneState(nodes('True', 'Unknown', 'Unknown', 'Unknown'), 0.55), 'PartialDisruption');
    assert.equal(zoneState(nodes('Unknown'), 0.55), 'FullDisruption');
  });
});

describe('taint eviction', () => {
  const taint: Taint = { key: 'k', value: 'v', effect: 'NoExecute', timeAdded: at(nowMs) };
  const pod = (...list: Toleration[]): Pod => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...meta('p'), creationTimestamp: at(nowMs - 5000) },
    spec: { containers: [], tolerations: list },
  });
  const of = (tolerationSeconds?: number): Toleration => ({ key: 'k', operator: 'Exists', tolerationSeconds });
  const cases: [string, Pod, Taint[], number | undefined][] = [
    ['at once without a toleration', pod(), [taint], Number.NEGATIVE_INFINITY],
    ['never with one for ever', pod(of()), [taint], undefined],
    ['after its seconds', pod(of(30)), [taint], nowMs + 30_000],
    [
      'at the earliest of several',
      pod(of(30), { key: 'l', operator: 'Exists', tolerationSeconds: 10 }),
      [taint, { ...taint, key: 'l' }],
      nowMs + 10_000,
    ],
    ['from when it was seen, for a taint without a time', pod(of(30)), [{ key: 'k', effect: 'NoExecute' }], nowMs + 37_000],
    ['not before it was there itself', pod(of(30)), [{ ...taint, timeAdded: at(nowMs - 60_000) }], nowMs + 25_000],
    ['not without a taint', pod(), [], undefined],
  ];
  for (const [name, which, taints, expected] of cases)
    it(`goes ${name}`, () => assert.equal(evictionTimeMs(which, taints, nowMs + 7000), expected));
});

describe('CIDR ranges', () => {
  it('finds the next free one, and starts again after the last', () => {
    const parts = new CidrParts(mustParseCidr('10.244.0.0/22'), 24);
    const [take, free] = [(text: string) => parts.take(mustParseCidr(text)), (text: string) => parts.free(mustParseCidr(text))];
    const give = () => {
      const found = parts.next();
      return found === undefined ? undefined : formatCidr(found);
    };
    for (const used of ['10.244.0.0/24', '10.244.3.0/24', '10.0.0.0/24', 'fd00::/64']) take(used);
    assert.deepEqual([give(), give(), give()], ['10.244.1.0/24', '10.244.2.0/24', '10.244.1.0/24']);
    take('10.244.1.0/25');
    take('10.244.2.0/24');
    assert.equal(give(), undefined);
    free('10.244.1.0/25');
    assert.equal(give(), '10.244.1.0/24');
    free('10.244.2.0/24');
    take('10.240.0.0/12');
    assert.equal(give(), undefined, 'a range around the whole cluster takes everything');
  });

  it('of two kinds of sizes: a large range takes all of its parts, and 65,536 parts are the most', () => {
    const parts = new CidrParts(mustParseCidr('10.0.0.0/8'), 30);
    parts.take(mustParseCidr('10.0.0.0/16'));
    assert.equal(formatCidr(parts.next() ?? mustParseCidr('0.0.0.0/0')), '10.1.0.0/30');
    parts.take(mustParseCidr('10.0.0.0/14'));
    assert.equal(parts.next(), undefined, 'the 65,536 parts of four addresses are 10.0.0.0/14');
  });
});

describe('used ranges', () => {
  const cluster = [mustParseCidr('10.244.0.0/16')];
  const nodeOf = (name: string, ...podCIDRs: string[]): Node =>
    ({ apiVersion: 'v1', kind: 'Node', metadata: { name, uid: name }, spec: { podCIDRs } }) as Node;
  const cases: [what: string, bad: Node][] = [
    ['no range', nodeOf('bad', 'nonsense')],
    ['a range with an address that is none', nodeOf('bad', '10.244.0.256/24')],
    ['all of the cluster', nodeOf('bad', '10.244.0.0/16')],
    ['everything', nodeOf('bad', '0.0.0.0/0')],
    ['a number', { ...nodeOf('bad'), spec: { podCIDRs: [7] } } as unknown as Node],
  ];
  for (const [what, bad] of cases) {
    it(`do not include the range of a node with ${what}`, () => {
      const told: string[] = [];
      const used = usedRanges([bad, nodeOf('good', '10.244.3.0/24')], cluster, [24], (found) =>
        told.push(...found.map(({ reason }) => reason)),
      );
      assert.deepEqual(used.map(formatCidr), ['10.244.3.0/24']);
      assert.equal(told.length, 1);
    });
  }

  it('may be the whole cluster CIDR for a single node', () => {
    const used = usedRanges([nodeOf('only', '10.244.0.0/24')], [mustParseCidr('10.244.0.0/24')], [24], () => undefined);
    assert.equal(used.length, 1);
  });
});

describe('endpoints of odd pods', () => {
  const odd: [what: string, status: Pod['status'], spec?: Partial<Pod['spec']>][] = [
    ['an address that is none', { podIP: 'x', podIPs: [{ ip: 'x' }] }],
    ['a loopback address', { podIPs: [{ ip: '127.0.0.1' }] }],
    ['a link-local address', { podIPs: [{ ip: '169.254.169.254' }] }],
    ['an address with a zone', { podIPs: [{ ip: 'fe80::1%eth0' }] }],
    ['no address at all', { podIPs: [{ ip: '0.0.0.0' }, { ip: '::' }] }],
  ];
  for (const [what, status] of odd) {
    it(`leave out a pod with ${what}, and no other`, () => {
      const good = backend('a', '10.0.0.1', true);
      const bad = {
        ...backend('b', '10.0.0.2', true),
        status: { ...status, conditions: [{ type: 'Ready', status: 'True' }] },
      } as Pod;
      const { groups } = groupEndpoints(service({ ipFamilies: ['IPv4'] }), [good, bad], {
        get: () => ({ metadata: meta('n1') }) as Node,
      });
      assert.deepEqual(
        groups.flatMap(({ endpoints }) => endpoints.flatMap(({ addresses }) => addresses)),
        ['10.0.0.1'],
      );
      assert.deepEqual(
        planEndpoints(service(), [good, bad], undefined, undefined)?.subsets?.flatMap(({ addresses = [] }) =>
          addresses.map(({ ip }) => ip),
        ),
        ['10.0.0.1'],
      );
    });
  }
});
