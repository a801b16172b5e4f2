import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { bindCompletedAnnotation, boundByControllerAnnotation, selectedNodeAnnotation } from '#api/storage/binding.ts';
import { volumeOf } from '#api/storage/objects.testing.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import { createLeftOutReporter } from '#client/left-out.ts';
import { FakeCluster } from '../cluster.testing.ts';
import { parseConfiguration } from '../config/configuration.ts';
import { createProfile } from '../config/profile.ts';
import { node, pod } from '../objects.testing.ts';
import { createScheduler } from '../scheduler.ts';
import { lazyClass, onlyOn, openClaim, putStorage, using } from './storage.testing.ts';

interface World {
  cluster: FakeCluster;
  clock: FakeClock;
  volume(name: string): PersistentVolume | undefined;
  claim(name: string): PersistentVolumeClaim;
  /** What the volume controller does when the claim has its volume. */
  bindClaim(name: string, volume: string): void;
  nodeOf(name: string): string | undefined;
}

async function withScheduler(script: (world: World) => Promise<void>, bindTimeoutSeconds = 600): Promise<void> {
  const cluster = new FakeCluster();
  const clock = new FakeClock();
  const log = pino({ level: 'silent' });
  const { profiles } = parseConfiguration(
    JSON.stringify({
      apiVersion: 'kubescheduler.config.k8s.io/v1',
      kind: 'KubeSchedulerConfiguration',
      profiles: [{ pluginConfig: [{ name: 'VolumeBinding', args: { bindTimeoutSeconds } }] }],
    }),
  );
  const scheduler = createScheduler(
    {
      client: cluster.client,
      informers: cluster.informers,
      clock,
      random: () => 0,
      log,
      events: cluster.recorder,
      leftOut: createLeftOutReporter({ events: cluster.recorder, log }),
    },
    { profiles: profiles.map(createProfile) },
  );
  const abort = new AbortController();
  const running = scheduler.run(abort.signal);
  const claim = (name: string) =>
    cluster.informers.informer('persistentvolumeclaims').cache.get(`default/${name}`) as PersistentVolumeClaim;
  try {
    await script({
      cluster,
      clock,
      claim,
      volume: (name) => cluster.informers.informer('persistentvolumes').cache.get(name),
      bindClaim(name, volumeName) {
        const { metadata, spec, ...rest } = claim(name);
        const annotations = { ...metadata.annotations, [bindCompletedAnnotation]: 'yes' };
        putStorage(cluster, {
          ...rest,
          metadata: { ...metadata, annotations, resourceVersion: String(Number(metadata.resourceVersion) + 1) },
          spec: { ...spec, volumeName },
        } as PersistentVolumeClaim);
      },
      nodeOf: (name) => cluster.pod(name)?.spec.nodeName,
    });
  } finally {
    abort.abort();
    await running;
  }
}

const lazy = { storageClassName: 'lazy' };
const [a, b] = [node('a', { labels: { zone: 'x' } }), node('b', { labels: { zone: 'y' } })];

