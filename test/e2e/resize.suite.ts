/**
 * In-place resize of pods: the control group files show the new limits, and the processes keep running.
 *
 * The first tests assert what upstream's conformance tests of pods/resize assert (`test/e2e/common/node/pod_resize.go`), the later ones
 * what `test/e2e/node/pod_resize.go` does.
 */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { amountOf, podRequests } from '#api/pod/requests.ts';
import { compareQuantity, toMillis, toNumber } from '#api/quantity.ts';
import type { Container, Pod, ResourceRequirements } from '#api/types.generated.ts';
import { until } from '#lab/until.ts';
import { type Cluster, isReady } from './cluster.ts';

type Lists = { requests?: Record<string, string>; limits?: Record<string, string> };
const same = (cpu: string, memory: string): Lists => ({ requests: { cpu, memory }, limits: { cpu, memory } });

/** Prints `shares quota period limit` of its own control group, of version 1 or 2, and when its first process began. */
const look = [
  'cd /sys/fs/cgroup',
  'if [ -e memory/memory.limit_in_bytes ]',
  'then echo $(cat cpu/cpu.shares cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us memory/memory.limit_in_bytes)',
  'else echo w$(cat cpu.weight) $(cat cpu.max memory.max)',
  'fi',
  "cut -d' ' -f22 /proc/1/stat",
].join('\n');

