/** Pods over time: the real worker, runtime logic, probes and back-off on a fake clock and a runtime in memory. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { RuntimeError } from '#agent/runtime/runtime.ts';
import type { ContainerStatus, Pod, PodSpec, PodStatus } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import { aContainer, aPod } from '../pods.testing.ts';
import type { Probes } from '../probes/probes.ts';
import { FakeRuntime } from '../runtime.testing.ts';
import { type MountedVolume, VolumeError } from '../volumes/volumes.ts';
import { podNode, rest } from './pod-node.testing.ts';
import { PodWorker } from './pod-worker.ts';

interface Node {
  clock: FakeClock;
  fake: FakeRuntime;
  worker: PodWorker;
  events: string[];
  /** Every distinct phase and waiting reason that was reported, in order. */
  history: string[];
  status(): PodStatus;
  container(name: string): ContainerStatus;
  /** Moves the clock on in small steps and lets file access in between come to rest. */
  pass(seconds: number): Promise<void>;
  probes: Probes;
  finished: boolean;
  /** The kubelet stops. */
  stop(): void;
  /** The worker's run has settled. */
  hasEnded: boolean;
  volumeFailure: string | undefined;
  /** What the volumes wait for. */
  volumesReady: Promise<void> | undefined;
  network: string | undefined;
  volumes: ReadonlyMap<string, MountedVolume> | undefined;
}

const opened: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

async function runPod(spec: Partial<PodSpec>, prepare: (node: Node) => void = () => undefined): Promise<Node> {
  const folder = await mkdtemp(join(tmpdir(), 'pod-worker-'));
  const clock = new FakeClock();
  const fake = new FakeRuntime(clock);
  const events: string[] = [];
  const recorder: EventRecorder = { event: (_about, _type, reason, message) => void events.push(`${reason}: ${message}`) };
  let worker: PodWorker | undefined;
  const wake = (): void => worker?.wake();
  fake.changed = wake;
  let current: PodStatus = {};
  const history: string[] = [];
  const node = {
    clock,
    fake,
    events,
    history,
    finished: false,
    hasEnded: false,
    volumeFailure: undefined,
    network: undefined,
  } as unknown as Node;
  const deps = podNode({
    clock,
    fake,
    folder,
    events: recorder,
    wake,
    statuses: {
      current: () => current,
      set(_pod, status) {
        current = status;
        const entry = `${status.phase} ${(status.containerStatuses ?? []).map(({ state, ready }) => state?.waiting?.reason ?? (state?.running === undefined ? 'ended' : ready ? 'ready' : 'running')).join(',')}`;
        if (history.at(-1) !== entry) history.push(entry);
      },
      finish() {
        node.finished = true;
      },
      forget: () => undefined,
      stop: async () => undefined,
    },
  });
  const { probes } = deps;
  const setUp = async (): Promise<ReadonlyMap<string, MountedVolume>> => {
    await node.volumesReady;
    if (node.volumeFailure !== undefined) throw new VolumeError([node.volumeFailure]);
    return node.volumes ?? new Map();
  };
  const made = new PodWorker(
    { ...deps, volumes: { ...deps.volumes, setUp }, networkProblem: () => node.network },
    aPod({ terminationGracePeriodSeconds: 30, ...spec }),
  );
  worker = made;
  const stopped = new AbortController();
  Object.assign(node, {
    worker: made,
    stop: () => stopped.abort(),
    probes,
    status: () => current,
    container: (name: string) =>
      [...(current.containerStatuses ?? []), ...(current.initContainerStatuses ?? [])].find((one) => one.name === name) ??
      assert.fail(`no status of ${name}`),
    async pass(seconds: number) {
      await rest();
      await clock.advance(0);
      await rest();
      for (let second = 0; second < seconds; second++) {
        await clock.advance(1000);
        await rest();
      }
    },
  });
  prepare(node);
  const running = made.run(stopped.signal).then(() => {
    node.hasEnded = true;
  });
  opened.push(async () => {
    stopped.abort();
    probes.stop();
    // A stop that waits for a container ends when the clock reaches its deadline.
    await clock.advance(600_000);
    await running;
    await rm(folder, { recursive: true, force: true });
  });
  await node.pass(0);
  return node;
}

function deleted(node: Node, graceSeconds: number): Pod {
  const { pod } = node.worker;
  return {
    ...pod,
    metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:01:00Z', deletionGracePeriodSeconds: graceSeconds },
  };
}

