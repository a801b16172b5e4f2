import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cpuMs } from '#test/cpu-time.ts';
import type { Container, ContainerStatus, PodSpec, PodStatus } from '../types.generated.ts';
import { conflictsWith, hostPorts } from './host-ports.ts';
import { computeQosClass, qosClass } from './qos.ts';
import { aggregateContainers, isLimited, podLimits, podRequests } from './requests.ts';

type List = Record<string, string>;
const container = (name: string, requests: List, limits: List = {}, more: Partial<Container> = {}): Container => ({
  name,
  image: 'i',
  resources: { requests, limits },
  ...more,
});
const main = (requests: List, limits?: List): Container => container('main', requests, limits);
const init = (cpu: string): Container => container(`init-${cpu}`, { cpu });
const sidecar = (cpu: string): Container => container(`side-${cpu}`, { cpu }, {}, { restartPolicy: 'Always' });
const statusOf = (name: string, requests: List, more: Partial<ContainerStatus> = {}): ContainerStatus => ({
  name,
  image: 'i',
  imageID: '',
  ready: true,
  restartCount: 0,
  resources: { requests, limits: requests },
  ...more,
});
const pod = (spec: Partial<PodSpec>, status?: PodStatus) => ({ spec: { containers: [], ...spec }, status });

describe('pod requests', () => {
  const cases: [what: string, spec: Partial<PodSpec>, cpuMillis: number | undefined][] = [
    ['containers add up', { containers: [main({ cpu: '250m' }), container('b', { cpu: '1' })] }, 1250],
    ['a larger init container counts instead', { containers: [main({ cpu: '1' })], initContainers: [init('3')] }, 3000],
    ['a smaller init container does not count', { containers: [main({ cpu: '3' })], initContainers: [init('1')] }, 3000],
    ['sidecars run beside the containers', { containers: [main({ cpu: '1' })], initContainers: [sidecar('1')] }, 2000],
    [
      'an init container runs beside sidecars before it',
      { containers: [main({ cpu: '1' })], initContainers: [sidecar('1'), init('3')] },
      4000,
    ],
    [
      'an init container does not run beside sidecars after it',
      { containers: [main({ cpu: '1' })], initContainers: [init('3'), sidecar('1')] },
      3000,
    ],
    ['overhead comes on top', { containers: [main({ cpu: '1' })], overhead: { cpu: '10m' } }, 1010],
    ['overhead counts for a resource that nobody asks for', { containers: [main({})], overhead: { cpu: '10m' } }, 10],
    ['the request of the pod counts instead', { containers: [main({ cpu: '1' })], resources: { requests: { cpu: '5' } } }, 5000],
    ['a limit alone is no request: defaulting makes one of it', { containers: [main({}, { cpu: '1' })] }, undefined],
    ['less than a thousandth rounds up', { containers: [main({ cpu: '100u' })] }, 1],
  ];
  for (const [what, spec, expected] of cases) it(what, () => assert.equal(podRequests(pod(spec))['cpu'], expected));

  const grown = (reason?: string): PodStatus => ({
    containerStatuses: [statusOf('main', { cpu: '1' }, { allocatedResources: { cpu: '2' } })],
    conditions: reason === undefined ? [] : [{ type: 'PodResizePending', status: 'True', reason }],
  });
  const spec = { containers: [main({ cpu: '3' }, { cpu: '3' })] };
  it('of a container whose resize is pending are the largest of spec, allocation and status', () => {
    assert.equal(podRequests(pod(spec, grown()), { useStatus: true })['cpu'], 3000);
    assert.equal(podRequests(pod(spec, grown('Deferred')), { useStatus: true })['cpu'], 3000);
  });
  it('of a container whose resize is infeasible are the actual ones', () => {
    assert.equal(podRequests(pod(spec, grown('Infeasible')), { useStatus: true })['cpu'], 2000);
    assert.equal(podLimits(pod(spec, grown('Infeasible')), { useStatus: true })['cpu'], 1000);
  });
  it('of an init container are those of its spec, of a sidecar those that it holds', () => {
    const status = { initContainerStatuses: [statusOf('init-1', { cpu: '5' }), statusOf('side-1', { cpu: '2' })] };
    const of = (one: Container) => podRequests(pod({ initContainers: [one] }, status), { useStatus: true })['cpu'];
    assert.deepEqual([of(init('1')), of(sidecar('1'))], [1000, 2000]);
  });
  it('of the pod as a whole are the largest of spec, allocation and status', () => {
    const status = (reason?: string): PodStatus => ({
      ...grown(reason),
      resources: { requests: { cpu: '4' } },
      allocatedResources: { cpu: '6' },
    });
    const requests = (cpu: string, reason?: string) =>
      podRequests(pod({ resources: { requests: { cpu } } }, status(reason)), { useStatus: true })['cpu'];
    assert.deepEqual([requests('5'), requests('7'), requests('7', 'Infeasible')], [6000, 7000, 6000]);
  });
  it('of thousands of containers are counted in no time', () => {
    const many = Array.from({ length: 20_000 }, (_, index) => container(`c${index}`, { cpu: '1m' }));
    const containerStatuses = many.map(({ name }) => statusOf(name, { cpu: '2m' }));
    const startMs = cpuMs();
    assert.equal(podRequests(pod({ containers: many }, { containerStatuses }), { useStatus: true })['cpu'], 40_000);
    assert.ok(cpuMs() - startMs < 3000);
  });
  it('ignore the status by default', () => assert.equal(podRequests(pod(spec, grown('Infeasible')))['cpu'], 3000));
  it('count defaults only for resources without a request', () => {
    const defaults = { containerDefaults: { cpu: 100, memory: 200 } };
    assert.deepEqual(podRequests(pod({ containers: [main({ cpu: '0' }), container('b', {})] }), defaults), {
      cpu: 100,
      memory: 400,
    });
  });
  it('can leave out the overhead', () =>
    assert.deepEqual(podRequests(pod({ containers: [main({ cpu: '1' })], overhead: { cpu: '1' } }), { withoutOverhead: true }), {
      cpu: 1000,
    }));
  it('accept resource names such as `constructor`', () =>
    assert.deepEqual(podRequests(pod({ containers: [main({ constructor: '2' }), container('b', { constructor: '1' })] })), {
      constructor: 3,
    }));
});