describe('volumes of a pod', () => {
  it('are bound for its node before the pod is', () =>
    withScheduler(async ({ cluster, clock, volume, bindClaim, nodeOf }) => {
      cluster.put('nodes', a, b);
      putStorage(
        cluster,
        lazyClass('lazy', { provisioner: 'kubernetes.io/no-provisioner' }),
        openClaim('data', lazy),
        volumeOf('v', { ...lazy, nodeAffinity: onlyOn('zone', 'y') }),
      );
      cluster.put('pods', pod('p', using('data')), pod('q'));
      await clock.advance(0);
      assert.deepEqual(
        [volume('v')?.spec.claimRef?.name, volume('v')?.metadata.annotations, nodeOf('p')],
        ['data', { [boundByControllerAnnotation]: 'yes' }, undefined],
      );
      // Others are placed meanwhile.
      assert.notEqual(nodeOf('q'), undefined);
      bindClaim('data', 'v');
      await clock.advance(0);
      assert.equal(nodeOf('p'), 'b');
    }));

  it('are made for its node by a provisioner', () =>
    withScheduler(async ({ cluster, clock, claim, bindClaim, nodeOf }) => {
      cluster.put('nodes', a, b);
      putStorage(cluster, lazyClass('lazy'), openClaim('data', lazy));
      cluster.put('pods', pod('p', { ...using('data'), nodeSelector: { zone: 'y' } }));
      await clock.advance(0);
      assert.deepEqual([claim('data').metadata.annotations, nodeOf('p')], [{ [selectedNodeAnnotation]: 'b' }, undefined]);
      putStorage(cluster, volumeOf('made', { nodeAffinity: onlyOn('zone', 'y') }));
      bindClaim('data', 'made');
      await clock.advance(0);
      assert.equal(nodeOf('p'), 'b');
    }));

  it('are not given to two claims while the write is on its way', () =>
    withScheduler(async ({ cluster, clock, volume }) => {
      cluster.put('nodes', a);
      putStorage(
        cluster,
        lazyClass('lazy', { provisioner: 'kubernetes.io/no-provisioner' }),
        ...['c', 'd'].map((name) => openClaim(name, lazy)),
        ...['v', 'w'].map((name) => volumeOf(name, lazy)),
      );
      cluster.put('pods', pod('p', using('c')), pod('q', using('d')));
      await clock.advance(0);
      assert.deepEqual(
        ['v', 'w'].map((name) => volume(name)?.spec.claimRef?.name),
        ['c', 'd'],
      );
    }));

  it('are given back when the write fails, and the pod is tried again', () =>
    withScheduler(async ({ cluster, clock, volume, bindClaim, nodeOf }) => {
      cluster.put('nodes', a);
      putStorage(cluster, lazyClass('lazy'), openClaim('data', lazy), volumeOf('v', lazy));
      cluster.updateError = () => new Error('the object has been modified');
      cluster.put('pods', pod('p', using('data')));
      await clock.advance(0);
      assert.equal(volume('v')?.spec.claimRef, undefined);
      assert.deepEqual(cluster.events, [
        'Warning FailedScheduling: running PreBind plugin "VolumeBinding": the object has been modified',
      ]);
      cluster.updateError = undefined;
      await clock.advance(1000);
      bindClaim('data', 'v');
      await clock.advance(0);
      assert.equal(nodeOf('p'), 'a');
    }));

  it('let the pod be placed anew when their provisioner gives up', () =>
    withScheduler(async ({ cluster, clock, claim, nodeOf }) => {
      cluster.put('nodes', a);
      putStorage(cluster, lazyClass('lazy'), openClaim('data', lazy));
      cluster.put('pods', pod('p', using('data')));
      await clock.advance(0);
      const { metadata, ...rest } = claim('data');
      putStorage(cluster, { ...rest, metadata: { ...metadata, annotations: {}, resourceVersion: '9' } } as PersistentVolumeClaim);
      await clock.advance(0);
      assert.deepEqual(cluster.events, [
        'Warning FailedScheduling: running PreBind plugin "VolumeBinding": binding volumes: provisioning failed for PVC "data"',
      ]);
      await clock.advance(1000);
      assert.deepEqual([claim('data').metadata.annotations, nodeOf('p')], [{ [selectedNodeAnnotation]: 'a' }, undefined]);
    }));

  it('are waited for so long and no longer', () =>
    withScheduler(async ({ cluster, clock }) => {
      cluster.put('nodes', a);
      putStorage(cluster, lazyClass('lazy'), openClaim('data', lazy));
      cluster.put('pods', pod('p', using('data')));
      await clock.advance(4_900);
      assert.deepEqual(cluster.events, []);
      await clock.advance(200);
      assert.deepEqual(cluster.events, [
        'Warning FailedScheduling: running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded',
      ]);
    }, 5));

  it('are not waited for when the pod is gone', () =>
    withScheduler(async ({ cluster, clock }) => {
      cluster.put('nodes', node('a', { allocatable: { pods: '1' } }));
      putStorage(cluster, lazyClass('lazy'), openClaim('data', lazy));
      cluster.put('pods', pod('p', using('data')));
      await clock.advance(0);
      cluster.remove('pods', 'default/p');
      cluster.put('pods', pod('q'));
      await clock.advance(2_000);
      assert.equal(cluster.pod('q')?.spec.nodeName, 'a');
    }));

  it('that wait by the hundred hold nobody else', () =>
    withScheduler(async ({ cluster, clock, nodeOf }) => {
      cluster.put('nodes', node('a', { allocatable: { pods: '1000', cpu: '1000', memory: '1000Gi' } }));
      putStorage(cluster, lazyClass('lazy'));
      for (let index = 0; index < 300; index++) {
        putStorage(cluster, openClaim(`c${index}`, lazy));
        cluster.put('pods', pod(`p${index}`, using(`c${index}`)));
      }
      cluster.put('pods', pod('q'));
      await clock.advance(1_000);
      assert.equal(nodeOf('q'), 'a');
    }));

  for (const [what, remedy] of [
    ['a volume', (cluster: FakeCluster) => putStorage(cluster, volumeOf('v', lazy))],
    ['the claim', (cluster: FakeCluster) => putStorage(cluster, openClaim('late', lazy), volumeOf('v', lazy))],
    ['the class', (cluster: FakeCluster) => putStorage(cluster, lazyClass('late'), volumeOf('v', { storageClassName: 'late' }))],
  ] as const)
    it(`wake a waiting pod when ${what} comes`, () =>
      withScheduler(async ({ cluster, clock, volume }) => {
        cluster.put('nodes', a);
        putStorage(
          cluster,
          lazyClass('lazy', { provisioner: 'kubernetes.io/no-provisioner' }),
          openClaim('data', lazy),
          openClaim('odd', { storageClassName: 'late' }),
        );
        const claim = { 'a volume': 'data', 'the claim': 'late', 'the class': 'odd' }[what];
        cluster.put('pods', pod('p', using(claim)));
        await clock.advance(0);
        assert.equal(cluster.events.length, 1, cluster.events.join());
        remedy(cluster);
        await clock.advance(2_000);
        assert.equal(volume('v')?.spec.claimRef?.name, claim);
      }));
});