const starts = (node: Node, name = 'c'): number => node.fake.calls.filter((call) => call === `start ${name}`).length;

describe('a pod that runs', () => {
  it('goes from creation to ready', async () => {
    const node = await runPod({});
    assert.deepEqual(node.history, ['Pending ContainerCreating', 'Running ready']);
    assert.deepEqual(node.fake.calls, ['sandbox 0', 'start c']);
    assert.equal(node.status().podIP, '10.0.0.1');
  });
  it('mounts images as volumes, pulled for the pod', async () => {
    const node = await runPod(
      {
        containers: [aContainer('c', { volumeMounts: [{ name: 'i', mountPath: '/data', subPath: 'dir' }] })],
        volumes: [{ name: 'i', image: { reference: 'data:1', pullPolicy: 'IfNotPresent' } }],
      },
      (one) => (one.volumes = new Map([['i', { hostPath: '', readOnly: true }]])),
    );
    const [mount] = node.fake.newest('c').config.mounts ?? [];
    assert.deepEqual([mount?.image?.image, mount?.image?.userSpecifiedImage, mount?.imageSubPath], ['data:1', 'data:1', 'dir']);
    assert.deepEqual(node.fake.calls, ['sandbox 0', 'pull data:1', 'start c']);
    assert.ok(node.events.includes('Pulling: Pulling image "data:1"'));
  });
  it('waits for the image of a volume as for its own', async () => {
    const node = await runPod(
      {
        containers: [aContainer('c', { volumeMounts: [{ name: 'i', mountPath: '/data' }] }), aContainer('other')],
        volumes: [{ name: 'i', image: { reference: 'none:1', pullPolicy: 'IfNotPresent' } }],
      },
      (one) => {
        one.volumes = new Map([['i', { hostPath: '', readOnly: true }]]);
        one.fake.unpullable.add('none:1');
      },
    );
    assert.ok(node.history.some((entry) => entry.includes('ErrImagePull')));
    assert.ok(node.events.includes('Failed: Error: ErrImagePull'));
    assert.ok(node.container('other').state?.running);
    assert.equal(node.container('c').state?.waiting?.reason, 'ImagePullBackOff');
  });
  it('waits for a network and says so', async () => {
    const node = await runPod({}, (one) => (one.network = 'cni plugin not initialized'));
    assert.deepEqual(node.fake.calls, []);
    assert.ok(node.events.includes('NetworkNotReady: network is not ready: cni plugin not initialized'));
    node.network = undefined;
    await node.pass(2);
    assert.equal(node.status().phase, 'Running');
  });
  it('waits for its volumes with growing pauses', async () => {
    const node = await runPod(
      {},
      (one) => (one.volumeFailure = 'MountVolume.SetUp failed for volume "v" : configmap "x" not found'),
    );
    await node.pass(8);
    assert.equal(
      node.events.filter((event) => event === 'FailedMount: MountVolume.SetUp failed for volume "v" : configmap "x" not found')
        .length,
      5,
    );
    assert.deepEqual(node.history, ['Pending ContainerCreating']);
    node.volumeFailure = undefined;
    await node.pass(8);
    assert.equal(node.status().phase, 'Running');
  });
  it('gets a new sandbox when its own dies', async () => {
    const node = await runPod({});
    await node.fake.runtime.stopPodSandbox('sandbox-1');
    node.worker.wake();
    await node.pass(0);
    assert.deepEqual(node.fake.calls.slice(2), ['stop c 30', 'sandbox 1', 'start c']);
    assert.ok(node.events.includes('SandboxChanged: Pod sandbox changed, it will be killed and re-created.'));
  });
});

describe('an init container in a new sandbox', () => {
  it('runs again, counts as started again, and keeps how it ended before', async () => {
    const node = await runPod({ initContainers: [aContainer('i')] }, ({ fake }) =>
      fake.behaviours.set('i', { exitAfterMs: 1000 }),
    );
    await node.pass(3);
    const { containerID } = node.container('i');
    await node.fake.runtime.stopPodSandbox('sandbox-1');
    node.worker.wake();
    await node.pass(3);
    assert.deepEqual(node.fake.calls.slice(3), ['stop c 30', 'sandbox 1', 'start i', 'start c']);
    const { restartCount, lastState } = node.container('i');
    assert.deepEqual([restartCount, lastState?.terminated?.exitCode, lastState?.terminated?.containerID], [1, 0, containerID]);
  });
});