describe('pods of thousands of containers', () => {
  const many = (more: Partial<Container>): Container[] =>
    Array.from({ length: 3000 }, (_, index) => container(`c${index}`, { [`example.com/r${index}`]: '1' }, {}, more));
  const cases: [what: string, spec: Partial<PodSpec>][] = [
    ['containers', { containers: many({}) }],
    ['init containers', { initContainers: many({}) }],
    ['sidecars', { initContainers: many({ restartPolicy: 'Always' }) }],
  ];
  for (const [what, spec] of cases) {
    it(`${what}, each with a resource of its own, add up in milliseconds`, () => {
      const before = cpuMs();
      const requests = podRequests(pod(spec));
      const tookMs = cpuMs() - before;
      assert.equal(Object.keys(requests).length, 3000);
      assert.equal(requests['example.com/r2999'], 1);
      // Some 50 ms; 2500 ms and more when each container copies the sums of those before it.
      assert.ok(tookMs < 1000, `${tookMs} ms`);
    });
  }
});

describe('pod limits', () => {
  it('include the overhead only when there is a limit', () => {
    const spec = { containers: [main({}, { cpu: '1' })], overhead: { cpu: '250m', memory: '1Mi' } };
    assert.deepEqual(podLimits(pod(spec)), { cpu: 1250 });
  });
  it('count as set when every container has one, or the pod itself', () => {
    const half = { containers: [main({}, { cpu: '1' }), container('b', {})] };
    assert.equal(isLimited(pod(half), 'cpu'), false);
    assert.equal(isLimited(pod({ containers: [main({}, { cpu: '1' })], initContainers: [init('1')] }), 'cpu'), false);
    assert.equal(isLimited(pod({ containers: [main({}, { cpu: '1' })] }), 'cpu'), true);
    assert.equal(isLimited(pod({ ...half, resources: { limits: { cpu: '4' } } }), 'cpu'), true);
  });
});

