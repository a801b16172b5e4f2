import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { ApiError } from '#api/status.ts';
import type { Service, ServicePort, ServiceSpec } from '#api/types.generated.ts';
import type { Strategy } from '../../../registry/strategy.ts';
import { create, systemMeta, update } from '../../strategy.testing.ts';
import { type AllocationStore, openAllocationStore } from './allocator.testing.ts';
import type { ServiceAllocator } from './allocator.ts';
import { apiServerIpOf } from './cluster-ips.ts';
import { serviceKind } from './strategy.ts';

const http: ServicePort = { port: 80 };
const service = (spec: Partial<ServiceSpec> = {}, name = 'web', namespace = 'ns'): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: systemMeta(name, namespace),
  spec: { selector: { app: 'web' }, ports: [{ ...http }], ...spec },
});

let taken: AllocationStore;
let services: ServiceAllocator;
let strategy: Strategy<Service>;
before(async () => void (taken = await openAllocationStore()));
after(() => taken.close());
beforeEach(async () => {
  await taken.clear();
  services = await taken.allocator();
  strategy = serviceKind({ services }).strategy;
});

/** Creates as the registry does; the allocation stays. */
async function stored(spec: Partial<ServiceSpec> = {}, name?: string): Promise<Service> {
  const { object, errors } = await create(strategy, service(spec, name));
  assert.deepEqual(errors, []);
  await strategy.allocate?.(object, undefined, false);
  return object;
}

/** Updates as the registry does, with allocation and what follows the write. */
async function updated(old: Service, change: (object: Service) => void): Promise<{ object: Service; errors: string[] }> {
  const { object, errors } = await update(strategy, old, change);
  if (errors.length === 0) {
    await strategy.allocate?.(object, old, false);
    await strategy.committed?.(object, old, await taken.store.currentRevision());
  }
  return { object, errors };
}

const rejection = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ApiError, 'expected an ApiError');
  return error.message;
};

describe('service creation', () => {
  it('fills in what a plain service gets from upstream', async () => {
    assert.deepEqual(await stored(), {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: systemMeta('web', 'ns'),
      spec: {
        clusterIP: '10.96.1.1',
        clusterIPs: ['10.96.1.1'],
        internalTrafficPolicy: 'Cluster',
        ipFamilies: ['IPv4'],
        ipFamilyPolicy: 'SingleStack',
        ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
        selector: { app: 'web' },
        sessionAffinity: 'None',
        type: 'ClusterIP',
      },
      status: { loadBalancer: {} },
    });
  });

  it('gives a load balancer node ports and a health check port', async () => {
    const { spec } = await stored({ type: 'LoadBalancer', externalTrafficPolicy: 'Local' });
    assert.deepEqual(
      [spec.allocateLoadBalancerNodePorts, spec.ports?.[0]?.nodePort, spec.healthCheckNodePort, spec.externalTrafficPolicy],
      [true, 30086, 30087, 'Local'],
    );
  });

  it('gives an ExternalName no address', async () => {
    const { spec } = await stored({ type: 'ExternalName', externalName: 'example.org', selector: {}, ports: [] });
    assert.deepEqual([spec.clusterIP, spec.ipFamilies, spec.internalTrafficPolicy], [undefined, undefined, undefined]);
  });

  it('keeps a headless service headless, with both families when it has no selector', async () => {
    const headless = await stored({ clusterIP: 'None' });
    assert.deepEqual(
      [headless.spec.clusterIPs, headless.spec.ipFamilies, headless.spec.ipFamilyPolicy],
      [['None'], ['IPv4'], 'SingleStack'],
    );
    const manual = await stored({ clusterIP: 'None', selector: {} });
    assert.deepEqual([manual.spec.ipFamilies, manual.spec.ipFamilyPolicy], [['IPv4', 'IPv6'], 'RequireDualStack']);
  });

  it('gives client affinity three hours', async () => {
    const { spec } = await stored({ sessionAffinity: 'ClientIP' });
    assert.deepEqual(spec.sessionAffinityConfig, { clientIP: { timeoutSeconds: 10800 } });
  });

  it('shares a node port between protocols', async () => {
    const { spec } = await stored({
      type: 'NodePort',
      ports: [
        { name: 'a', port: 53 },
        { name: 'b', port: 53, protocol: 'UDP' },
      ],
    });
    assert.deepEqual(
      spec.ports?.map(({ nodePort }) => nodePort),
      [30086, 30086],
    );
  });
});

