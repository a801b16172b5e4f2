import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { MemoryInformer } from '#agent/network/netns/memory-informer.testing.ts';
import type { KubeList } from '#api/meta.ts';
import type { Namespace, NetworkPolicy, Pod } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import { createLeftOutReporter } from '#client/left-out.ts';
import { admitLimitMs, createNetworkPolicies, type NetworkPolicies } from './network-policies.ts';
import { FakeTable } from './policy-table.testing.ts';
import { testNamespace, testPod, testPolicy } from './world.testing.ts';

const denyAll = testPolicy('deny', 'one', { podSelector: {} });
const pod = (name: string, ips: string[] = []): Pod => testPod(name, 'one', { app: name }, { ips });

/** An informer whose first list has not come before {@link sync}. */
class LateInformer<T extends Pod> extends MemoryInformer<T> {
  readonly #first = Promise.withResolvers<void>();
  sync = this.#first.resolve;
  override untilSynced = (): Promise<void> => this.#first.promise;
}

describe('the network policies of a node', () => {
  let clock: FakeClock;
  let table: FakeTable;
  let policies: MemoryInformer<NetworkPolicy>;
  let pods: MemoryInformer<Pod>;
  let events: string[];
  let leftOutCount: () => number;
  /** What the API server lists, where it differs from what the informer knows. */
  let listed: () => Promise<NetworkPolicy[]>;
  let stop: AbortController;
  let running: Promise<void>;

  beforeEach(() => {
    clock = new FakeClock();
    table = new FakeTable();
    policies = new MemoryInformer<NetworkPolicy>();
    pods = new MemoryInformer<Pod>();
    events = [];
    listed = async () => policies.cache.list();
    stop = new AbortController();
    running = Promise.resolve();
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });

  function start(): NetworkPolicies {
    const recorder = {
      event: (_object: unknown, _type: string, reason: string, message: string) => void events.push(`${reason}: ${message}`),
    };
    const log = pino({ level: 'silent' });
    const leftOut = createLeftOutReporter({ events: recorder, log });
    leftOutCount = () => leftOut.counts().reduce((sum, { count }) => sum + count, 0);
    const part = createNetworkPolicies(
      {
        policies,
        namespaces: new MemoryInformer<Namespace>([testNamespace('one')]),
        pods,
        client: { list: async () => ({ items: await listed() }) as KubeList<NetworkPolicy> },
        table,
        clock,
        log,
        events: recorder,
        leftOut,
      },
      'node',
    );
    running = part.run(stop.signal);
    return part;
  }

  /** Whether the pod's containers may start by now; the reason when they may not. */
  function admitting(part: NetworkPolicies, one: Pod, ips: string[]): { state(): string } {
    let state = 'waits';
    part.admit(one, ips, stop.signal).then(
      () => (state = 'admitted'),
      (error: unknown) => (state = (error as Error).message),
    );
    return { state: () => state };
  }

  const isolated = (): string[] => [...(table.sets.get('ingress-4')?.keys() ?? [])];

  it('lets containers start when the rules for the addresses of their sandbox are in the kernel, long before the API knows them', async () => {
    policies.put(denyAll);
    pods.put(pod('a'));
    const part = start();
    await clock.advance(0);
    const admitted = admitting(part, pod('a'), ['10.0.0.7']);
    assert.equal(admitted.state(), 'waits');
    await clock.advance(0);
    assert.equal(admitted.state(), 'admitted');
    assert.deepEqual(isolated(), ['10.0.0.7']);
  });

  it('isolates a pod that starts again with a new address, and its old address no more', async () => {
    policies.put(denyAll);
    pods.put(pod('a', ['10.0.0.7']));
    const part = start();
    await clock.advance(0);
    assert.deepEqual(isolated(), ['10.0.0.7']);
    const admitted = admitting(part, pod('a'), ['10.0.0.8']);
    await clock.advance(0);
    assert.equal(admitted.state(), 'admitted');
    // The status of the old sandbox comes late.
    pods.put({ ...pod('a', ['10.0.0.7']), metadata: { ...pod('a').metadata, labels: { changed: 'yes' } } });
    await clock.advance(0);
    assert.deepEqual(isolated(), ['10.0.0.8']);
    pods.remove(pod('a'));
    await clock.advance(0);
    assert.deepEqual(isolated(), []);
  });

  it('keeps the containers of a pod that a policy selects from starting while the kernel refuses, and says why', async () => {
    policies.put(denyAll);
    const part = start();
    await clock.advance(0);
    table.failure = new Error('nft: not found');
    const selected = admitting(part, pod('a'), ['10.0.0.7']);
    const other = admitting(part, testPod('b', 'two', {}, { ips: [] }), ['10.0.0.9']);
    await clock.advance(admitLimitMs - 1);
    assert.equal(selected.state(), 'waits');
    assert.equal(other.state(), 'admitted');
    await clock.advance(1);
    assert.match(selected.state(), /not in the kernel: nft: not found/);
    assert.deepEqual(events, ['NetworkPolicyNotReady: network policies are not in the kernel: nft: not found']);
    table.failure = undefined;
    const again = admitting(part, pod('a'), ['10.0.0.7']);
    await clock.advance(2_000);
    assert.equal(again.state(), 'admitted');
    assert.deepEqual(isolated(), ['10.0.0.7']);
  });

  it('lets nothing start before policies have been read', async () => {
    const late = new LateInformer<Pod>();
    pods = late;
    const part = start();
    const admitted = admitting(part, pod('a'), ['10.0.0.7']);
    await clock.advance(admitLimitMs);
    assert.match(admitted.state(), /have not been read from the API server/);
    const again = admitting(part, pod('a'), ['10.0.0.7']);
    late.sync();
    await clock.advance(0);
    assert.equal(again.state(), 'admitted');
  });

  it('waits for a policy that the API server has and the informer not yet', async () => {
    const part = start();
    await clock.advance(0);
    listed = async () => [{ ...denyAll, metadata: { ...denyAll.metadata, resourceVersion: '1' } }];
    const admitted = admitting(part, pod('a'), ['10.0.0.7']);
    await clock.advance(1_000);
    assert.equal(admitted.state(), 'waits');
    policies.put(denyAll);
    await clock.advance(0);
    assert.equal(admitted.state(), 'admitted');
    assert.deepEqual(isolated(), ['10.0.0.7']);
  });

  it('goes on with the policies that it knows when the API server does not answer', async () => {
    policies.put(denyAll);
    const part = start();
    await clock.advance(0);
    listed = () => new Promise(() => undefined);
    const admitted = admitting(part, pod('a'), ['10.0.0.7']);
    await clock.advance(3_000);
    assert.equal(admitted.state(), 'admitted');
    assert.deepEqual(isolated(), ['10.0.0.7']);
  });

  it('lets pods on the network of their node start at once', async () => {
    const part = start();
    await part.admit(testPod('h', 'one', {}, { ips: [], hostNetwork: true }), ['192.168.0.1'], stop.signal);
  });

  it('writes a table that others have flushed anew, within seconds', async () => {
    policies.put(denyAll);
    pods.put(pod('a', ['10.0.0.7']));
    start();
    await clock.advance(0);
    table.flush();
    await clock.advance(10_000);
    assert.deepEqual(isolated(), ['10.0.0.7']);
  });

  it('does so also while pods elsewhere change all the time', async () => {
    policies.put(denyAll);
    pods.put(pod('a', ['10.0.0.7']));
    start();
    await clock.advance(0);
    table.flush();
    for (let second = 1; second <= 10; second++) {
      pods.put(testPod(`b${second}`, 'two', {}, { ips: [`10.0.1.${second}`], nodeName: 'other' }));
      await clock.advance(1_000);
    }
    pods.put(testPod('b', 'two', {}, { ips: ['10.0.1.99'], nodeName: 'other' }));
    await clock.advance(0);
    assert.deepEqual(isolated(), ['10.0.0.7']);
  });

  it('writes the whole table anew when a change is refused: others may have taken elements away', async () => {
    policies.put(denyAll);
    pods.put(pod('a', ['10.0.0.7']));
    start();
    await clock.advance(0);
    table.sets.get('ingress-4')?.delete('10.0.0.7');
    pods.remove(pod('a'));
    pods.put(pod('b', ['10.0.0.8']));
    await clock.advance(1_000);
    assert.deepEqual(isolated(), ['10.0.0.8']);
  });

  it('touches the kernel for no heartbeat', async () => {
    pods.put(pod('a', ['10.0.0.7']));
    start();
    await clock.advance(0);
    const before = table.scripts.length;
    pods.put({ ...pod('a', ['10.0.0.7']), status: { ...pod('a', ['10.0.0.7']).status, message: 'x' } } as Pod);
    await clock.advance(5_000);
    assert.equal(table.scripts.length, before);
  });

  it('leaves out what it cannot read, tells so, and enforces all else', async () => {
    policies.put({ ...testPolicy('bad', 'one', null as never) });
    policies.put(testPolicy('worse', 'one', { podSelector: { matchExpressions: 5 as never } }));
    policies.put(testPolicy('half', 'one', { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: 'x' } }] }] }));
    pods.put({ ...pod('broken'), spec: null as never });
    pods.put(pod('a', ['10.0.0.7']));
    start();
    await clock.advance(0);
    assert.deepEqual(isolated(), ['10.0.0.7']);
    assert.equal(leftOutCount(), 3);
    policies.remove(testPolicy('worse', 'one', {}));
    await clock.advance(0);
    assert.equal(leftOutCount(), 2);
  });
});
