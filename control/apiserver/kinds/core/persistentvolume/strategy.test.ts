import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PersistentVolume, PersistentVolumeSpec } from '#api/types.generated.ts';
import { create, rejects, systemMeta, testContext, update } from '../../strategy.testing.ts';
import { persistentVolumeKind } from './strategy.ts';

const { strategy } = persistentVolumeKind;
const hostPath = { path: '/data' };
const volume = (spec: Partial<PersistentVolumeSpec> = { hostPath }, more: object = {}): PersistentVolume => ({
  apiVersion: 'v1',
  kind: 'PersistentVolume',
  metadata: { ...systemMeta('v'), ...more },
  spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, ...spec },
});
const affinity = (key: string, value = 'n') => ({
  required: { nodeSelectorTerms: [{ matchExpressions: [{ key, operator: 'In', values: [value] }] }] },
});
const iscsi = { targetPortal: 'p', iqn: 'iqn.2026-01.com.example:storage', lun: 1 };
const csi = { driver: 'd.example.com', volumeHandle: 'h' };
const secret = { name: 's', namespace: 'ns' };

describe('a new volume', () => {
  it('gets defaults, a phase with its time, and its finalizer', async () => {
    const { object, errors } = await create(strategy, { ...volume(), status: { phase: 'Bound' } });
    const { persistentVolumeReclaimPolicy, volumeMode, hostPath: path } = object.spec;
    assert.deepEqual(
      [persistentVolumeReclaimPolicy, volumeMode, path, errors],
      ['Retain', 'Filesystem', { ...hostPath, type: '' }, []],
    );
    assert.deepEqual(object.metadata.finalizers, ['kubernetes.io/pv-protection']);
    assert.deepEqual([object.status?.phase, typeof object.status?.lastPhaseTransitionTime], ['Pending', 'string']);
  });

  it('gets the defaults of old types', async () => {
    const { object } = await create(strategy, volume({ iscsi }));
    assert.equal(object.spec.iscsi?.iscsiInterface, 'default');
    const { rbd } = (await create(strategy, volume({ rbd: { monitors: ['m'], image: 'i' } }))).object.spec;
    assert.deepEqual([rbd?.pool, rbd?.user, rbd?.keyring], ['rbd', 'admin', '/etc/ceph/keyring']);
  });

  const good: [what: string, Partial<PersistentVolumeSpec>][] = [
    ['iscsi', { iscsi }],
    ['csi, with a class of attributes', { csi, volumeAttributesClassName: 'gold' }],
    ['local', { local: { path: '/x' }, nodeAffinity: affinity('kubernetes.io/hostname') }],
    ['quobyte', { quobyte: { registry: '[::1]:7861,h:1', volume: 'v' } }],
    ['nfs', { nfs: { server: 's', path: '/p' } }],
    ['fc', { fc: { wwids: ['w'] } }],
    ['azure', { azureDisk: { diskName: 'd', diskURI: 'https://x' } }],
  ];
  for (const [what, spec] of good)
    it(`may be of type ${what}`, async () => {
      await rejects(strategy, volume(spec));
    });

  const more = 'Forbidden: may not specify more than 1 volume type';
  const refused: [what: string, Partial<PersistentVolumeSpec>, errors: string[]][] = [
    ['no source', {}, ['spec: Required value: must specify a volume type']],
    [
      'two sources',
      { hostPath, gcePersistentDisk: { pdName: 'd' }, cephfs: { monitors: [] } },
      [`spec.gcePersistentDisk: ${more}`, `spec.cephFS: ${more}`],
    ],
    ['no access modes', { hostPath, accessModes: [] }, ['spec.accessModes: Required value']],
    [
      'no capacity',
      { hostPath, capacity: {} },
      ['spec.capacity: Required value', 'spec.capacity: Unsupported value: {}: supported values: "storage"'],
    ],
    [
      'capacity of something else, below zero',
      { hostPath, capacity: { cpu: '-1' } },
      [
        'spec.capacity: Unsupported value: {"cpu":"-1"}: supported values: "storage"',
        'spec.capacity[cpu]: Invalid value: -1: must be a valid resource quantity',
        'spec.capacity[cpu]: Invalid value: "-1": must be greater than zero',
      ],
    ],
    [
      'an unknown policy',
      { hostPath, persistentVolumeReclaimPolicy: 'Burn' },
      ['spec.persistentVolumeReclaimPolicy: Unsupported value: "Burn": supported values: "Delete", "Recycle", "Retain"'],
    ],
    [
      'a root to recycle',
      { hostPath: { path: '/./' }, persistentVolumeReclaimPolicy: 'Recycle' },
      [`spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount of '/'`],
    ],
    [
      'a path upwards',
      { hostPath: { path: '/a/../b' } },
      [`spec.hostPath.path: Invalid value: "/a/../b": must not contain '..'`],
    ],
    [
      'a disk that is none',
      { gcePersistentDisk: { pdName: '', partition: 256 } },
      [
        'spec.persistentDisk.pdName: Required value',
        'spec.persistentDisk.partition: Invalid value: 256: must be between 1 and 255, inclusive',
      ],
    ],
    [
      'a local path without a node',
      { local: { path: '/x' } },
      ['spec.nodeAffinity: Required value: Local volume requires node affinity'],
    ],
    [
      'affinity without terms',
      { hostPath, nodeAffinity: { required: { nodeSelectorTerms: [] } } },
      ['spec.nodeAffinity.required.nodeSelectorTerms: Required value: must have at least one node selector term'],
    ],
    [
      'affinity to nothing',
      { hostPath, nodeAffinity: {} },
      ['spec.nodeAffinity.required: Required value: must specify required node constraints'],
    ],
    [
      'an iscsi target that is none',
      { iscsi: { ...iscsi, iqn: 'iqn.x', lun: 256, chapAuthSession: true, initiatorName: 'foo', targetPortal: 'p'.repeat(64) } },
      [
        `spec.iscsi.targetportal: Invalid value: "${'p'.repeat(64)}": Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.`,
        'spec.iscsi.iqn: Invalid value: "iqn.x": must be valid format',
        'spec.iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive',
        'spec.iscsi.secretRef: Required value',
        'spec.iscsi.initiatorname: Invalid value: "foo": must be valid format',
      ],
    ],
    [
      'a driver and secrets that are none',
      {
        csi: { driver: '', volumeHandle: '', controllerExpandSecretRef: { name: 'x' }, nodePublishSecretRef: { namespace: 'x' } },
      },
      [
        'spec.csi.driver: Required value',
        'spec.csi.volumeHandle: Required value',
        'spec.csi.controllerExpandSecretRef.namespace: Required value',
        'spec.csi.nodePublishSecretRef.name: Required value',
      ],
    ],
    [
      'a class of attributes without csi',
      { hostPath, volumeAttributesClassName: '' },
      [
        'spec.volumeAttributesClassName: Required value: an empty string is disallowed',
        'spec.csi: Required value: has to be specified when using volumeAttributesClassName',
      ],
    ],
    [
      'reserved options',
      { flexVolume: { driver: 'd', options: { 'x.K8s.io/a': '', 'kubernetes.io': '', free: '' } } },
      ['kubernetes.io', 'x.K8s.io/a'].map(
        (key) => `spec.flexVolume.options[${key}]: Invalid value: "${key}": kubernetes.io and k8s.io namespaces are reserved`,
      ),
    ],
    [
      'a registry that is none',
      { quobyte: { registry: 'h:1,h', volume: 'v' } },
      ['spec.quobyte.registry: Invalid value: "h:1,h": must be a host:port pair or multiple pairs separated by commas'],
    ],
    [
      'a managed disk at another place',
      { azureDisk: { diskName: 'd', diskURI: 'https://x', kind: 'Managed', cachingMode: 'x' } },
      [
        'spec.azureDisk.cachingMode: Unsupported value: "x": supported values: "None", "ReadOnly", "ReadWrite"',
        'spec.azureDisk.diskURI: Unsupported value: "https://x": supported values: "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"',
      ],
    ],
  ];
  for (const [what, spec, errors] of refused)
    it(`cannot have ${what}`, async () => {
      await rejects(strategy, volume(spec), ...errors);
    });

  it('may have options of mount in the annotation only where its type mounts', async () => {
    const annotations = { 'volume.beta.kubernetes.io/mount-options': 'ro' };
    await rejects(strategy, volume({ nfs: { server: 's', path: '/p' } }, { annotations }));
    await rejects(
      strategy,
      volume({ csi }, { annotations }),
      'metadata.annotations.volume.beta.kubernetes.io/mount-options: Forbidden: may not specify mount options for this volume type',
    );
  });

  it('warns of what goes out of use', () => {
    const object = volume(
      {
        rbd: { monitors: ['m'], image: 'i' },
        persistentVolumeReclaimPolicy: 'Recycle',
        nodeAffinity: affinity('beta.kubernetes.io/os'),
      },
      { annotations: { 'volume.beta.kubernetes.io/mount-options': 'ro' } },
    );
    assert.deepEqual(strategy.warnings?.(object, undefined), [
      'metadata.annotations[volume.beta.kubernetes.io/mount-options]: deprecated since v1.31; use "mountOptions" attribute instead',
      'spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.',
      'spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: beta.kubernetes.io/os is deprecated since v1.14; use "kubernetes.io/os" instead',
      'spec.rbd: deprecated in v1.28, non-functional in v1.31+',
    ]);
  });
});

