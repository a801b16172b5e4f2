import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  bindCompletedAnnotation,
  boundByControllerAnnotation,
  inTreeFinalizer,
  migratedToAnnotation,
  preResizeCapacityAnnotation,
  provisionedByAnnotation,
  provisionerAnnotation,
  provisionerFinalizer,
  selectedNodeAnnotation,
} from '#api/storage/binding.ts';
import { claimOf, volumeOf } from '#api/storage/objects.testing.ts';
import { VolumeIndex } from '#api/storage/volume-index.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from '#api/types.generated.ts';
import { type ClaimPlan, planClaim } from './claim-plan.ts';
import { boundClaim, claimWithoutVolume, claimWithVolume } from './claim-status.ts';
import { recyclerPod, recycleStep } from './recycler.ts';
import { migratedClaim, migratedVolume, planVolume, unboundVolume } from './volume-plan.ts';
import { deleterOf } from './volume-plugins.ts';

const classNamed = (name: string, provisioner: string, rest: Partial<StorageClass> = {}): StorageClass => ({
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name, uid: name, resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
  provisioner,
  ...rest,
});
const classes = [
  classNamed('outside', 'example.com/disk'),
  classNamed('late', 'example.com/disk', { volumeBindingMode: 'WaitForFirstConsumer' }),
  classNamed('by-hand', 'kubernetes.io/no-provisioner'),
  classNamed('aws', 'kubernetes.io/aws-ebs'),
  classNamed('host', 'kubernetes.io/host-path'),
  classNamed('nfs', 'kubernetes.io/nfs'),
];
const completed = { annotations: { [bindCompletedAnnotation]: 'yes' } };
const chosen = { annotations: { [boundByControllerAnnotation]: 'yes' } };
const mine = { namespace: 'ns', name: 'c', uid: 'uid-of-c' };
const others = { namespace: 'ns', name: 'd', uid: 'uid-of-d' };

interface Around {
  volumes?: PersistentVolume[];
  pods?: string[];
  byDefault?: StorageClass;
}

function planOf(claim: PersistentVolumeClaim, { volumes = [], pods = [], byDefault }: Around = {}): ClaimPlan {
  const index = new VolumeIndex();
  for (const volume of volumes) index.put(volume);
  return planClaim(claim, {
    volume: (name) => index.get(name),
    find: (one, options) => index.find(one, options),
    storageClass: (name) => classes.find(({ metadata }) => metadata.name === name),
    defaultClass: () => byDefault,
    unscheduledPods: () => pods,
  });
}

/** `bind v`, `pending: FailedBinding …`, and so on. */
function text(plan: ClaimPlan): string {
  if (plan.kind === 'bind') return `bind ${plan.volume.metadata.name}`;
  if (plan.kind === 'assignClass') return `assignClass ${plan.name}`;
  const what = plan.kind === 'provision' ? `provision ${plan.provisioner}` : plan.kind;
  return plan.event === undefined ? what : `${what}: ${plan.event.reason}: ${plan.event.message}`;
}