describe('service allocation', () => {
  it('honours the address asked for, once', async () => {
    assert.equal((await stored({ clusterIP: '10.96.0.10' })).spec.clusterIP, '10.96.0.10');
    assert.equal(
      await rejection(stored({ clusterIP: '10.96.0.10' }, 'other')),
      'Service "other" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.10"]: failed to allocate IP 10.96.0.10: provided IP is already allocated',
    );
  });

  for (const [ip, why] of [
    ['10.97.0.1', 'the provided network does not match the current range'],
    ['10.96.0.0', 'the provided network does not match the current range'],
    ['10.96.255.255', 'the provided network does not match the current range'],
    ['10.96.0.1', 'provided IP is already allocated'],
  ] as const) {
    it(`refuses ${ip}`, async () => {
      const message = await rejection(stored({ clusterIP: ip }));
      assert.equal(
        message,
        `Service "web" is invalid: spec.clusterIPs: Invalid value: ["${ip}"]: failed to allocate IP ${ip}: ${why}`,
      );
    });
  }

  it('keeps the first address for the API server', async () => {
    assert.equal(apiServerIpOf('10.96.0.0/16'), '10.96.0.1');
    const { object } = await create(strategy, service({ clusterIP: '10.96.0.1' }, 'kubernetes', 'default'));
    await strategy.allocate?.(object, undefined, false);
    assert.equal(object.spec.clusterIP, '10.96.0.1');
    await strategy.release?.(object, await taken.store.currentRevision());
    assert.match(await rejection(stored({ clusterIP: '10.96.0.1' })), /already allocated/);
  });

  it('refuses node ports outside the range, and those taken', async () => {
    const port = (nodePort: number): Partial<ServiceSpec> => ({ type: 'NodePort', ports: [{ port: 80, nodePort }] });
    await stored(port(30080));
    assert.equal(
      await rejection(stored(port(30080), 'b')),
      'Service "b" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated',
    );
    assert.equal(
      await rejection(stored(port(80), 'b')),
      'Service "b" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767',
    );
  });

  it('undoes all of a failed allocation', async () => {
    await stored({ type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] });
    const wanted: Partial<ServiceSpec> = {
      type: 'NodePort',
      clusterIP: '10.96.0.20',
      ports: [
        { name: 'a', port: 1, nodePort: 30001 },
        { name: 'b', port: 2, nodePort: 30080 },
      ],
    };
    await rejection(stored(wanted, 'b'));
    await stored({ ...wanted, ports: [{ port: 1, nodePort: 30001 }] }, 'b');
  });

  it('gives back what a failed write had taken', async () => {
    const { object } = await create(strategy, service({ clusterIP: '10.96.0.30' }));
    const undo = await strategy.allocate?.(object, undefined, false);
    await undo?.();
    await stored({ clusterIP: '10.96.0.30' });
  });

  it('takes from the lower band only when the upper is used up, and says when all are', async () => {
    services = await taken.allocator({ serviceCidr: '10.0.0.0/27' });
    strategy = serviceKind({ services }).strategy;
    const ips: (string | undefined)[] = [];
    for (let index = 0; index < 29; index++) ips.push((await stored({}, `s${index}`)).spec.clusterIP);
    assert.deepEqual([ips[0], ips[13], ips[14], ips[28]], ['10.0.0.17', '10.0.0.30', '10.0.0.2', '10.0.0.16']);
    assert.equal(new Set(ips).size, 29);
    assert.equal(
      await rejection(stored({}, 'last')),
      'Internal error occurred: failed to allocate a serviceIP for Service "last": range is full',
    );
  });

  it('knows after a restart, and in every other server, what is taken', async () => {
    await stored({ type: 'LoadBalancer', externalTrafficPolicy: 'Local' });
    services = await taken.allocator();
    strategy = serviceKind({ services }).strategy;
    const next = await stored({ type: 'LoadBalancer', externalTrafficPolicy: 'Local' }, 'next');
    assert.deepEqual(
      [next.spec.clusterIP, next.spec.ports?.[0]?.nodePort, next.spec.healthCheckNodePort],
      ['10.96.1.2', 30088, 30089],
    );
  });

  it('refuses families that the cluster does not have', async () => {
    assert.equal(
      await rejection(stored({ ipFamilies: ['IPv6'] })),
      'Service "web" is invalid: spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
    );
    assert.equal(
      await rejection(stored({ ipFamilyPolicy: 'RequireDualStack' })),
      'Service "web" is invalid: spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
    );
    assert.deepEqual((await stored({ ipFamilyPolicy: 'PreferDualStack' })).spec.ipFamilies, ['IPv4']);
  });
});

