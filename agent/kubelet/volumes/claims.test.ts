import assert from 'node:assert/strict';
import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { execFile } from '#agent/host/exec.ts';
import { createMounts } from '#agent/host/mount.ts';
import { notFound } from '#api/status.ts';
import { claimOf, volumeOf } from '#api/storage/objects.testing.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '#api/types.generated.ts';
import { aContainer, aPod } from '../pods.testing.ts';
import type { ClaimSources } from './claims.ts';
import { facts, noMounts, volumesIn } from './volumes.testing.ts';
import { VolumeError, type Volumes } from './volumes.ts';

const real = createMounts(execFile);
const ref = { namespace: 'ns', name: 'c', uid: 'uid-of-c' };
const bound = (rest: object = {}): PersistentVolumeClaim => claimOf('c', { volumeName: 'pv' }, { phase: 'Bound', ...rest });
const inZone = (zone: string) => ({
  required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values: [zone] }] }] },
});

/** What the API server has: one claim and one volume. */
const sources = (claim: PersistentVolumeClaim | undefined, volume: PersistentVolume | undefined): ClaimSources => ({
  async claim(namespace, name) {
    if (claim === undefined || claim.metadata.name !== name || namespace !== 'ns')
      throw notFound({ group: '', name: 'persistentvolumeclaims' }, name);
    return claim;
  },
  async volume(name) {
    if (volume === undefined) throw notFound({ group: '', name: 'persistentvolumes' }, name);
    return volume;
  },
  nodeLabels: () => ({ zone: 'a' }),
});

function podWith(volume: Omit<Volume, 'name'>, rest: { uid?: string; name?: string; fsGroup?: number } = {}): Pod {
  const pod = aPod({
    volumes: [{ name: 'v', ...volume }],
    containers: [aContainer('c', { volumeMounts: [{ name: 'v', mountPath: '/data' }] })],
    ...(rest.fsGroup === undefined ? {} : { securityContext: { fsGroup: rest.fsGroup } }),
  });
  pod.metadata.namespace = 'ns';
  if (rest.uid !== undefined) pod.metadata.uid = rest.uid;
  if (rest.name !== undefined) pod.metadata.name = rest.name;
  return pod;
}
const claimed = { persistentVolumeClaim: { claimName: 'c' } };
const ephemeral = { ephemeral: { volumeClaimTemplate: { spec: {} } } };

async function failuresOf(volumes: Volumes, pod: Pod): Promise<readonly string[]> {
  try {
    await volumes.setUp(pod, facts);
  } catch (error) {
    if (error instanceof VolumeError) return error.failures;
    throw error;
  }
  return [];
}

describe('a claim of a pod', () => {
  const unprocessed = (why: string): string =>
    `Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to process volumes=[v]: ${why}`;
  const processing = (why: string): string => unprocessed(`error processing PVC ns/c: ${why}`);
  const dying = { deletionTimestamp: '2026-01-01T00:00:00Z' };
  const ready = volumeOf('pv', { claimRef: ref, hostPath: { path: '/x' } });
  const owned = (uid: string): PersistentVolumeClaim => {
    const ownerReferences = [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid, controller: true }];
    const claim = claimOf('p-v', { volumeName: 'pv' }, { phase: 'Bound', uid: 'uid-of-c' });
    return { ...claim, metadata: { ...claim.metadata, ownerReferences } };
  };
  const cases: [
    what: string,
    failure: string | undefined,
    claim: PersistentVolumeClaim | undefined,
    volume?: PersistentVolume,
    of?: Omit<Volume, 'name'>,
  ][] = [
    ['that is missing', processing('failed to fetch PVC from API server: persistentvolumeclaims "c" not found'), undefined],
    ['that is not bound', processing('PVC is not bound'), claimOf('c')],
    ['that is being deleted, and that nothing protects', processing('PVC is being deleted'), bound(dying)],
    ['that is being deleted, and protected', undefined, bound({ ...dying, finalizers: ['kubernetes.io/pvc-protection'] }), ready],
    ['that names no volume', processing('PVC has empty pvc.Spec.VolumeName'), claimOf('c', {}, { phase: 'Bound' })],
    [
      'that names a missing volume',
      processing('failed to fetch PV pv from API server: persistentvolumes "pv" not found'),
      bound(),
    ],
    [
      'whose volume names none',
      processing('found PV object pv but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim'),
      bound(),
      volumeOf('pv'),
    ],
    [
      'whose volume names another',
      processing('found PV object pv but its pv.Spec.ClaimRef.UID other does not point to claim.UID uid-of-c'),
      bound(),
      volumeOf('pv', { claimRef: { ...ref, uid: 'other' } }),
    ],
    [
      'of a device that is mounted',
      unprocessed('volume v has volumeMode Block, but is specified in volumeMounts'),
      bound(),
      volumeOf('pv', { claimRef: ref, volumeMode: 'Block' }),
    ],
    [
      'whose volume is of other nodes',
      'MountVolume.NodeAffinity check failed for volume "pv" : no matching NodeSelectorTerms',
      bound(),
      volumeOf('pv', { claimRef: ref, nodeAffinity: inZone('b') }),
    ],
    ['whose volume is of this node', undefined, bound(), volumeOf('pv', { claimRef: ref, nodeAffinity: inZone('a') })],
    [
      'whose volume no plugin knows',
      'MountVolume.SetUp failed for volume "pv" : no volume plugin matched',
      bound(),
      volumeOf('pv', { claimRef: ref, hostPath: undefined, nfs: { server: 's', path: '/' } }),
    ],
    [
      "of an ephemeral volume that is somebody else's",
      unprocessed('PVC ns/p-v was not created for pod ns/p (pod is not owner)'),
      owned('other'),
      ready,
      ephemeral,
    ],
    ['of an ephemeral volume', undefined, owned('uid-p'), ready, ephemeral],
  ];
  for (const [what, failure, claim, volume, of = claimed] of cases)
    it(what, async () => {
      const pod = podWith(of, { uid: 'uid-p', name: 'p' });
      const volumes = volumesIn('/nowhere', noMounts, undefined, sources(claim, volume));
      assert.deepEqual(await failuresOf(volumes, pod), failure === undefined ? [] : [failure]);
    });

  it('is asked for once, and its volume may be read only if the pod says so', async () => {
    let asked = 0;
    const counting = { ...sources(bound(), ready), claim: async () => (asked++, bound()) };
    const volumes = volumesIn('/nowhere', noMounts, undefined, counting);
    const pod = podWith({ persistentVolumeClaim: { claimName: 'c', readOnly: true } });
    for (let time = 0; time < 3; time++) {
      const mounted = (await volumes.setUp(pod, facts)).get('v');
      assert.deepEqual(mounted, { hostPath: '/x', readOnly: true, isNodePath: true });
    }
    assert.equal(asked, 1);
  });
});