describe('a container that crashes', () => {
  it('is restarted at once, then after 10 s, 20 s, 40 s', async () => {
    const node = await runPod({}, ({ fake }) => fake.behaviours.set('c', { exitAfterMs: 1000, exitCode: 1 }));
    const times: number[] = [];
    for (let second = 0, seen = 0; second < 80; second++) {
      if (starts(node) > seen) times.push(second);
      seen = starts(node);
      await node.pass(1);
    }
    assert.deepEqual(times, [0, 1, 12, 33, 74]);
    assert.equal(node.container('c').restartCount, 4);
  });
  it('waits in CrashLoopBackOff with its end in lastState', async () => {
    const node = await runPod({}, ({ fake }) => fake.behaviours.set('c', { exitAfterMs: 1000, exitCode: 3 }));
    await node.pass(4);
    const status = node.container('c');
    assert.deepEqual(status.state?.waiting, {
      reason: 'CrashLoopBackOff',
      message: 'back-off 10s restarting failed container=c pod=web_shop(uid-1)',
    });
    assert.equal(status.lastState?.terminated?.exitCode, 3);
    assert.equal(status.restartCount, 1);
    assert.ok(node.events.includes('BackOff: Back-off restarting failed container c in pod web_shop(uid-1)'));
  });
  it('is not restarted under Never', async () => {
    const node = await runPod({ restartPolicy: 'Never' }, ({ fake }) =>
      fake.behaviours.set('c', { exitAfterMs: 1000, exitCode: 1 }),
    );
    await node.pass(30);
    assert.equal(starts(node), 1);
    assert.equal(node.status().phase, 'Failed');
    assert.equal(node.worker.state, 'terminated');
  });
  it('keeps one dead container besides the newest', async () => {
    const node = await runPod({}, ({ fake }) => fake.behaviours.set('c', { exitAfterMs: 1000, exitCode: 1 }));
    await node.pass(75);
    assert.ok(starts(node) > 3);
    assert.ok(node.fake.containers.size <= 2, `${node.fake.containers.size} containers`);
  });
});

describe('a container that lacks something', () => {
  const env = [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'x', key: 'k' } } }];
  it('is tried again every ten seconds', async () => {
    const node = await runPod({ containers: [aContainer('c', { env })] });
    assert.deepEqual(node.container('c').state?.waiting, { reason: 'CreateContainerConfigError', message: 'no' });
    await node.pass(31);
    assert.equal(node.events.filter((event) => event === 'Failed: Error: no').length, 5);
  });
  it('is tried again at most ten seconds later when its sandbox cannot be made', async () => {
    let tries = 0;
    const node = await runPod({}, ({ fake }) => {
      fake.runtime.runPodSandbox = () => {
        tries++;
        return Promise.reject(new RuntimeError('Unknown', 'RunPodSandbox', 'no network'));
      };
    });
    await node.pass(60);
    const before = tries;
    await node.pass(30);
    assert.equal(tries - before, 3);
  });
});

describe('an image that cannot be pulled', () => {
  it('is tried again after 10 s, then 20 s', async () => {
    const node = await runPod({ containers: [aContainer('c', { image: 'nope:1' })] }, ({ fake }) =>
      fake.unpullable.add('nope:1'),
    );
    await node.pass(9);
    const pulls = (): number => node.fake.calls.filter((call) => call === 'pull nope:1').length;
    assert.equal(pulls(), 1);
    assert.equal(node.container('c').state?.waiting?.reason, 'ImagePullBackOff');
    await node.pass(2);
    assert.equal(pulls(), 2);
    await node.pass(18);
    assert.equal(pulls(), 2);
    await node.pass(3);
    assert.equal(pulls(), 3);
    const failed = 'rpc error: code = NotFound desc = failed to resolve reference "nope:1": not found';
    assert.ok(node.events.includes(`Failed: Failed to pull image "nope:1": ${failed}`));
    assert.ok(node.events.includes('Failed: Error: ErrImagePull'));
    assert.match(
      node.container('c').state?.waiting?.message ?? '',
      /^(rpc error|Back-off pulling image "nope:1": ErrImagePull: rpc error)/,
    );
  });
  it('is not pulled under Never', async () => {
    const node = await runPod({ containers: [aContainer('c', { image: 'nope:1', imagePullPolicy: 'Never' })] });
    assert.deepEqual(node.container('c').state?.waiting, {
      reason: 'ErrImageNeverPull',
      message: 'Container image "nope:1" is not present with pull policy of Never',
    });
    assert.deepEqual(node.fake.calls, ['sandbox 0']);
  });
});