describe('service updates', () => {
  it('keeps address and node ports when a client sends the service without them', async () => {
    const old = await stored({ type: 'NodePort' });
    const { object, errors } = await updated(old, ({ spec }) => {
      delete spec.clusterIP;
      delete spec.clusterIPs;
      spec.ports = [{ port: 8080, targetPort: 80 }];
    });
    assert.deepEqual(errors, []);
    assert.deepEqual(
      [object.spec.clusterIP, object.spec.ports?.[0]?.nodePort],
      [old.spec.clusterIP, old.spec.ports?.[0]?.nodePort],
    );
  });

  it('does not move a service to another address', async () => {
    const { errors } = await updated(await stored(), ({ spec }) => {
      spec.clusterIP = '10.96.0.9';
      spec.clusterIPs = ['10.96.0.9'];
    });
    assert.deepEqual(errors, ['spec.clusterIPs[0]: Invalid value: ["10.96.0.9"]: may not change once set']);
  });

  it('gives back what the new type does not have', async () => {
    const old = await stored({ type: 'NodePort', clusterIP: '10.96.0.40', ports: [{ port: 80, nodePort: 30040 }] });
    const { object: internal, errors } = await updated(old, ({ spec }) => void (spec.type = 'ClusterIP'));
    assert.deepEqual(
      [errors, internal.spec.ports?.[0]?.nodePort, internal.spec.externalTrafficPolicy],
      [[], undefined, undefined],
    );
    const { object: alias } = await updated(internal, ({ spec }) => {
      spec.type = 'ExternalName';
      spec.externalName = 'example.org';
    });
    assert.equal(alias.spec.clusterIP, undefined);
    await stored({ type: 'NodePort', clusterIP: '10.96.0.40', ports: [{ port: 80, nodePort: 30040 }] }, 'next');
  });

  it('holds what the old version had until the update is written', async () => {
    const old = await stored({ type: 'NodePort', ports: [{ port: 80, nodePort: 30041 }] });
    const { object } = await update(strategy, old, ({ spec }) => void (spec.type = 'ClusterIP'));
    await strategy.allocate?.(object, old, false);
    assert.match(await rejection(stored({ type: 'NodePort', ports: [{ port: 80, nodePort: 30041 }] }, 'b')), /already allocated/);
  });

  it('gives an address to a service that was a name', async () => {
    const old = await stored({ type: 'ExternalName', externalName: 'example.org' });
    const { object, errors } = await updated(old, ({ spec }) => void (spec.type = 'ClusterIP'));
    assert.deepEqual([errors, object.spec.clusterIP, object.spec.ipFamilies], [[], '10.96.1.1', ['IPv4']]);
  });

  it('frees everything on deletion', async () => {
    const spec: Partial<ServiceSpec> = { type: 'NodePort', clusterIP: '10.96.0.50', ports: [{ port: 80, nodePort: 30050 }] };
    await strategy.release?.(await stored(spec), await taken.store.currentRevision());
    await stored(spec, 'next');
  });
});

describe('service validation', () => {
  for (const [what, spec, ...expected] of [
    ['no ports', { ports: [] }, 'spec.ports: Required value'],
    [
      'two ports without names',
      { ports: [{ port: 1 }, { port: 2 }] },
      'spec.ports[0].name: Required value',
      'spec.ports[1].name: Required value',
    ],
    [
      'a port name twice',
      {
        ports: [
          { name: 'a', port: 1 },
          { name: 'a', port: 2 },
        ],
      },
      'spec.ports[1].name: Duplicate value: "a"',
    ],
    [
      'port 0',
      { ports: [{ port: 0, targetPort: 80 }] },
      'spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
    ],
    [
      'a port twice',
      {
        ports: [
          { name: 'a', port: 80 },
          { name: 'b', port: 80 },
        ],
      },
      'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}',
    ],
    [
      'an unknown type',
      { type: 'Magic' },
      'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    ],
    [
      'a node port for ClusterIP',
      { ports: [{ port: 80, nodePort: 30000 }] },
      "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
    ],
    [
      'a headless NodePort',
      { type: 'NodePort', clusterIP: 'None' },
      'spec.clusterIPs[0]: Invalid value: "None": may not be set to \'None\' for NodePort services',
    ],
    [
      'an address that is none',
      { clusterIP: 'ten' },
      'spec.clusterIPs[0]: Invalid value: "ten": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ],
    ['an external name without name', { type: 'ExternalName' }, 'spec.externalName: Required value'],
    [
      'an unknown affinity',
      { sessionAffinity: 'Sticky' },
      'spec.sessionAffinity: Unsupported value: "Sticky": supported values: "ClientIP", "None"',
    ],
    [
      'an affinity without end',
      { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 90000 } } },
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 90000: must be greater than 0 and less than 86400',
    ],
    [
      'an external policy inside',
      { externalTrafficPolicy: 'Local' },
      'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
    ],
    [
      'an unknown internal policy',
      { internalTrafficPolicy: 'Near' },
      'spec.internalTrafficPolicy: Unsupported value: "Near": supported values: "Cluster", "Local"',
    ],
    [
      'an unknown distribution',
      { trafficDistribution: 'Far' },
      'spec.trafficDistribution: Unsupported value: "Far": supported values: "PreferClose", "PreferSameZone", "PreferSameNode"',
    ],
    [
      'a loopback address',
      { externalIPs: ['127.0.0.1'], externalTrafficPolicy: 'Cluster' },
      'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
    ],
  ] as [string, Partial<ServiceSpec>, ...string[]][]) {
    it(`refuses ${what}`, async () => assert.deepEqual((await create(strategy, service(spec))).errors, expected));
  }

  it('accepts a name that begins with a digit, as 1.36 does', async () => {
    assert.deepEqual((await create(strategy, service({}, '1st'))).errors, []);
  });
});