describe('an update of a volume', () => {
  it('keeps the source, and prints what differs in the names of upstream', async () => {
    const old = (await create(strategy, volume())).object;
    const { errors } = await update(strategy, old, ({ spec }) => {
      spec.hostPath = { path: '/other', type: '' };
    });
    const [error = ''] = errors;
    assert.equal(errors.length, 1);
    assert.match(
      error,
      /^spec\.persistentvolumesource: Forbidden: spec\.persistentvolumesource is immutable after creation\n@@ /,
    );
    assert.match(error, / {2}"HostPath": \{\n- {2}"Path": "\/data",\n\+ {2}"Path": "\/other",\n {3}"Type": ""\n/);
  });

  it('may add the secret for expansion, once', async () => {
    const old = (await create(strategy, volume({ csi }))).object;
    const added = await update(strategy, old, ({ spec }) => {
      spec.csi = { ...csi, controllerExpandSecretRef: secret };
    });
    assert.deepEqual(added.errors, []);
    const changed = await update(strategy, added.object, ({ spec }) => {
      spec.csi = { ...csi, controllerExpandSecretRef: { ...secret, name: 't' } };
    });
    assert.equal(changed.errors.length, 1);
  });

  it('may set the node affinity, and then only rename labels that were renamed', async () => {
    const old = (await create(strategy, volume())).object;
    const set = await update(strategy, old, ({ spec }) =>
      Object.assign(spec, { nodeAffinity: affinity('beta.kubernetes.io/os') }),
    );
    assert.deepEqual(set.errors, []);
    const renamed = await update(strategy, set.object, ({ spec }) =>
      Object.assign(spec, { nodeAffinity: affinity('kubernetes.io/os') }),
    );
    assert.deepEqual(renamed.errors, []);
    const other = await update(strategy, set.object, ({ spec }) => Object.assign(spec, { nodeAffinity: affinity('zone') }));
    assert.deepEqual(other.errors, [
      'nodeAffinity: Invalid value: {"Required":{"NodeSelectorTerms":[{"MatchExpressions":[{"Key":"zone","Operator":"In","Values":["n"]}],"MatchFields":null}]}}: field is immutable, except for updating from beta label to GA',
    ]);
  });

  it('keeps mode and class of attributes, and changes capacity, claim and policy', async () => {
    const old = (await create(strategy, volume({ csi, volumeAttributesClassName: 'gold' }))).object;
    const kept = await update(strategy, old, ({ spec }) => {
      spec.volumeMode = 'Block';
      delete spec.volumeAttributesClassName;
    });
    assert.deepEqual(kept.errors, [
      'volumeMode: Invalid value: "Block": field is immutable',
      'spec.volumeAttributesClassName: Forbidden: update from non-nil value to nil is forbidden',
    ]);
    const free = await update(strategy, old, ({ spec }) =>
      Object.assign(spec, {
        capacity: { storage: '9Gi' },
        claimRef: { namespace: 'ns', name: 'c' },
        persistentVolumeReclaimPolicy: 'Delete',
        volumeAttributesClassName: 'silver',
      }),
    );
    assert.deepEqual(free.errors, []);
  });
});

describe("a volume's status", () => {
  const at = '2020-01-01T00:00:00Z';
  const statusOf = async (old: object, now: object) => {
    const base = (await create(strategy, volume())).object;
    const { object } = await update(strategy, { ...base, status: old }, (one) => Object.assign(one, { status: now }), 'status');
    return object.status;
  };

  it('notes when the phase changed', async () => {
    const now = new Date(testContext().clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
    const before = { phase: 'Pending', lastPhaseTransitionTime: at };
    assert.deepEqual(await statusOf(before, { phase: 'Bound' }), { phase: 'Bound', lastPhaseTransitionTime: now });
    assert.deepEqual(await statusOf(before, { ...before, phase: 'Bound' }), { phase: 'Bound', lastPhaseTransitionTime: now });
    assert.deepEqual(await statusOf(before, { phase: 'Pending' }), before);
    const own = { phase: 'Bound', lastPhaseTransitionTime: '2021-01-01T00:00:00Z' };
    assert.deepEqual(await statusOf(before, own), own);
  });
});