export function resizeSuite(cluster: () => Cluster): void {
  describe('a resize of a running pod', () => {
    const ns = 'resize';
    const kubectl = (...args: string[]): Promise<string> => cluster().kubectl(['-n', ns, ...args]);
    const conditionsOf = ({ status }: Pod): string[] =>
      (status?.conditions ?? []).flatMap(({ type, reason = '' }) => (type.startsWith('PodResize') ? [`${type} ${reason}`] : []));
    let worker = '';

    before(async () => {
      await cluster().namespace(ns);
      worker = (await cluster().client.resource('nodes').list({})).items.map(({ metadata }) => metadata.name).sort()[0] ?? '';
    });

    const container = (name: string, resources: Lists, more: Partial<Container> = {}): Container => ({
      name,
      image: 'busybox',
      imagePullPolicy: 'IfNotPresent',
      command: ['sh', '-c', 'trap "exit 0" TERM; while true; do sleep 1; done'],
      resources,
      ...more,
    });

    async function run(name: string, containers: Container[], more: Partial<Pod['spec']> = {}): Promise<Pod> {
      await cluster().apply({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace: ns },
        spec: { containers, terminationGracePeriodSeconds: 1, nodeSelector: { 'kubernetes.io/hostname': worker }, ...more },
      });
      return await cluster().untilPod(ns, name, 'ready', isReady);
    }

    const patchOf = (changes: Record<string, Lists>): string =>
      JSON.stringify({ spec: { containers: Object.entries(changes).map(([name, resources]) => ({ name, resources })) } });
    const patch = (name: string, changes: Record<string, Lists>): Promise<string> =>
      kubectl('patch', 'pod', name, '--subresource=resize', '--patch', patchOf(changes));
    const untilResized = (name: string): Promise<Pod> =>
      cluster().untilPod(
        ns,
        name,
        'resized',
        (pod) => pod.status?.observedGeneration === pod.metadata.generation && conditionsOf(pod).length === 0 && isReady(pod),
      );

    /** The container's limits in the kernel, and the start time of its process. */
    async function kernel(pod: string, name: string): Promise<{ limits: string; startedAt: string }> {
      const [limits = '', startedAt = ''] = (await kubectl('exec', pod, '-c', name, '--', 'sh', '-c', look)).trim().split('\n');
      return { limits, startedAt };
    }

    function expectedLimits({ requests = {}, limits = {} }: ResourceRequirements, isV2: boolean): string {
      const request = requests['cpu'] ?? limits['cpu'];
      const shares = request === undefined ? 2 : Math.max(2, Math.floor((toMillis(request) * 1024) / 1000));
      const quota = limits['cpu'] === undefined ? undefined : Math.max(1000, toMillis(limits['cpu']) * 100);
      const memory = limits['memory'] === undefined ? undefined : toNumber(limits['memory']);
      if (isV2) {
        const weight = Math.floor(1 + ((shares - 2) * 9999) / 262142);
        return `w${weight} ${quota ?? 'max'} 100000 ${memory ?? 'max'}`;
      }
      return `${shares} ${quota ?? -1} 100000 ${memory ?? 9223372036854771712n}`;
    }

    const isSameAmounts = (a: Record<string, string | number> = {}, b: Record<string, string | number> = {}): boolean =>
      Object.keys({ ...a, ...b }).every((key) => compareQuantity(a[key] ?? 'none', b[key] ?? 'none') === 0);

    /** Status and kernel agree with the spec, in every container. */
    async function assertResized(pod: Pod): Promise<void> {
      for (const { name, resources = {} } of pod.spec.containers) {
        const status = pod.status?.containerStatuses?.find((one) => one.name === name);
        const told = JSON.stringify([resources, status?.resources, status?.allocatedResources]);
        assert.ok(isSameAmounts(status?.resources?.requests, resources.requests), told);
        assert.ok(isSameAmounts(status?.resources?.limits, resources.limits), told);
        assert.ok(isSameAmounts(status?.allocatedResources, resources.requests), told);
        const { limits } = await kernel(pod.metadata.name, name);
        assert.equal(limits, expectedLimits(resources, limits.startsWith('w')), `${pod.metadata.name}/${name}`);
      }
    }

    /** Resizes a pod and back again, without a restart. */
    async function thereAndBack(
      name: string,
      from: Record<string, Lists>,
      to: Record<string, Lists>,
      isRolledBack = true,
    ): Promise<void> {
      const made = await run(
        name,
        Object.entries(from).map(([one, resources]) => container(one, resources)),
      );
      await assertResized(made);
      const processes = async (): Promise<string[]> =>
        await Promise.all(Object.keys(from).map(async (one) => (await kernel(name, one)).startedAt));
      const begun = await processes();
      for (const changes of isRolledBack ? [to, from] : [to]) {
        await patch(name, changes);
        await assertResized(await untilResized(name));
      }
      assert.deepEqual(await processes(), begun);
      await kubectl('delete', 'pod', name, '--wait=false');
    }

    const guaranteed = { c1: same('20m', '35Mi'), c2: same('22m', '37Mi'), c3: same('24m', '39Mi') };

    // The tests have separate pods and mostly wait for the kubelet, so four run at a time.
    describe('on its node', { concurrency: 4 }, () => {
      it('makes a guaranteed pod larger, though one container becomes smaller', () =>
        thereAndBack('larger', guaranteed, { c1: same('25m', '40Mi'), c2: same('27m', '42Mi'), c3: same('19m', '34Mi') }));

      it('makes a guaranteed pod smaller, though one container becomes larger', () =>
        thereAndBack('smaller', guaranteed, { c1: same('25m', '40Mi'), c2: same('17m', '32Mi'), c3: same('19m', '34Mi') }));

      it('moves CPU and memory between containers each in its own direction', () =>
        thereAndBack('mixed', guaranteed, { c1: same('25m', '35Mi'), c2: same('17m', '42Mi'), c3: same('29m', '44Mi') }));

      it('adds requests and limits to a burstable pod', () =>
        thereAndBack(
          'burstable',
          {
            c1: { requests: { cpu: '20m' } },
            c2: { requests: { memory: '35Mi' } },
            c3: { requests: { cpu: '20m', memory: '35Mi' } },
            c4: { requests: { cpu: '20m' } },
            c5: { requests: { memory: '35Mi' } },
          },
          {
            c1: { requests: { cpu: '25m' }, limits: { cpu: '35m' } },
            c2: { requests: { memory: '30Mi' }, limits: { memory: '50Mi' } },
            c3: { requests: { cpu: '20m', memory: '30Mi' } },
            c4: { requests: { cpu: '15m', memory: '35Mi' } },
            c5: { requests: { cpu: '20m', memory: '40Mi' } },
          },
          false,
        ));

      it('tells amounts that are the same to the kernel as they were asked for', () =>
        thereAndBack(
          'equal',
          { c1: { requests: { cpu: '2m' }, limits: { cpu: '10m' } } },
          { c1: { requests: { cpu: '1m' }, limits: { cpu: '5m' } } },
        ));

      it('is made with PUT, too, and read as the pod is', async () => {
        const made = await run('replaced', [container('c1', { requests: { cpu: '20m', memory: '35Mi' } })]);
        assert.equal(made.metadata.generation, 1);
        const [first] = made.spec.containers;
        const resources = { requests: { cpu: '25m', memory: '40Mi' } };
        const sent = { ...made, spec: { ...made.spec, containers: [{ ...first, resources }] } };
        await cluster().kubectl(['replace', '--subresource=resize', '-f', '-'], { stdin: JSON.stringify(sent) });
        const resized = await untilResized('replaced');
        assert.equal(resized.metadata.generation, 2);
        await assertResized(resized);
        const read = async (path: string): Promise<unknown> =>
          JSON.parse(await kubectl('get', '--raw', `/api/v1/namespaces/${ns}/pods/replaced${path}`));
        assert.deepEqual(await read('/resize'), await read(''));
        await kubectl('delete', 'pod', 'replaced', '--wait=false');
      });

      it('restarts just the container whose policy asks for it, and tells all in events', async () => {
        const resizePolicy = [
          { resourceName: 'cpu', restartPolicy: 'NotRequired' },
          { resourceName: 'memory', restartPolicy: 'RestartContainer' },
        ];
        await run('policy', [container('c1', same('20m', '35Mi'), { resizePolicy }), container('c2', same('20m', '35Mi'))]);
        const [one, two] = [await kernel('policy', 'c1'), await kernel('policy', 'c2')];
        await patch('policy', { c1: same('25m', '35Mi') });
        await assertResized(await untilResized('policy'));
        assert.equal((await kernel('policy', 'c1')).startedAt, one.startedAt);
        await patch('policy', { c1: same('25m', '40Mi'), c2: same('20m', '40Mi') });
        const resized = await untilResized('policy');
        await assertResized(resized);
        assert.deepEqual(
          resized.status?.containerStatuses?.map(({ restartCount }) => restartCount),
          [1, 0],
        );
        assert.equal((await kernel('policy', 'c2')).startedAt, two.startedAt);
        await cluster().untilEvent(ns, 'Killing', 'policy', /^Container c1 resize requires restart$/);
        await cluster().untilEvent(
          ns,
          'ResizeStarted',
          'policy',
          /^Pod resize started: \{"containers":\[\{"name":"c1","resources":\{/,
        );
        await cluster().untilEvent(ns, 'ResizeCompleted', 'policy', /^Pod resize completed: \{.*"generation":3\}$/);
        await kubectl('delete', 'pod', 'policy', '--wait=false');
      });

      it('does not take memory away that is in use, says so, and can be taken back', async () => {
        const memory = (limit: string): Lists => ({ requests: { memory: limit }, limits: { memory: limit } });
        await run('in-use', [container('c1', memory('35Mi'))]);
        await patch('in-use', { c1: memory('30Mi') });
        await assertResized(await untilResized('in-use'));
        await patch('in-use', { c1: memory('10Ki') });
        const stuck = await cluster().untilPod(ns, 'in-use', 'not resized', (pod) =>
          conditionsOf(pod).includes('PodResizeInProgress Error'),
        );
        const { message } = stuck.status?.conditions?.find(({ type }) => type === 'PodResizeInProgress') ?? {};
        assert.match(message ?? '', /memory limit \(10240\) below current usage \(\d+\)/);
        await cluster().untilEvent(ns, 'ResizeError', 'in-use', /"error":"cannot decrease memory limits: /);
        await patch('in-use', { c1: memory('35Mi') });
        await assertResized(await untilResized('in-use'));
        await kubectl('delete', 'pod', 'in-use', '--wait=false');
      });

      it('reaches an init container while it runs', async () => {
        const init = container('i', same('20m', '35Mi'), { command: ['sh', '-c', 'until [ -e /tmp/go ]; do sleep 0.2; done'] });
        const spec = { initContainers: [init], containers: [container('c1', same('20m', '35Mi'))] };
        const metadata = { name: 'initializing', namespace: ns };
        await cluster().apply({ apiVersion: 'v1', kind: 'Pod', metadata, spec: { ...spec, terminationGracePeriodSeconds: 1 } });
        const isInit = ({ status }: Pod): boolean => status?.initContainerStatuses?.[0]?.state?.running !== undefined;
        await cluster().untilPod(ns, 'initializing', 'initializing', isInit);
        const before = await kernel('initializing', 'i');
        const change = { spec: { initContainers: [{ name: 'i', resources: same('25m', '40Mi') }] } };
        await kubectl('patch', 'pod', 'initializing', '--subresource=resize', '--patch', JSON.stringify(change));
        await until(
          'the kernel has it',
          async () => {
            const { limits, startedAt } = await kernel('initializing', 'i');
            assert.equal(startedAt, before.startedAt);
            return limits === expectedLimits(same('25m', '40Mi'), limits.startsWith('w')) ? true : undefined;
          },
          { timeoutMs: 60_000 },
        );
        await kubectl('exec', 'initializing', '-c', 'i', '--', 'touch', '/tmp/go');
        await cluster().untilPod(ns, 'initializing', 'ready', isReady);
        await kubectl('delete', 'pod', 'initializing', '--wait=false');
      });

      it('changes pod-level resources in the control group of the pod', async () => {
        const level = (cpu: string, memory: string): Lists => ({ requests: { cpu, memory }, limits: { cpu, memory } });
        await run('level', [container('c1', {})], { resources: level('50m', '60Mi') } as Partial<Pod['spec']>);
        const begun = await kernel('level', 'c1');
        const change = { spec: { resources: level('80m', '80Mi') } };
        await kubectl('patch', 'pod', 'level', '--subresource=resize', '--patch', JSON.stringify(change));
        const { status } = await untilResized('level');
        const told = JSON.stringify(status?.resources);
        assert.ok(isSameAmounts(status?.resources?.requests, { cpu: '80m', memory: '80Mi' }), told);
        assert.ok(isSameAmounts(status?.resources?.limits, { cpu: '80m', memory: '80Mi' }), told);
        assert.ok(
          isSameAmounts(status?.allocatedResources, { cpu: '80m', memory: '80Mi' }),
          JSON.stringify(status?.allocatedResources),
        );
        assert.equal((await kernel('level', 'c1')).startedAt, begun.startedAt);
        await kubectl('delete', 'pod', 'level', '--wait=false');
      });
    });

    const cpu = (millis: number): Lists => ({ requests: { cpu: `${Math.floor(millis)}m` } });

    /** The node's allocatable CPU and the part that no pod requests, in millicores. */
    async function cpuOfNode(): Promise<{ allocatable: number; free: number }> {
      const { client } = cluster();
      const pods = (await client.resource('pods').list({ fieldSelector: `spec.nodeName=${worker}` })).items;
      const counted = pods.filter(({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Failed');
      const used = counted.reduce((sum, pod) => sum + amountOf(podRequests(pod), 'cpu'), 0);
      const node = await client.resource('nodes').get({ name: worker });
      const allocatable = toMillis(node.status?.allocatable?.['cpu'] ?? 0);
      return { allocatable, free: allocatable - used };
    }

    it('lets the scheduler place a pod: its own, or another one that finds room then', async () => {
      const { free } = await cpuOfNode();
      const isUnschedulable = ({ status }: Pod): boolean =>
        status?.conditions?.some(({ type, reason }) => type === 'PodScheduled' && reason === 'Unschedulable') === true;
      const waiting = async (name: string, millis: number): Promise<void> => {
        const spec = { containers: [container('c1', cpu(millis))], nodeSelector: { 'kubernetes.io/hostname': worker } };
        const whole = { ...spec, terminationGracePeriodSeconds: 1 };
        await cluster().apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: ns }, spec: whole });
        await cluster().untilPod(ns, name, 'unschedulable', isUnschedulable);
      };
      await run('placed', [container('c1', cpu(free * 0.5))]);
      await waiting('itself', free);
      await patch('itself', { c1: cpu(free * 0.25) });
      await cluster().untilPod(ns, 'itself', 'ready', isReady);
      await waiting('another', free * 0.4);
      await patch('placed', { c1: cpu(free * 0.2) });
      await cluster().untilPod(ns, 'another', 'ready', isReady);
      await kubectl('delete', 'pod', 'placed', 'itself', 'another');
    });

    it('waits while others hold what it asks for, and is granted when one of them goes', async () => {
      const { allocatable, free } = await cpuOfNode();
      await run('holds', [container('c1', cpu(free * 0.6))]);
      await run('grows', [container('c1', cpu(free * 0.2))]);
      await patch('grows', { c1: cpu(free * 0.7) });
      const waits = await cluster().untilPod(ns, 'grows', 'deferred', (pod) =>
        conditionsOf(pod).includes('PodResizePending Deferred'),
      );
      assert.match(
        waits.status?.conditions?.find(({ type }) => type === 'PodResizePending')?.message ?? '',
        /^Node didn't have enough resource: cpu, requested: \d+, used: \d+, capacity: \d+$/,
      );
      assert.equal(toMillis(waits.status?.containerStatuses?.[0]?.allocatedResources?.['cpu'] ?? 0), Math.floor(free * 0.2));
      await cluster().untilEvent(ns, 'ResizeDeferred', 'grows', /^Pod resize Deferred: /);
      await kubectl('delete', 'pod', 'holds');
      await assertResized(await untilResized('grows'));
      const tooMuch = await cluster().kubectlFails([
        '-n',
        ns,
        'patch',
        'pod',
        'grows',
        '--subresource=resize',
        '--patch',
        patchOf({ c1: cpu(allocatable * 2) }),
      ]);
      assert.match(tooMuch, /Forbidden.*node didn't have enough allocatable resources: cpu, requested: /);
      await kubectl('delete', 'pod', 'grows');
    });
  });
}