describe('a pod that is deleted', () => {
  it('gets SIGTERM, its grace period, and leaves the API once it has stopped', async () => {
    const node = await runPod({}, ({ fake }) => fake.behaviours.set('c', { stopTakesMs: 5000 }));
    node.worker.update(deleted(node, 30), true);
    await node.pass(4);
    assert.equal(node.finished, false);
    assert.equal(node.status().phase, 'Running');
    await node.pass(2);
    assert.equal(node.finished, true);
    assert.deepEqual(node.fake.calls.slice(2), ['stop c 30']);
    assert.equal(node.status().phase, 'Failed');
    assert.ok(node.events.includes('Killing: Stopping container c'));
  });
  it('gets no longer than a runtime’s deadline can say, whatever integer its grace period is', async () => {
    const longest = 2n ** 63n - 1n;
    const lifecycle = { preStop: { sleep: { seconds: longest as unknown as number } } };
    const node = await runPod({ containers: [aContainer('c', { lifecycle })] });
    node.worker.update(deleted(node, longest as unknown as number), true);
    await node.pass(1);
    assert.equal(node.finished, false);
    node.worker.update(deleted(node, 2), true);
    await node.pass(3);
    assert.equal(node.finished, true);
    const plain = await runPod({});
    plain.worker.update(deleted(plain, longest as unknown as number), true);
    await plain.pass(1);
    assert.deepEqual(plain.fake.calls.slice(2), [`stop c ${2 ** 31 - 1}`]);
  });
  it('does not wait for the end of a postStart hook', async () => {
    const lifecycle = { postStart: { exec: { command: ['hook'] } } };
    const node = await runPod({ containers: [aContainer('c', { lifecycle })] }, ({ fake }) => fake.endlessExecs.add('hook'));
    assert.deepEqual(node.fake.calls, ['sandbox 0', 'start c', 'exec hook']);
    node.worker.update(deleted(node, 5), true);
    await node.pass(1);
    assert.deepEqual(node.fake.calls.slice(3), ['stop c 5']);
    assert.equal(node.finished, true);
    assert.ok(!node.events.includes('FailedPostStartHook: PostStartHook failed'));
  });
  it('runs preStop within the grace period', async () => {
    const node = await runPod({ containers: [aContainer('c', { lifecycle: { preStop: { sleep: { seconds: 7 } } } })] });
    node.worker.update(deleted(node, 30), true);
    await node.pass(6);
    assert.deepEqual(node.fake.calls.slice(2), []);
    await node.pass(2);
    assert.deepEqual(node.fake.calls.slice(2), ['stop c 23']);
  });
  it('does not wait for preStop longer than the grace period', async () => {
    const node = await runPod({ containers: [aContainer('c', { lifecycle: { preStop: { sleep: { seconds: 700 } } } })] });
    node.worker.update(deleted(node, 10), true);
    await node.pass(11);
    assert.deepEqual(node.fake.calls.slice(2), ['stop c 2']);
  });
  it('is stopped faster when a second deletion says so', async () => {
    const node = await runPod({}, ({ fake }) => fake.behaviours.set('c', { stopTakesMs: Infinity }));
    node.worker.update(deleted(node, 300), true);
    await node.pass(5);
    node.worker.update(deleted(node, 1), true);
    await node.pass(4);
    assert.deepEqual(node.fake.calls.slice(2), ['stop c 300', 'stop c 2']);
    assert.equal(node.container('c').state?.terminated?.exitCode, 137);
  });
  it('does not wait for a preStop hook that a second deletion has overtaken', async () => {
    const node = await runPod({ containers: [aContainer('c', { lifecycle: { preStop: { sleep: { seconds: 250 } } } })] });
    node.worker.update(deleted(node, 300), true);
    await node.pass(5);
    node.worker.update(deleted(node, 1), true);
    await node.pass(4);
    assert.deepEqual(node.fake.calls.slice(2), ['stop c 2']);
    assert.equal(node.finished, true);
  });
  it('hears of a second deletion that comes while it looks at its containers', async () => {
    const node = await runPod({}, ({ fake }) => fake.behaviours.set('c', { stopTakesMs: Infinity }));
    node.worker.update(deleted(node, 300), true);
    await node.pass(5);
    const { listPodSandbox } = node.fake.runtime;
    node.fake.runtime.listPodSandbox = async () => {
      node.fake.runtime.listPodSandbox = listPodSandbox;
      node.worker.update(deleted(node, 1), true);
      return listPodSandbox();
    };
    node.worker.wake();
    await node.pass(4);
    assert.deepEqual(node.fake.calls.slice(2), ['stop c 300', 'stop c 2']);
    assert.equal(node.finished, true);
  });
  it('ends by its first grace period when the runtime refuses the second, shorter stop', async () => {
    const node = await runPod({}, ({ fake }) => fake.behaviours.set('c', { stopTakesMs: 20_000 }));
    node.worker.update(deleted(node, 30), true);
    await node.pass(5);
    node.fake.runtime.stopContainer = async () => {
      throw new RuntimeError('Unavailable', 'StopContainer', 'the runtime does not answer');
    };
    node.worker.update(deleted(node, 1), true);
    await node.pass(10);
    assert.equal(node.finished, false);
    await node.pass(6);
    assert.equal(node.finished, true);
  });
  it('stops sidecars after the containers, the last one first', async () => {
    const side = (name: string) => aContainer(name, { restartPolicy: 'Always' });
    const node = await runPod({ initContainers: [side('s1'), side('s2')] }, ({ fake }) =>
      fake.behaviours.set('c', { stopTakesMs: 3000 }),
    );
    assert.deepEqual(node.fake.calls, ['sandbox 0', 'start s1', 'start s2', 'start c']);
    node.worker.update(deleted(node, 30), true);
    await node.pass(5);
    assert.deepEqual(node.fake.calls.slice(4), ['stop c 30', 'stop s2 27', 'stop s1 27']);
    assert.equal(node.finished, true);
  });
  it('is removed with its containers once it has left the API', async () => {
    const node = await runPod({});
    node.worker.update(deleted(node, 1), true);
    await node.pass(1);
    node.worker.remove();
    await node.pass(1);
    assert.equal(node.worker.state, 'gone');
    assert.deepEqual([node.fake.containers.size, node.fake.sandboxes.size], [0, 0]);
  });
  it('is stopped at once when it was forced out of the API', async () => {
    const node = await runPod({}, ({ fake }) => fake.behaviours.set('c', { stopTakesMs: Infinity }));
    node.worker.remove(deleted(node, 0));
    await node.pass(3);
    assert.deepEqual(node.fake.calls.slice(2), ['stop c 2']);
    assert.equal(node.worker.state, 'gone');
  });
  it('is stopped too when it left the API before anybody told it to stop', async () => {
    const node = await runPod({});
    node.worker.remove();
    await node.pass(1);
    assert.equal(node.worker.state, 'gone');
    assert.deepEqual(node.fake.calls.slice(2), ['stop c 30']);
  });
});

