import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { keyOf } from '#api/meta.ts';
import { alreadyExists, conflict, notFound } from '#api/status.ts';
import type { Node, Pod } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { FakeClock } from '#client/clock.ts';
import { aContainer, aPod } from '../pods.testing.ts';
import { MirrorPods } from './mirror-pods.ts';
import { asStaticPod } from './static-pod.ts';

const pod = (image = 'busybox:1'): Pod =>
  asStaticPod(
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'web', namespace: 'shop' } as Pod['metadata'],
      spec: { containers: [aContainer('c', { image })] },
    },
    { source: 'file', location: '/m/a', nodeName: 'n1' },
  );

/** An API server with pods, and its watch, which tells when it is asked to. */
function setUp() {
  const stored = new Map<string, Pod>();
  const requests: string[] = [];
  const mirrored: string[] = [];
  const others: string[] = [];
  const events: (() => void)[] = [];
  let version = 0;
  let failures = 0;
  let conflicts = 0;
  let node: Node | undefined = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1', uid: 'node' } } as Node;
  const running = new Map<string, { pod: Pod; isEnding: boolean }>();
  const pods = {
    async create(object: Pod): Promise<Pod> {
      requests.push(`create ${keyOf(object)}`);
      if (failures-- > 0) throw new Error('unreachable');
      if (stored.has(keyOf(object))) throw alreadyExists({ group: '', name: 'pods' } as never, object.metadata.name);
      const uid = `api-${++version}`;
      const made = { ...object, metadata: { ...object.metadata, uid, resourceVersion: String(version) } };
      stored.set(keyOf(made), made);
      events.push(() => mirrorPods.added(made));
      return made;
    },
    async delete(
      { name, namespace }: { name: string; namespace: string },
      { preconditions: { uid } }: { preconditions: { uid: string } },
    ) {
      requests.push(`delete ${uid}`);
      if (conflicts-- > 0) throw conflict({ group: '', name: 'pods' } as never, name, 'x');
      const found = stored.get(`${namespace}/${name}`);
      if (found?.metadata.uid !== uid) throw notFound({ group: '', name: 'pods' } as never, name);
      stored.delete(`${namespace}/${name}`);
      const last = { ...found, metadata: { ...found.metadata, resourceVersion: String(++version) } };
      events.push(() => mirrorPods.deleted(last));
    },
  };
  const clock = new FakeClock();
  const told =
    (what: string) =>
    (one: Pod): void =>
      void others.push(`${what} ${one.metadata.name}`);
  const mirrorPods: MirrorPods = new MirrorPods(
    {
      client: { resource: () => pods } as unknown as Client,
      statuses: { mirrored: (uid, mirror) => void mirrored.push(`${uid.slice(0, 4)} ${mirror?.metadata.uid ?? 'none'}`) },
      statics: {
        get: (key) => running.get(key),
        list: () => [...running.values()].filter((one) => !one.isEnding).map((one) => one.pod),
      },
      node: () => node,
      clock,
      log: pino({ level: 'silent' }),
    },
    { added: told('added'), updated: told('updated'), deleted: told('deleted') },
  );
  const settle = async (ms = 0): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(ms);
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  const watch = async (): Promise<void> => {
    for (const event of events.splice(0)) event();
    await settle();
  };
  /** Somebody deletes the mirror pod, and the API keeps it for its grace period. */
  const deleteGracefully = async (): Promise<void> => {
    const [mirror] = stored.values();
    assert.ok(mirror);
    const marks = { resourceVersion: '9', deletionTimestamp: '2026-01-01T00:00:00Z' };
    mirrorPods.updated({ ...mirror, metadata: { ...mirror.metadata, ...marks } }, mirror);
    await settle();
  };
  const run = (one: Pod, isEnding = false): void => void running.set(keyOf(one), { pod: one, isEnding });
  return {
    mirrorPods,
    stored,
    requests,
    mirrored,
    others,
    running,
    settle,
    watch,
    run,
    deleteGracefully,
    refuse: (count: number) => void (conflicts = count),
    fail: (count: number) => void (failures = count),
    setNode: (value: Node | undefined) => void (node = value),
  };
}

