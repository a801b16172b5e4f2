/** A resize on its whole way through the node: from the API's new version of the pod to runtime, control groups, status and back. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { Container, Pod, PodStatus, ResourceRequirements } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import { passSeconds, podSetNode } from '../pod/pod-set.testing.ts';
import type { PodSet } from '../pod/pod-set.ts';
import { aContainer, aPod } from '../pods.testing.ts';
import { FakeRuntime } from '../runtime.testing.ts';

const Mi = 2 ** 20;
const same = (cpu: string, memory: string): ResourceRequirements => ({ requests: { cpu, memory }, limits: { cpu, memory } });

describe('a resize of a running pod', () => {
  let folder: string;
  let clock: FakeClock;
  let fake: FakeRuntime;
  let pods: PodSet;
  let stopped: AbortController;
  let events: string[];
  const statuses = new Map<string, PodStatus>();

  /** A kubelet, also the one after a restart. */
  async function start(): Promise<void> {
    stopped = new AbortController();
    const options: Parameters<typeof podSetNode>[0] = {
      clock,
      fake,
      folder,
      events: { event: (_about, _type, reason, message) => void events.push(`${reason} ${message}`) },
      statuses: {
        current: ({ metadata }) => statuses.get(metadata.uid) ?? {},
        set: ({ metadata }, reported) => void statuses.set(metadata.uid, reported),
        finish: () => undefined,
        forget: () => undefined,
        stop: async () => undefined,
      },
    };
    const started = podSetNode(options, { pods: '10', cpu: '4', memory: '1Gi' }, stopped.signal);
    await started.resizes.load();
    ({ pods } = started);
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pod-resize-'));
    clock = new FakeClock();
    fake = new FakeRuntime(clock);
    events = [];
    statuses.clear();
    await start();
  });
  afterEach(async () => {
    stopped.abort();
    await clock.advance(600_000);
    await pods.ended();
    await rm(folder, { recursive: true, force: true });
  });

  const pod = (resources: ResourceRequirements, generation = 1, more: Partial<Container> = {}, name = 'web'): Pod =>
    aPod({ containers: [aContainer('c', { resources, ...more })] }, { metadata: { name, uid: `uid-${name}`, generation } });

  const pass = (seconds: number): Promise<void> => passSeconds(clock, seconds);
  /** Waits, half a minute of the test's clock at most, until this is so. */
  async function until(actual: () => unknown, expected: unknown): Promise<void> {
    for (let second = 0; second < 30 && !isDeepStrictEqual(actual(), expected); second++) await pass(1);
    assert.deepEqual(actual(), expected);
  }
  const updates = (): string[] => fake.calls.filter((call) => call.startsWith('update '));
  const status = (name = 'web'): PodStatus => statuses.get(`uid-${name}`) ?? {};
  const conditions = (name = 'web'): string[] =>
    (status(name).conditions ?? []).flatMap(({ type, reason = '', observedGeneration }) =>
      type.startsWith('PodResize') ? [`${type} ${reason} ${observedGeneration}`] : [],
    );
  const memoryOf = (name = 'c'): number | undefined => fake.given.get(fake.newest(name).status.id)?.memoryLimitInBytes;

  it('is carried out without a restart, and told', async () => {
    pods.changed(pod(same('1', '100Mi')));
    await until(() => status().phase, 'Running');
    pods.changed(pod(same('2', '200Mi'), 2));
    await until(() => [memoryOf(), updates()], [200 * Mi, ['update c', 'update c']]);
    await until(() => conditions(), []);
    const [container] = status().containerStatuses ?? [];
    assert.deepEqual([container?.resources, container?.allocatedResources], [same('2', '200Mi'), { cpu: '2', memory: '200Mi' }]);
    assert.deepEqual([conditions(), container?.restartCount, status().observedGeneration], [[], 0, 2]);
    assert.deepEqual(status().allocatedResources, { cpu: '2', memory: '200Mi' });
    assert.deepEqual(status().resources, same('2', '200Mi'));
    const told = events.filter((event) => event.startsWith('Resize')).map((event) => event.split(' ')[0]);
    assert.deepEqual(told, ['ResizeStarted', 'ResizeCompleted']);
    await pass(200);
    assert.equal(updates().length, 2);
  });

  it('restarts the container whose policy asks for it, which begins with what was promised', async () => {
    const resizePolicy = [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }];
    pods.changed(pod(same('1', '100Mi'), 1, { resizePolicy }));
    await until(() => status().phase, 'Running');
    pods.changed(pod(same('1', '200Mi'), 2, { resizePolicy }));
    await until(() => [updates(), memoryOf(), conditions()], [[], 200 * Mi, []]);
    await until(() => status().containerStatuses?.[0]?.restartCount, 1);
    assert.ok(events.includes('Killing Container c resize requires restart'));
  });

  it('that the runtime refuses is told, tried again, and holds up nothing else', async () => {
    pods.changed(pod(same('1', '100Mi')));
    await until(() => status().phase, 'Running');
    fake.updateProblems.set('c', 'no such luck');
    pods.changed(pod(same('1', '200Mi'), 2));
    await until(() => conditions(), ['PodResizeInProgress Error 2']);
    assert.deepEqual(status().containerStatuses?.[0]?.resources, same('1', '100Mi'));
    assert.match(events.join('\n'), /ResizeError Pod resize error: .*"error":"no such luck"/);
    fake.updateProblems.clear();
    await until(() => [conditions(), memoryOf()], [[], 200 * Mi]);
  });

  it('that the runtime never answers holds up no other pod', async () => {
    pods.changed(pod(same('1', '100Mi')));
    await until(() => status().phase, 'Running');
    fake.updateProblems.set('c', 'hang');
    pods.changed(pod(same('1', '200Mi'), 2));
    await pass(1);
    const { spec } = pod(same('1', '100Mi'));
    pods.changed(
      aPod(
        { ...spec, containers: [aContainer('d', { resources: same('1', '100Mi') })] },
        { metadata: { name: 'b', uid: 'uid-b' } },
      ),
    );
    await until(() => status('b').phase, 'Running');
    assert.deepEqual(conditions(), ['PodResizeInProgress  2']);
  });

  it('that the runtime never answers does not keep the pod from ending', async () => {
    pods.changed(pod(same('1', '100Mi')));
    await until(() => status().phase, 'Running');
    fake.updateProblems.set('c', 'hang');
    const wanted = pod(same('1', '200Mi'), 2);
    pods.changed(wanted);
    await until(() => updates(), ['update c']);
    const metadata = { ...wanted.metadata, deletionTimestamp: '2026-01-01T00:01:00Z', deletionGracePeriodSeconds: 1 };
    pods.changed({ ...wanted, metadata });
    await until(() => [fake.newest('c').status.state, conditions()], ['CONTAINER_EXITED', []]);
  });

  it('is not made while memory is in use, and is given up with the wish', async () => {
    pods.changed(pod(same('1', '100Mi')));
    await until(() => status().phase, 'Running');
    fake.usedBytes.set('c', 80 * Mi);
    pods.changed(pod(same('1', '50Mi'), 2));
    await until(() => [conditions(), memoryOf()], [['PodResizeInProgress Error 2'], 100 * Mi]);
    pods.changed(pod(same('1', '100Mi'), 3));
    await until(() => [conditions(), updates()], [[], []]);
  });

  it('waits for other pods, over a restart of the kubelet, too', async () => {
    pods.changed(pod(same('1', '100Mi')));
    pods.changed(pod(same('2', '100Mi'), 1, {}, 'other'));
    await until(() => [status().phase, status('other').phase], ['Running', 'Running']);
    pods.changed(pod(same('3', '100Mi'), 2));
    await until(() => conditions(), ['PodResizePending Deferred 2']);
    stopped.abort();
    await pods.ended();
    await start();
    pods.changed({ ...pod(same('3', '100Mi'), 2), status: status() });
    pods.changed({ ...pod(same('2', '100Mi'), 1, {}, 'other'), status: status('other') });
    await until(() => pods.workers().filter(({ observed }) => observed !== undefined).length, 2);
    await pass(2);
    assert.deepEqual(
      [conditions(), fake.calls.filter((call) => call.startsWith('start ')).length],
      [['PodResizePending Deferred 2'], 2],
    );
    assert.equal(status().containerStatuses?.[0]?.allocatedResources?.['cpu'], '1');
    pods.gone('uid-other');
    await until(() => [conditions(), status().containerStatuses?.[0]?.resources?.requests?.['cpu']], [[], '3']);
  });

  it('that was promised before a restart is finished after it', async () => {
    pods.changed(pod(same('1', '100Mi')));
    await until(() => status().phase, 'Running');
    fake.updateProblems.set('c', 'not now');
    pods.changed(pod(same('1', '200Mi'), 2));
    await until(() => conditions(), ['PodResizeInProgress Error 2']);
    stopped.abort();
    await pods.ended();
    fake.calls.length = 0;
    fake.updateProblems.clear();
    await start();
    pods.changed({ ...pod(same('1', '200Mi'), 2), status: status() });
    await until(() => [memoryOf(), conditions(), updates()], [200 * Mi, [], ['update c']]);
  });

  it('in a fast loop ends with the last wish, and without a restart', async () => {
    pods.changed(pod(same('1', '100Mi')));
    await until(() => status().phase, 'Running');
    for (let round = 2; round <= 200; round++) pods.changed(pod(same('1', `${100 + round}Mi`), round));
    await until(() => [memoryOf(), conditions(), status().observedGeneration], [300 * Mi, [], 200]);
    assert.equal(status().containerStatuses?.[0]?.restartCount, 0);
  });
});
