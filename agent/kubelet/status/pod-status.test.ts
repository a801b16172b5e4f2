import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ContainerStatus, Pod, PodStatus } from '#api/types.generated.ts';
import type { ObservedPod } from '../pod/observed.ts';
import { aContainer, aPod, aSandbox, observe, observedContainer } from '../pods.testing.ts';
import type { PodStatusInputs } from './pod-status.ts';
import { podStatus, rejectedStatus, terminatedStatus } from './pod-status.ts';

const nowMs = Date.UTC(2026, 0, 2);
const c = aContainer('c');
const d = aContainer('d');
const init = aContainer('init');
const side = aContainer('side', { restartPolicy: 'Always' });
const run = (container: typeof c) => observedContainer(container, 'running');
const end = (container: typeof c, code = 0) => observedContainer(container, code);

function statusOf(pod: Pod, observed: ObservedPod, more: Partial<PodStatusInputs> = {}): PodStatus {
  return podStatus({
    pod,
    observed,
    previous: pod.status ?? {},
    actuated: () => undefined,
    resize: [],
    failures: new Map(),
    readiness: { started: () => true, ready: () => true },
    runtimeName: 'containerd',
    hostIps: ['192.0.2.1'],
    isTerminal: false,
    nowMs,
    ...more,
  });
}

const condition = (status: PodStatus, type: string): string => {
  const found = status.conditions?.find((one) => one.type === type);
  return [found?.status, found?.reason, found?.message].filter((part) => part !== undefined).join(' | ');
};
const firstOf = (status: PodStatus): ContainerStatus => status.containerStatuses?.[0] ?? assert.fail('no container status');

describe('pod phase', () => {
  const two = (restartPolicy = 'Always'): Pod => aPod({ containers: [c, d], restartPolicy });
  const cases: [string, Pod, ObservedPod, string, Partial<PodStatusInputs>?][] = [
    ['Pending before anything runs', two(), observe([], []), 'Pending'],
    ['Pending while one has never started', two(), observe([run(c)]), 'Pending'],
    ['Running when all were started', two(), observe([run(c), run(d)]), 'Running'],
    ['Running while one crashes', two(), observe([run(c), end(d, 1)]), 'Running'],
    ['Running when all crash under Always', two(), observe([end(c, 1), end(d)]), 'Running'],
    ['Succeeded when all are done', two('OnFailure'), observe([end(c), end(d)]), 'Succeeded'],
    ['Running when a failure will be repeated', two('OnFailure'), observe([end(c), end(d, 1)]), 'Running'],
    ['Failed when a failure is final', two('Never'), observe([end(c), end(d, 1)]), 'Failed'],
    ['Failed when a deleted pod was killed', two(), observe([end(c, 137), end(d)]), 'Failed', { isTerminal: true }],
    ['Succeeded when a deleted pod ended well', two(), observe([end(c), end(d)]), 'Succeeded', { isTerminal: true }],
    ['Pending while init containers run', aPod({ initContainers: [init] }), observe([run(init)]), 'Pending'],
    [
      'Failed when an init container failed for good',
      aPod({ initContainers: [init], restartPolicy: 'Never' }),
      observe([end(init, 1)]),
      'Failed',
    ],
    ['Pending while a failed init container is repeated', aPod({ initContainers: [init] }), observe([end(init, 1)]), 'Pending'],
    [
      'Succeeded though a sidecar was killed',
      aPod({ initContainers: [side], restartPolicy: 'Never' }),
      observe([end(c), end(side, 143)]),
      'Succeeded',
    ],
    [
      'Running while a sidecar outlives the containers',
      aPod({ initContainers: [side], restartPolicy: 'Never' }),
      observe([end(c), run(side)]),
      'Running',
    ],
    [
      'as the kubelet decides',
      two(),
      observe([run(c), run(d)]),
      'Failed',
      { failed: { reason: 'DeadlineExceeded', message: 'm' } },
    ],
    ['never back from a final one', aPod({}, { status: { phase: 'Succeeded' } }), observe([run(c)]), 'Succeeded'],
  ];
  for (const [name, pod, observed, phase, more] of cases)
    it(`is ${phase}: ${name}`, () => assert.equal(statusOf(pod, observed, more).phase, phase));
});