describe('what becomes of a claim', () => {
  const noVolume = 'pending: FailedBinding: no persistent volumes available for this claim and no storage class is set';
  const waiting = 'pending: WaitForFirstConsumer: waiting for first consumer to be created before binding';
  const lostVolume = 'lost: ClaimLost: Bound claim has lost its PersistentVolume. Data on the volume is lost!';
  const external =
    "ExternalProvisioning: Waiting for a volume to be created either by the external provisioner 'example.com/disk' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.";
  const late = { storageClassName: 'late' };
  const named = { volumeName: 'v' };
  const cases: [what: string, claim: PersistentVolumeClaim, around: Around, expected: string][] = [
    ['gets a volume', claimOf('c'), { volumes: [volumeOf('v')] }, 'bind v'],
    ['waits where there is none', claimOf('c'), {}, noVolume],
    ['gets the smallest', claimOf('c'), { volumes: [volumeOf('v', { size: '2Gi' }), volumeOf('w')] }, 'bind w'],
    [
      'gets what is reserved for it, though it is larger',
      claimOf('c'),
      { volumes: [volumeOf('w'), volumeOf('v', { size: '9Gi', claimRef: { namespace: 'ns', name: 'c' } })] },
      'bind v',
    ],
    [
      'is bound on after a crash between volume and claim',
      claimOf('c'),
      { volumes: [volumeOf('v', { claimRef: mine }, chosen), volumeOf('w')] },
      'bind v',
    ],
    [
      'gets nothing that is reserved for an older one of its name',
      claimOf('c'),
      { volumes: [volumeOf('v', { claimRef: { ...mine, uid: 'older' } })] },
      noVolume,
    ],
    [
      'of no class gets the default one, when that comes later',
      claimOf('c'),
      { byDefault: classes[0] as StorageClass },
      'assignClass outside',
    ],
    [
      'of no class gets a volume before it gets a class',
      claimOf('c'),
      { volumes: [volumeOf('v')], byDefault: classes[0] as StorageClass },
      'bind v',
    ],
    [
      'of the empty class gets no default one',
      claimOf('c', { storageClassName: '' }),
      { byDefault: classes[0] as StorageClass },
      noVolume,
    ],
    ['waits for a pod', claimOf('c', late), { volumes: [volumeOf('v', late)] }, waiting],
    ['waits for its pod', claimOf('c', late), { pods: ['p'] }, 'pending: WaitForPodScheduled: waiting for pod p to be scheduled'],
    [
      'waits for its pods',
      claimOf('c', late),
      { pods: ['p', 'q'] },
      'pending: WaitForPodScheduled: waiting for pods p,q to be scheduled',
    ],
    [
      'does not wait for a pod if a volume is reserved for it',
      claimOf('c', late),
      { volumes: [volumeOf('v', { ...late, claimRef: mine })] },
      'bind v',
    ],
    [
      'is provisioned once a node is selected',
      claimOf('c', late, { annotations: { [selectedNodeAnnotation]: 'n' } }),
      {},
      `provision example.com/disk: ${external}`,
    ],
    ['is provisioned', claimOf('c', { storageClassName: 'outside' }), {}, `provision example.com/disk: ${external}`],
    [
      'is provisioned by the driver that took over',
      claimOf('c', { storageClassName: 'aws' }),
      {},
      `provision ebs.csi.aws.com: ${external.replace('example.com/disk', 'ebs.csi.aws.com')}`,
    ],
    [
      'of a class that is missing is told so',
      claimOf('c', { storageClassName: 'gone' }),
      {},
      'told: ProvisioningFailed: storageclass.storage.k8s.io "gone" not found',
    ],
    [
      'of a class without provisioner is told so',
      claimOf('c', { storageClassName: 'by-hand' }),
      {},
      'told: ProvisioningFailed: no volume plugin matched name: kubernetes.io/no-provisioner',
    ],
    [
      'of nfs is told that nobody provisions',
      claimOf('c', { storageClassName: 'nfs' }),
      {},
      'told: ProvisioningFailed: no provisionable volume plugin matched',
    ],
    [
      'of host paths is told that it is off',
      claimOf('c', { storageClassName: 'host' }),
      {},
      'provision kubernetes.io/host-path: ProvisioningFailed: Failed to create provisioner: provisioning in volume plugin "kubernetes.io/host-path" is disabled',
    ],
    [
      'with a source is no matter of host paths',
      claimOf('c', { storageClassName: 'host', dataSource: { kind: 'PersistentVolumeClaim', name: 'x' } }),
      {},
      'told: ProvisioningFailed: plugin "kubernetes.io/host-path" is not a CSI plugin. Only CSI plugin can provision a claim with a datasource',
    ],
    ['that names a missing volume waits', claimOf('c', named), {}, 'pending'],
    [
      'that names a free volume gets it, whatever its selector says',
      claimOf('c', { ...named, selector: { matchLabels: { a: 'b' } } }),
      { volumes: [volumeOf('v')] },
      'bind v',
    ],
    [
      'that names a volume reserved for it gets it',
      claimOf('c', named),
      { volumes: [volumeOf('v', { claimRef: { namespace: 'ns', name: 'c' } })] },
      'bind v',
    ],
    [
      'that names a volume of another waits',
      claimOf('c', named),
      { volumes: [volumeOf('v', { claimRef: others })] },
      'pending: FailedBinding: volume "v" already bound to a different claim.',
    ],
    [
      'that was given a volume of another is tried again',
      claimOf('c', named, chosen),
      { volumes: [volumeOf('v', { claimRef: others })] },
      'misbound: FailedBinding: volume "v" already bound to a different claim.',
    ],
    [
      'that names a small volume waits',
      claimOf('c', { ...named, size: '2Gi' }),
      { volumes: [volumeOf('v')] },
      'pending: VolumeMismatch: Cannot bind to requested volume "v": requested PV is too small',
    ],
    [
      'that names a volume of another class waits',
      claimOf('c', named),
      { volumes: [volumeOf('v', late)] },
      'pending: VolumeMismatch: Cannot bind to requested volume "v": storageClassName does not match',
    ],
    [
      'that names a volume of other attributes waits',
      claimOf('c', { ...named, volumeAttributesClassName: 'a' }),
      { volumes: [volumeOf('v')] },
      'pending: VolumeMismatch: Cannot bind to requested volume "v": volumeAttributesClassName does not match',
    ],
    [
      'that names a device waits',
      claimOf('c', named),
      { volumes: [volumeOf('v', { volumeMode: 'Block' })] },
      'pending: VolumeMismatch: Cannot bind to requested volume "v": incompatible volumeMode',
    ],
    [
      'that names a volume of fewer access modes waits',
      claimOf('c', { ...named, accessModes: ['ReadWriteMany'] }),
      { volumes: [volumeOf('v')] },
      'pending: VolumeMismatch: Cannot bind to requested volume "v": incompatible accessMode',
    ],
    [
      'that names a dying volume waits',
      claimOf('c', named),
      { volumes: [volumeOf('v', {}, { deletionTimestamp: '2026-01-01T00:00:00Z' })] },
      'pending: VolumeMismatch: Cannot bind to requested volume "v": the volume is marked for deletion "v"',
    ],
    [
      'bound once and without volume is lost',
      claimOf('c', {}, completed),
      {},
      'lost: ClaimLost: Bound claim has lost reference to PersistentVolume. Data on the volume is lost!',
    ],
    ['bound to what is gone is lost', claimOf('c', named, completed), {}, lostVolume],
    ['bound to what came unbound is bound again', claimOf('c', named, completed), { volumes: [volumeOf('v')] }, 'bind v'],
    ['bound stays bound', claimOf('c', named, completed), { volumes: [volumeOf('v', { claimRef: mine })] }, 'bind v'],
    [
      'bound to what only names it is lost',
      claimOf('c', named, completed),
      { volumes: [volumeOf('v', { claimRef: { namespace: 'ns', name: 'c' } })] },
      'lost: ClaimMisbound: Two claims are bound to the same volume, this one is bound incorrectly',
    ],
    [
      'bound to what another has is lost',
      claimOf('c', named, completed),
      { volumes: [volumeOf('v', { claimRef: others })] },
      'lost: ClaimMisbound: Two claims are bound to the same volume, this one is bound incorrectly',
    ],
  ];
  for (const [what, claim, around, expected] of cases) it(what, () => assert.equal(text(planOf(claim, around)), expected));
});