describe('mirror pods', () => {
  it('are made when the list is complete, once, and the statuses are told', async () => {
    const { mirrorPods, requests, mirrored, settle, watch, run } = setUp();
    run(pod());
    mirrorPods.reconcile();
    await settle();
    assert.deepEqual(requests, []);
    mirrorPods.complete();
    await settle();
    await watch();
    mirrorPods.reconcile();
    await settle();
    assert.deepEqual(requests, ['create shop/web-n1']);
    assert.ok(mirrored.includes(`${pod().metadata.uid.slice(0, 4)} api-1`));
  });

  it('wait for the Node that owns them', async () => {
    const { mirrorPods, requests, settle, run, setNode } = setUp();
    setNode(undefined);
    run(pod());
    mirrorPods.complete();
    await settle();
    assert.deepEqual(requests, []);
    setNode({ metadata: { name: 'n1', uid: 'node' } } as Node);
    mirrorPods.reconcile();
    await settle();
    assert.deepEqual(requests, ['create shop/web-n1']);
  });

  it('are made anew when somebody deletes them, also gracefully', async () => {
    const { mirrorPods, requests, settle, watch, run, deleteGracefully } = setUp();
    run(pod());
    mirrorPods.complete();
    await settle();
    await watch();
    await deleteGracefully();
    await watch();
    assert.deepEqual(requests, ['create shop/web-n1', 'delete api-1', 'create shop/web-n1']);
  });

  it('are made anew also where the first try to delete them meets a conflict', async () => {
    const { mirrorPods, requests, settle, watch, run, refuse, deleteGracefully } = setUp();
    run(pod());
    mirrorPods.complete();
    await settle();
    await watch();
    refuse(1);
    await deleteGracefully();
    await settle(2_000);
    await watch();
    assert.deepEqual(requests, ['create shop/web-n1', 'delete api-1', 'delete api-1', 'create shop/web-n1']);
  });

  it('of another manifest are replaced; while the static pod ends, they stay', async () => {
    const { mirrorPods, requests, settle, watch, run } = setUp();
    run(pod());
    mirrorPods.complete();
    await settle();
    await watch();
    run(pod(), true);
    mirrorPods.reconcile();
    await settle();
    assert.equal(requests.length, 1);
    run(pod('busybox:2'));
    mirrorPods.reconcile();
    await settle();
    await watch();
    assert.deepEqual(requests.slice(1), ['delete api-1', 'create shop/web-n1']);
  });

  it('go when their static pod has ended, and so do those that an earlier kubelet has left', async () => {
    const { mirrorPods, requests, stored, running, settle, watch, run } = setUp();
    run(pod());
    mirrorPods.complete();
    await settle();
    await watch();
    running.clear();
    mirrorPods.reconcile();
    await settle();
    await watch();
    assert.deepEqual(requests.slice(1), ['delete api-1']);
    assert.equal(stored.size, 0);
  });

  it('are tried again when the API server does not answer', async () => {
    const { mirrorPods, requests, settle, run, fail } = setUp();
    fail(2);
    run(pod());
    mirrorPods.complete();
    await settle();
    await settle(2_000);
    await settle(2_000);
    await settle(60_000);
    assert.equal(requests.length, 3);
    await mirrorPods.stop();
  });

  it('are no pods for the kubelet to run; all others are', () => {
    const { mirrorPods, others } = setUp();
    const mirror = aPod({}, { metadata: { name: 'm', annotations: { 'kubernetes.io/config.mirror': 'x' } } });
    const plain = aPod({}, { metadata: { name: 'plain', annotations: { 'kubernetes.io/config.source': 'file' } } });
    for (const one of [mirror, plain]) {
      mirrorPods.added(one);
      mirrorPods.updated(one, one);
      mirrorPods.deleted(one);
    }
    assert.deepEqual(others, ['added plain', 'updated plain', 'deleted plain']);
  });
});