describe('pod conditions', () => {
  it('say which containers are not ready', () => {
    const status = statusOf(aPod({ containers: [c, d] }), observe([run(c), run(d)]), {
      readiness: { started: () => true, ready: ({ name }) => name === 'c' },
    });
    assert.equal(condition(status, 'Ready'), 'False | ContainersNotReady | containers with unready status: [d]');
    assert.equal(condition(status, 'ContainersReady'), 'False | ContainersNotReady | containers with unready status: [d]');
    assert.equal(condition(status, 'Initialized'), 'True');
    assert.equal(condition(status, 'PodReadyToStartContainers'), 'True');
    assert.equal(condition(status, 'PodScheduled'), 'True');
  });
  it('name init containers that are not through', () => {
    const status = statusOf(aPod({ initContainers: [init] }), observe([run(init)]));
    assert.equal(
      condition(status, 'Initialized'),
      'False | ContainersNotInitialized | containers with incomplete status: [init]',
    );
  });
  it('wait for readiness gates of others', () => {
    const pod = aPod({ readinessGates: [{ conditionType: 'a/b' }] });
    assert.equal(
      condition(statusOf(pod, observe([run(c)])), 'Ready'),
      'False | ReadinessGatesNotReady | corresponding condition of pod readiness gate "a/b" does not exist.',
    );
    const passed: Pod = { ...pod, status: { conditions: [{ type: 'a/b', status: 'True' }] } };
    const status = statusOf(passed, observe([run(c)]));
    assert.equal(condition(status, 'Ready'), 'True');
    assert.equal(condition(status, 'a/b'), 'True');
  });
  it('tell of completed and failed pods', () => {
    assert.equal(condition(statusOf(aPod({ restartPolicy: 'Never' }), observe([end(c)])), 'Ready'), 'False | PodCompleted');
    assert.equal(condition(statusOf(aPod({ restartPolicy: 'Never' }), observe([end(c, 1)])), 'Ready'), 'False | PodFailed');
  });
  it('keep their transition time while they stay as they are', () => {
    const first = statusOf(aPod(), observe([run(c)]));
    const second = statusOf(aPod(), observe([run(c)]), { previous: first, nowMs: nowMs + 60_000 });
    assert.deepEqual(second, first);
  });
});