describe('what becomes of a volume', () => {
  const bound = { claimRef: mine };
  const provisioned = { annotations: { [provisionedByAnnotation]: 'example.com/disk' } };
  const cases: [what: string, volume: PersistentVolume, claim: PersistentVolumeClaim | undefined, expected: object][] = [
    ['unused is available', volumeOf('v', {}, { phase: 'Pending' }), undefined, { kind: 'phase', phase: 'Available' }],
    [
      'reserved is available',
      volumeOf('v', { claimRef: { namespace: 'ns', name: 'c' } }),
      claimOf('c'),
      { kind: 'phase', phase: 'Available' },
    ],
    ['whose claim is gone is released', volumeOf('v', bound), undefined, { kind: 'release' }],
    ['whose claim is not bound yet leaves it to the claim', volumeOf('v', bound), claimOf('c'), { kind: 'syncClaim' }],
    ['whose claim wants a device is told', volumeOf('v', bound), claimOf('c', { volumeMode: 'Block' }), { kind: 'mismatch' }],
    ['whose claim has it is bound', volumeOf('v', bound), claimOf('c', { volumeName: 'v' }), { kind: 'phase', phase: 'Bound' }],
    ['whose claim has another is unbound', volumeOf('v', bound), claimOf('c', { volumeName: 'w' }), { kind: 'unbind' }],
    [
      'made for a claim that has another is released',
      volumeOf('v', { ...bound, persistentVolumeReclaimPolicy: 'Delete' }, provisioned),
      claimOf('c', { volumeName: 'w' }),
      { kind: 'release' },
    ],
    [
      'made for a claim that has another, but kept, is unbound',
      volumeOf('v', { ...bound, persistentVolumeReclaimPolicy: 'Retain' }, provisioned),
      claimOf('c', { volumeName: 'w' }),
      { kind: 'unbind' },
    ],
  ];
  for (const [what, volume, claim, expected] of cases) it(what, () => assert.deepEqual(planVolume(volume, claim), expected));

  it('unbound, it is free if the controller chose it, and reserved still if a user did', () => {
    const free = unboundVolume(volumeOf('v', bound, chosen));
    const reserved = unboundVolume(volumeOf('v', bound));
    assert.deepEqual([free.spec.claimRef, free.metadata.annotations], [undefined, undefined]);
    assert.deepEqual(reserved.spec.claimRef, { namespace: 'ns', name: 'c', uid: undefined });
  });
});

