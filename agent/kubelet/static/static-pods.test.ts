import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import type { Pod } from '#api/types.generated.ts';
import { aContainer, aPod } from '../pods.testing.ts';
import { asStaticPod, isMirrorPod, isStaticPod, mirrorOf, mirrors } from './static-pod.ts';
import { StaticPods } from './static-pods.ts';

const manifest = (name: string, image = 'busybox:1', more: Partial<Pod['metadata']> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, ...more } as Pod['metadata'],
  spec: { containers: [aContainer('c', { image })] },
});
const onNode = (pod: Pod, nodeName = 'Node-1', location = '/m/a.yaml'): Pod =>
  asStaticPod(pod, { source: 'file', location, nodeName });

describe('a static pod', () => {
  it('has the name of its node, a hash as UID, and the marks of its source', () => {
    const { metadata, spec, status } = onNode(manifest('web'));
    assert.equal(metadata.name, 'web-node-1');
    assert.equal(metadata.namespace, 'default');
    assert.match(metadata.uid, /^[0-9a-f]{32}$/);
    assert.deepEqual(metadata.annotations, {
      'kubernetes.io/config.hash': metadata.uid,
      'kubernetes.io/config.source': 'file',
    });
    assert.equal(spec.nodeName, 'Node-1');
    assert.deepEqual(spec.tolerations, [{ operator: 'Exists', effect: 'NoExecute' }]);
    assert.deepEqual(status, { phase: 'Pending' });
  });

  it('has another hash where manifest, node or file differ, and the same one for the same fields in another order', () => {
    const hashes = [
      onNode(manifest('web')),
      onNode(manifest('web', 'busybox:2')),
      onNode(manifest('web'), 'node-2'),
      onNode(manifest('web'), 'Node-1', '/m/b.yaml'),
    ].map(({ metadata }) => metadata.uid);
    assert.equal(new Set(hashes).size, 4);
    const { metadata, spec } = manifest('web');
    const reordered = { spec, metadata, kind: 'Pod', apiVersion: 'v1' } as Pod;
    assert.equal(onNode(reordered).metadata.uid, hashes[0]);
  });

  it('keeps a UID and tolerations that its manifest names', () => {
    const given = manifest('web', 'b', { uid: 'own' });
    given.spec.tolerations = [{ operator: 'Exists', effect: 'NoExecute' }];
    const pod = onNode(given);
    assert.equal(pod.metadata.uid, 'own');
    assert.equal(pod.spec.tolerations?.length, 1);
  });

  it('is none because an object of the API says so', () => {
    const pod = onNode(manifest('web'));
    assert.equal(isStaticPod(pod), true);
    assert.equal(isStaticPod({ ...pod, metadata: { ...pod.metadata, resourceVersion: '7' } }), false);
    assert.equal(isStaticPod(onNode(manifest('web', 'b', { resourceVersion: '7' }))), true, 'a manifest cannot say otherwise');
  });

  it('is shown by a mirror pod that its Node owns', () => {
    const pod = onNode(manifest('web'));
    const mirror = mirrorOf(pod, 'node-uid') as Pod;
    assert.equal(isMirrorPod(mirror), true);
    assert.equal(mirror.metadata.uid, undefined);
    assert.equal(mirrors(mirror, pod), true);
    assert.equal(mirrors(mirror, onNode(manifest('web', 'busybox:2'))), false);
    const deleted = { ...mirror, metadata: { ...mirror.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
    assert.equal(mirrors(deleted, pod), false);
    assert.deepEqual(mirror.metadata.ownerReferences, [
      { apiVersion: 'v1', kind: 'Node', name: 'Node-1', uid: 'node-uid', controller: true },
    ]);
  });
});

describe('the static pods of a node', () => {
  function setUp(): { statics: StaticPods; told: string[] } {
    const told: string[] = [];
    const short = (uid: string): string => uid.slice(0, 6);
    const statics = new StaticPods({
      sink: {
        changed: ({ metadata }) => void told.push(`start ${metadata.name} ${short(metadata.uid)}`),
        gone: (uid) => void told.push(`end ${short(uid)}`),
      },
      changed: () => undefined,
      now: () => 0,
      log: pino({ level: 'silent' }),
    });
    return { statics, told };
  }
  const short = ({ metadata }: Pod): string => metadata.uid.slice(0, 6);
  const [one, two] = [onNode(manifest('web')), onNode(manifest('web', 'busybox:2'))];

  it('start once, and start anew only when the pod of the same name has ended', () => {
    const { statics, told } = setUp();
    statics.found('file', [one]);
    statics.found('file', [one]);
    statics.found('file', [two]);
    assert.deepEqual(told, [`start web-node-1 ${short(one)}`, `end ${short(one)}`]);
    assert.deepEqual(statics.list(), []);
    statics.ended(one.metadata.uid);
    assert.equal(told.at(-1), `start web-node-1 ${short(two)}`);
  });

  it('start again with the same manifest when it comes back before the pod has ended', () => {
    const { statics, told } = setUp();
    statics.found('file', [one]);
    statics.found('file', []);
    statics.found('file', [one]);
    assert.equal(told.length, 2);
    statics.ended(one.metadata.uid);
    assert.equal(told.at(-1), `start web-node-1 ${short(one)}`);
  });

  it('are not started where their manifest is gone when the pod before has ended', () => {
    const { statics, told } = setUp();
    statics.found('file', [one]);
    statics.found('file', [two]);
    statics.found('file', []);
    statics.ended(one.metadata.uid);
    assert.equal(told.length, 2);
    assert.equal(statics.get('default/web-node-1'), undefined);
  });

  it('take the first of two manifests of one name, and none whose UID could leave its folder', () => {
    const { statics } = setUp();
    statics.found('file', [one, two, onNode(manifest('evil', 'b', { uid: '../../etc' }))]);
    assert.deepEqual(statics.list().map(short), [short(one)]);
  });

  it('of another source stay when one source has none', () => {
    const { statics } = setUp();
    const other = aPod({}, { metadata: { name: 'other', uid: 'other' } });
    statics.found('http', [other]);
    statics.found('file', [one]);
    statics.found('file', []);
    assert.deepEqual(
      statics.list().map(({ metadata }) => metadata.name),
      ['other'],
    );
  });

  it('say when they were first seen', () => {
    const { statics } = setUp();
    statics.found('file', [one]);
    assert.equal(statics.list()[0]?.metadata.annotations?.['kubernetes.io/config.seen'], '1970-01-01T00:00:00.000Z');
  });
});