describe('a local volume', () => {
  let folder: string;
  let data: string;
  let volumes: Volumes;
  const fresh = (): Volumes =>
    volumesIn(
      folder,
      real,
      undefined,
      sources(bound(), volumeOf('pv', { claimRef: ref, hostPath: undefined, local: { path: data } })),
    );
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'local-volumes-'));
    data = join(folder, 'disk');
    await mkdir(join(data, 'sub'), { recursive: true });
    await writeFile(join(data, 'precious'), 'x');
    await chmod(data, 0o755);
    volumes = fresh();
  });
  afterEach(async () => {
    await real.unmountBelow(folder);
    await rm(folder, { recursive: true });
  });
  const pathOf = async (pod: Pod): Promise<string> => (await volumes.setUp(pod, facts)).get('v')?.hostPath ?? assert.fail();

  it('shows the folder under the name of the volume, and leaves everything when the pod goes', async () => {
    const pod = podWith(claimed);
    const path = await pathOf(pod);
    assert.equal(path, join(folder, 'data/pods', pod.metadata.uid, 'volumes/kubernetes.io~local-volume/pv'));
    await writeFile(join(path, 'written'), 'y');
    // As a kubelet does that has started again, and that the API server does not answer.
    volumes = volumesIn(folder, real);
    await volumes.tearDown(pod.metadata.uid);
    assert.deepEqual(await real.below(folder), []);
    assert.deepEqual(await Promise.all(['precious', 'written'].map((name) => readFile(join(data, name), 'utf8'))), ['x', 'y']);
    await assert.rejects(stat(path), { code: 'ENOENT' });
  });

  it('of a pod that nobody knows any more goes as well, and its data stays', async () => {
    const pod = podWith(claimed);
    await pathOf(pod);
    await volumesIn(folder, real).tearDownOrphan(pod.metadata.uid);
    assert.deepEqual([await real.below(folder), await readFile(join(data, 'precious'), 'utf8')], [[], 'x']);
  });

  it('is given to the group of the first pod, not of the second, and of none that only reads', async () => {
    const [first, second, reader] = [
      podWith(claimed, { uid: 'one', fsGroup: 1234 }),
      podWith(claimed, { uid: 'two', fsGroup: 5678 }),
      podWith({ persistentVolumeClaim: { claimName: 'c', readOnly: true } }, { uid: 'three', fsGroup: 42 }),
    ];
    const owner = async (): Promise<[number, number]> => {
      const { gid, mode } = await stat(data);
      return [gid, mode & 0o7777];
    };
    await pathOf(reader);
    await volumes.tearDown('three');
    assert.deepEqual(await owner(), [0, 0o755]);
    await pathOf(first);
    assert.deepEqual(await owner(), [1234, 0o2775]);
    assert.equal((await stat(join(data, 'precious'))).gid, 1234);
    await pathOf(second);
    assert.deepEqual(await owner(), [1234, 0o2775]);
    await volumes.tearDown('one');
    await volumes.tearDown('two');
    await chown(data, 0, 0);
    volumes = fresh();
    await pathOf(second);
    assert.deepEqual(await owner(), [5678, 0o2775]);
  });

  it('that is no folder of this node is refused', async () => {
    const failed = 'MountVolume.NewMounter initialization failed for volume "pv" : ';
    await rm(data, { recursive: true });
    assert.deepEqual(await failuresOf(volumes, podWith(claimed)), [`${failed}path ${JSON.stringify(data)} does not exist`]);
    await writeFile(data, '');
    assert.deepEqual(await failuresOf(volumes, podWith(claimed)), [`${failed}only directory and block device are supported`]);
  });
});