describe('aggregateContainers', () => {
  it('keeps the format and the exact value', () => {
    const spec = {
      containers: [main({ memory: '1Gi', cpu: '0.5' }), container('b', { memory: '512Mi' })],
      initContainers: [init('2')],
    };
    assert.deepEqual(aggregateContainers(spec, 'requests'), { memory: '1536Mi', cpu: '2' });
  });

  it("writes an init container's amount and its sidecars' together in the format of the init container", () => {
    const initContainers = [
      container('side', { memory: '125Ki' }, {}, { restartPolicy: 'Always' }),
      container('init', { memory: '1M' }),
    ];
    assert.deepEqual(aggregateContainers({ containers: [], initContainers }, 'requests'), { memory: '1128k' });
  });
});

describe('the QoS class', () => {
  const full = { cpu: '1', memory: '1Gi' };
  const cases: [what: string, spec: Partial<PodSpec>, expected: string][] = [
    ['nothing', { containers: [main({})] }, 'BestEffort'],
    ['zero is nothing', { containers: [main({ cpu: '0' }, { memory: '0' })] }, 'BestEffort'],
    ['other resources do not count', { containers: [main({ 'example.com/gpu': '1' })] }, 'BestEffort'],
    ['requests equal to limits', { containers: [main(full, { cpu: '1000m', memory: '1024Mi' })] }, 'Guaranteed'],
    ['limits alone', { containers: [main({}, full)] }, 'Guaranteed'],
    ['requests alone', { containers: [main(full)] }, 'Burstable'],
    ['one limit missing', { containers: [main({ cpu: '1' }, { cpu: '1' })] }, 'Burstable'],
    ['a second container without', { containers: [main(full, full), container('b', {})] }, 'Burstable'],
    ['an init container without', { containers: [main(full, full)], initContainers: [container('i', {})] }, 'Burstable'],
    ['pod-level resources instead', { containers: [main({})], resources: { requests: full, limits: full } }, 'Guaranteed'],
    ['pod-level requests alone', { containers: [main(full, full)], resources: { requests: full } }, 'Burstable'],
  ];
  for (const [what, spec, expected] of cases)
    it(`${what}: ${expected}`, () => assert.equal(computeQosClass(pod(spec).spec), expected));
  it('is what the status says, once it says so', () =>
    assert.equal(qosClass(pod({ containers: [main({})] }, { qosClass: 'Burstable' })), 'Burstable'));
});

describe('host ports', () => {
  const port = (hostPort: number, more = {}) =>
    container(`c${hostPort}`, {}, {}, { ports: [{ containerPort: 1, hostPort, ...more }] });
  it('are those of containers and sidecars', () => {
    const initContainers = [port(1), { ...port(2, { protocol: 'UDP' }), restartPolicy: 'Always' }];
    assert.deepEqual(hostPorts(pod({ containers: [port(3, { hostIP: '10.0.0.1' }), port(0)], initContainers })), [
      { ip: '10.0.0.1', protocol: 'TCP', port: 3 },
      { ip: '0.0.0.0', protocol: 'UDP', port: 2 },
    ]);
  });
  const any = { ip: '0.0.0.0', protocol: 'TCP', port: 80 };
  const cases: [string, Partial<typeof any>, boolean][] = [
    ['the same', {}, true],
    ['one address of all', { ip: '10.0.0.1' }, true],
    ['another port', { port: 81 }, false],
    ['another protocol', { protocol: 'UDP' }, false],
  ];
  for (const [what, other, expected] of cases) {
    it(`conflict: ${what}`, () =>
      assert.deepEqual(
        [conflictsWith([{ ...any, ...other }])(any), conflictsWith([any])({ ...any, ...other })],
        [expected, expected],
      ));
  }
  it('of two pods with 25,000 each are compared in bounded time', () => {
    const many = (first: number) => Array.from({ length: 25_000 }, (_, index) => ({ ...any, port: first + index }));
    const startMs = cpuMs();
    assert.equal(many(30_000).some(conflictsWith(many(1))), false);
    assert.ok(cpuMs() - startMs < 1000);
  });
  it('of two addresses do not conflict', () =>
    assert.equal(conflictsWith([{ ...any, ip: '10.0.0.2' }])({ ...any, ip: '10.0.0.1' }), false));
});