describe('annotations and finalizers of old plugins', () => {
  const by = (provisioner: string, finalizers?: string[], policy = 'Delete'): PersistentVolume => {
    const volume = volumeOf(
      'v',
      { persistentVolumeReclaimPolicy: policy },
      { annotations: { [provisionedByAnnotation]: provisioner } },
    );
    return finalizers === undefined ? volume : { ...volume, metadata: { ...volume.metadata, finalizers } };
  };
  const cases: [what: string, volume: PersistentVolume, migratedTo: string | undefined, finalizers: string[] | undefined][] = [
    ['a driver has taken over', by('kubernetes.io/gce-pd', [inTreeFinalizer, 'x']), 'pd.csi.storage.gke.io', ['x']],
    ['nobody has taken over', by('kubernetes.io/host-path', [provisionerFinalizer]), undefined, [inTreeFinalizer]],
    ['kept: no finalizer', by('kubernetes.io/host-path', [inTreeFinalizer], 'Retain'), undefined, []],
    ['from outside: as it is', by('example.com/disk', [provisionerFinalizer]), undefined, [provisionerFinalizer]],
  ];
  for (const [what, volume, migratedTo, finalizers] of cases)
    it(what, () => {
      const { metadata } = migratedVolume(volume);
      assert.deepEqual([metadata.annotations?.[migratedToAnnotation], metadata.finalizers], [migratedTo, finalizers]);
      const again = migratedVolume(volume);
      assert.equal(migratedVolume(again), again);
    });

  it('changes nothing made by hand', () => {
    const [volume, claim] = [volumeOf('v'), claimOf('c')];
    assert.deepEqual([migratedVolume(volume) === volume, migratedClaim(claim) === claim], [true, true]);
  });

  it('tells a claim, and takes back what is not true any more', () => {
    const annotated = (annotations: Record<string, string>): Record<string, string> | undefined =>
      migratedClaim(claimOf('c', {}, { annotations })).metadata.annotations;
    const [aws, host] = [
      { [provisionerAnnotation]: 'kubernetes.io/aws-ebs' },
      { [provisionerAnnotation]: 'kubernetes.io/host-path' },
    ];
    assert.deepEqual(annotated(aws), { ...aws, [migratedToAnnotation]: 'ebs.csi.aws.com' });
    assert.deepEqual(annotated({ ...host, [migratedToAnnotation]: 'x' }), host);
  });
});

describe('a bound claim', () => {
  const volume = volumeOf('v', { size: '5Gi', accessModes: ['ReadWriteOnce', 'ReadOnlyMany'] });

  it('names its volume, and says who chose it', () => {
    const { metadata, spec } = boundClaim(claimOf('c'), volume);
    assert.deepEqual([spec.volumeName, metadata.annotations], ['v', { ...completed.annotations, ...chosen.annotations }]);
    assert.deepEqual(boundClaim(claimOf('c', { volumeName: 'v' }), volume).metadata.annotations, completed.annotations);
  });

  it('shows size and modes of the volume, once', () => {
    const bound = claimWithVolume(claimOf('c'), volume);
    assert.deepEqual(bound.status, {
      phase: 'Bound',
      accessModes: ['ReadWriteOnce', 'ReadOnlyMany'],
      capacity: { storage: '5Gi' },
      currentVolumeAttributesClassName: undefined,
    });
    const grown = volumeOf('v', { size: '9Gi', accessModes: ['ReadWriteOnce', 'ReadOnlyMany'] });
    assert.equal(claimWithVolume(bound, grown), bound);
  });

  it('shows the size before the volume grew while the file system has not grown', () => {
    const grown = volumeOf('v', { size: '9Gi' }, { annotations: { [preResizeCapacityAnnotation]: '5Gi' } });
    assert.deepEqual(claimWithVolume(claimOf('c'), grown).status?.capacity, { storage: '5Gi' });
    const odd = volumeOf('v', { size: '9Gi' }, { annotations: { [preResizeCapacityAnnotation]: 'much' } });
    assert.deepEqual(claimWithVolume(claimOf('c'), odd).status?.capacity, { storage: '9Gi' });
  });

  it('shows nothing of a volume when it has none', () => {
    const lost = claimWithoutVolume(claimWithVolume(claimOf('c'), volume), 'Lost');
    assert.deepEqual(JSON.parse(JSON.stringify(lost.status)), { phase: 'Lost' });
    assert.equal(claimWithoutVolume(lost, 'Lost'), lost);
  });
});