describe('probes', () => {
  const exec = { exec: { command: ['check'] } };
  it('make a container ready after successThreshold, and unready after failureThreshold', async () => {
    const readinessProbe = { ...exec, periodSeconds: 2, successThreshold: 2, failureThreshold: 2 };
    const node = await runPod({ containers: [aContainer('c', { readinessProbe })] });
    assert.equal(node.container('c').ready, false);
    await node.pass(3);
    assert.equal(node.container('c').ready, true);
    node.fake.execs.set('check', 1);
    await node.pass(2);
    assert.equal(node.container('c').ready, true);
    await node.pass(2);
    assert.equal(node.container('c').ready, false);
    assert.ok(node.events.includes('Unhealthy: Readiness probe failed: no'));
    assert.equal(starts(node), 1);
  });
  it('wait for initialDelaySeconds', async () => {
    const node = await runPod({
      containers: [aContainer('c', { readinessProbe: { ...exec, periodSeconds: 1, initialDelaySeconds: 5 } })],
    });
    await node.pass(4);
    assert.equal(node.fake.calls.includes('exec check'), false);
    await node.pass(2);
    assert.equal(node.container('c').ready, true);
  });
  it('restart a container whose liveness fails, with the grace period of the probe', async () => {
    const livenessProbe = { ...exec, periodSeconds: 1, failureThreshold: 3, terminationGracePeriodSeconds: 5 };
    const node = await runPod({ containers: [aContainer('c', { livenessProbe })] }, ({ fake }) => fake.execs.set('check', 1));
    await node.pass(4);
    assert.deepEqual(
      node.fake.calls.filter((call) => !call.startsWith('exec')),
      ['sandbox 0', 'start c', 'stop c 5', 'start c'],
    );
    assert.ok(node.events.includes('Killing: Container c failed liveness probe, will be restarted'));
    assert.equal(node.container('c').restartCount, 1);
  });
  it('hold back readiness and liveness until startup succeeded', async () => {
    const probe = (command: string) => ({ exec: { command: [command] }, periodSeconds: 1 });
    const container = aContainer('c', {
      startupProbe: { ...probe('up'), failureThreshold: 30 },
      livenessProbe: probe('live'),
      readinessProbe: probe('ready'),
    });
    const node = await runPod({ containers: [container] }, ({ fake }) => fake.execs.set('up', 1));
    await node.pass(5);
    assert.equal(
      node.fake.calls.some((call) => call === 'exec live' || call === 'exec ready'),
      false,
    );
    assert.deepEqual([node.container('c').started, node.container('c').ready], [false, false]);
    node.fake.execs.set('up', 0);
    await node.pass(2);
    assert.deepEqual([node.container('c').started, node.container('c').ready], [true, true]);
  });
});