describe('container statuses', () => {
  it('show ID, image, state and the end before', () => {
    const status = firstOf(statusOf(aPod(), observe([observedContainer(c, 'running', { restartCount: 1 }), end(c, 3)])));
    assert.equal(status.containerID, 'containerd://c-1');
    assert.equal(status.restartCount, 1);
    assert.deepEqual(status.state, { running: { startedAt: '1970-01-01T00:00:01Z' } });
    assert.deepEqual(status.lastState?.terminated, {
      exitCode: 3,
      reason: 'Error',
      startedAt: '1970-01-01T00:00:01Z',
      finishedAt: '1970-01-01T00:00:02Z',
      containerID: 'containerd://c-0',
    });
    assert.deepEqual([status.ready, status.started], [true, true]);
  });
  it('say what a container has of resources, also when it asks for none', () => {
    const resources = { requests: { cpu: '100m' }, limits: { memory: '1Mi' } };
    const asking = aContainer('c', { resources });
    const status = firstOf(statusOf(aPod({ containers: [asking] }), observe([run(asking)])));
    assert.deepEqual([status.resources, status.allocatedResources], [resources, resources.requests]);
    const none = firstOf(statusOf(aPod(), observe([run(c)])));
    assert.deepEqual([none.resources, none.allocatedResources], [{}, undefined]);
  });
  it('share 12 KiB of termination messages', () => {
    const containers = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => aContainer(name));
    const observed = containers.map((one) => observedContainer(one, 1, { status: { message: 'x'.repeat(4096) } }));
    const status = statusOf(aPod({ containers }), observe(observed), { isTerminal: true });
    assert.deepEqual(
      status.containerStatuses?.map(({ state }) => state?.terminated?.message?.length),
      containers.map(() => 2048),
    );
  });
  it('date a start that failed at the epoch', () => {
    const failed = observedContainer(c, 128, { status: { startedAtMs: 0, reason: 'StartError' } });
    const { state } = firstOf(statusOf(aPod(), observe([failed]), { isTerminal: true }));
    assert.equal(state?.terminated?.startedAt, '1970-01-01T00:00:00Z');
  });
  it('wait for creation, or for init containers', () => {
    assert.deepEqual(firstOf(statusOf(aPod(), observe([]))).state, { waiting: { reason: 'ContainerCreating' } });
    assert.deepEqual(firstOf(statusOf(aPod({ initContainers: [init] }), observe([]))).state, {
      waiting: { reason: 'PodInitializing' },
    });
  });
  it('show why a container cannot start, and move its end to lastState', () => {
    const failures = new Map([['c', { reason: 'CrashLoopBackOff', message: 'back-off 10s …' }]]);
    const status = firstOf(statusOf(aPod(), observe([end(c, 1)]), { failures }));
    assert.deepEqual(status.state, { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 10s …' } });
    assert.equal(status.lastState?.terminated?.exitCode, 1);
  });
  it('keep saying OOMKilled of an end, when what explained it is forgotten', () => {
    const oom = observedContainer(c, 137, { status: { reason: 'OOMKilled' } });
    const plain = observedContainer(c, 137);
    const first = statusOf(aPod(), observe([oom]));
    const second = statusOf(aPod(), observe([plain]), { previous: first });
    assert.equal(firstOf(second).state?.terminated?.reason, 'OOMKilled');
    const again = observedContainer(c, 'running', { restartCount: 1 });
    const third = statusOf(aPod(), observe([again, plain]), { previous: second });
    assert.equal(firstOf(third).lastState?.terminated?.reason, 'OOMKilled');
    const other = observedContainer(c, 137, { restartCount: 1 });
    assert.equal(firstOf(statusOf(aPod(), observe([other, plain]), { previous: third })).state?.terminated?.reason, 'Error');
  });
  it('forget a failure once the container runs', () => {
    const failures = new Map([['c', { reason: 'ErrImagePull', message: '' }]]);
    assert.ok(firstOf(statusOf(aPod(), observe([run(c)]), { failures })).state?.running);
  });
  it('know that a container that vanished had run', () => {
    const previous = statusOf(aPod(), observe([run(c)]));
    const status = firstOf(statusOf(aPod(), observe([]), { previous }));
    assert.equal(status.lastState?.terminated?.reason, 'ContainerStatusUnknown');
    assert.equal(status.restartCount, 1);
  });
  it('are not ready before their startup probe succeeded', () => {
    const status = firstOf(statusOf(aPod(), observe([run(c)]), { readiness: { started: () => false, ready: () => true } }));
    assert.deepEqual([status.ready, status.started], [false, false]);
  });
});

describe('pod addresses', () => {
  it('are the sandbox’s, and stay when it is gone', () => {
    const running = statusOf(aPod(), observe([run(c)], [aSandbox({ network: { ip: '10.0.0.9', additionalIps: ['fd00::9'] } })]));
    assert.deepEqual(running.podIPs, [{ ip: '10.0.0.9' }, { ip: 'fd00::9' }]);
    assert.equal(
      statusOf(aPod(), observe([end(c)], [aSandbox({ state: 'SANDBOX_NOTREADY' })]), { previous: running }).podIP,
      '10.0.0.9',
    );
  });
  it('are the node’s on the host network', () => {
    assert.equal(statusOf(aPod({ hostNetwork: true }), observe([])).podIP, '192.0.2.1');
  });
});

describe('statuses of pods that end here', () => {
  it('say why a pod was not taken', () => {
    const status = rejectedStatus(aPod(), 'OutOfcpu', 'Node …', nowMs);
    assert.deepEqual([status.phase, status.reason, status.message], ['Failed', 'OutOfcpu', 'Pod was rejected: Node …']);
  });
  it('give every container an end', () => {
    const status = terminatedStatus(aPod(), statusOf(aPod(), observe([])));
    assert.equal(status.phase, 'Failed');
    assert.equal(firstOf(status).state?.terminated?.reason, 'ContainerStatusUnknown');
  });
});