describe('deleting and recycling a volume', () => {
  const csi = { driver: 'd', volumeHandle: 'h' };
  const noPlugin = { kind: 'error', why: 'error getting deleter volume plugin for volume "v": no volume plugin matched' };
  const of = (spec: object, provisionedBy?: string): PersistentVolume =>
    volumeOf(
      'v',
      { hostPath: undefined, ...spec },
      provisionedBy === undefined ? {} : { annotations: { [provisionedByAnnotation]: provisionedBy } },
    );
  const cases: [what: string, volume: PersistentVolume, expected: object][] = [
    ['made from outside', of({ local: { path: '/x' } }, 'example.com/disk'), { kind: 'external' }],
    ['of a driver', of({ csi }), { kind: 'external' }],
    ['local, made by hand', of({ local: { path: '/x' } }), noPlugin],
    [
      'nfs',
      of({ nfs: { server: 's', path: '/' } }),
      { kind: 'error', why: 'error getting deleter volume plugin for volume "v": no deletable volume plugin matched' },
    ],
    [
      'a host path elsewhere',
      of({ hostPath: { path: '/etc' } }),
      { kind: 'error', why: 'host_path deleter only supports /tmp/.+ but received provided /etc' },
    ],
    ['a host path under /tmp', of({ hostPath: { path: '/tmp/x' } }), { kind: 'done' }],
    [
      'of an old plugin',
      of({ local: { path: '/x' } }, 'kubernetes.io/flocker'),
      { kind: 'error', why: 'no volume plugin matched name: kubernetes.io/flocker' },
    ],
  ];
  for (const [what, volume, expected] of cases) it(what, () => assert.deepEqual(deleterOf(volume), expected));

  const pod = (uid: string, status?: object) =>
    ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'r', uid, resourceVersion: '1' },
      spec: { containers: [] },
      status,
    }) as unknown as Pod;
  const steps: [what: string, pod: Pod | undefined, own: string | undefined, expected: object][] = [
    ['begins', undefined, undefined, { kind: 'start' }],
    ['waits', pod('a', { phase: 'Running' }), 'a', { kind: 'wait' }],
    ['ends', pod('a', { phase: 'Succeeded' }), 'a', { kind: 'done' }],
    [
      'fails',
      pod('a', { phase: 'Failed', message: 'DeadlineExceeded' }),
      'a',
      { kind: 'failed', why: 'failed to recycle volume: DeadlineExceeded', deletePod: true },
    ],
    [
      'removes a pod that is not its own',
      pod('b', { phase: 'Succeeded' }),
      'a',
      { kind: 'failed', why: 'old recycler pod found, will retry later', deletePod: true },
    ],
    [
      'fails where its pod was deleted',
      undefined,
      'a',
      { kind: 'failed', why: 'failed to recycle volume: recycler pod was deleted', deletePod: false },
    ],
  ];
  for (const [what, one, own, expected] of steps)
    it(`recycling ${what}`, () => assert.deepEqual(recycleStep(one, own), expected));

  it('gives the recycler more time for a large volume, and never too much', () => {
    const seconds = (size: string): number | bigint | undefined =>
      recyclerPod(volumeOf('v', { size })).spec.activeDeadlineSeconds;
    assert.deepEqual([seconds('1Gi'), seconds('10Gi'), seconds('4Ei')], [60, 300, 2 ** 31 - 1]);
  });
});