describe('a kubelet that stops', () => {
  it('waits for the step under way', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const node = await runPod({}, (one) => (one.volumesReady = promise));
    node.stop();
    await node.pass(0);
    assert.equal(node.hasEnded, false);
    resolve();
    await node.pass(0);
    assert.equal(node.hasEnded, true);
  });
  it('does not wait for a step that hangs, nor for a grace period', async () => {
    const node = await runPod({}, (one) => (one.volumesReady = new Promise(() => undefined)));
    node.stop();
    await node.pass(3);
    assert.equal(node.hasEnded, true);
    const ending = await runPod({}, ({ fake }) => fake.behaviours.set('c', { stopTakesMs: Infinity }));
    ending.worker.update(deleted(ending, 300), true);
    await ending.pass(1);
    ending.stop();
    await ending.pass(0);
    assert.deepEqual([ending.hasEnded, ending.worker.state], [true, 'terminating']);
  });
  it('starts nothing more, and probes nothing, once the volumes it waited for are there', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const node = await runPod({}, (one) => (one.volumesReady = promise));
    node.stop();
    resolve();
    await node.pass(1);
    assert.deepEqual(node.fake.calls, []);
  });
  it('begins no probe after its probes have ended', async () => {
    const readinessProbe = { exec: { command: ['check'] }, periodSeconds: 1 };
    const node = await runPod({ containers: [aContainer('c', { readinessProbe })] });
    node.probes.stop();
    const before = node.fake.calls.length;
    node.worker.wake();
    await node.pass(5);
    assert.equal(node.fake.calls.length, before);
  });
});

describe('other ends', () => {
  it('fails a pod that runs longer than activeDeadlineSeconds', async () => {
    const node = await runPod({ activeDeadlineSeconds: 10 });
    await node.pass(9);
    assert.equal(node.status().phase, 'Running');
    await node.pass(3);
    assert.deepEqual([node.status().phase, node.status().reason], ['Failed', 'DeadlineExceeded']);
    assert.equal(node.fake.newest('c').status.state, 'CONTAINER_EXITED');
  });
  it('runs init containers one after the other before the rest', async () => {
    const node = await runPod({ initContainers: [aContainer('i1'), aContainer('i2')] }, ({ fake }) => {
      fake.behaviours.set('i1', { exitAfterMs: 1000 });
      fake.behaviours.set('i2', { exitAfterMs: 1000 });
    });
    await node.pass(3);
    assert.deepEqual(node.fake.calls, ['sandbox 0', 'start i1', 'start i2', 'start c']);
    assert.deepEqual(node.history.at(-1), 'Running ready');
  });
  it('restarts a container whose postStart hook fails', async () => {
    const lifecycle = { postStart: { exec: { command: ['hook'] } } };
    const node = await runPod({ containers: [aContainer('c', { lifecycle })] }, ({ fake }) => fake.execs.set('hook', 1));
    assert.ok(node.events.includes('FailedPostStartHook: PostStartHook failed'));
    assert.ok(node.events.includes('Killing: FailedPostStartHook'));
  });
});
