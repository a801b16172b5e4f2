import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type {
  CSIDriver,
  CSIDriverSpec,
  CSINode,
  CSINodeDriver,
  CSIStorageCapacity,
  StorageClass,
  VolumeAttachment,
  VolumeAttributesClass,
} from '#api/types.generated.ts';
import { create, rejects, systemMeta, update } from '../strategy.testing.ts';
import { csiDriverKind } from './csidriver/strategy.ts';
import { csiNodeKind } from './csinode/strategy.ts';
import { csiStorageCapacityKind } from './csistoragecapacity/strategy.ts';
import { storageClassKind } from './storageclass/strategy.ts';
import { volumeAttachmentKind } from './volumeattachment/strategy.ts';
import { volumeAttributesClassKind } from './volumeattributesclass/strategy.ts';

const apiVersion = 'storage.k8s.io/v1';
const name =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const subdomain =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const big = 'x'.repeat(256 * 1024);
const many = Object.fromEntries(Array.from({ length: 513 }, (_, index) => [`k${index}`, '']));

describe('storage classes', () => {
  const { strategy } = storageClassKind;
  const make = (more: Partial<StorageClass> = {}): StorageClass => ({
    apiVersion,
    kind: 'StorageClass',
    metadata: systemMeta('fast'),
    provisioner: 'Example.com/Disk',
    ...more,
  });
  const topology = (...matchLabelExpressions: { key: string; values: string[] }[]) => ({ matchLabelExpressions });

  it('delete volumes and bind at once by default', async () => {
    const { object, errors } = await create(strategy, make());
    assert.deepEqual([object.reclaimPolicy, object.volumeBindingMode, errors], ['Delete', 'Immediate', []]);
  });

  const refused: [what: string, Partial<StorageClass>, errors: string[]][] = [
    ['no provisioner', { provisioner: '' }, ['provisioner: Required value']],
    ['a provisioner that is no name', { provisioner: 'a/B_' }, [`provisioner: Invalid value: "a/b_": ${name}`]],
    ['too many parameters', { parameters: many }, ['parameters: Too long: may not be more than 512 bytes']],
    [
      'long and nameless parameters',
      { parameters: { '': big, a: 'b' } },
      ['parameters: Invalid value: "": field can not be empty.', 'parameters: Too long: may not be more than 262144 bytes'],
    ],
    [
      'the policy to recycle',
      { reclaimPolicy: 'Recycle' },
      ['reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"'],
    ],
    [
      'an unknown mode',
      { volumeBindingMode: '' },
      ['volumeBindingMode: Unsupported value: "": supported values: "Immediate", "WaitForFirstConsumer"'],
    ],
    [
      'a topology twice, in another order',
      {
        allowedTopologies: [
          topology({ key: 'a', values: ['1', '2'] }, { key: 'b', values: ['3'] }),
          topology({ key: 'b', values: ['3'] }, { key: 'a', values: ['2', '1'] }),
        ],
      },
      ['allowedTopologies[1].matchLabelExpressions: Duplicate value: ""'],
    ],
    [
      'a topology of nothing',
      { allowedTopologies: [topology()] },
      ['allowedTopologies[0].matchLabelExpressions: Duplicate value: ""'],
    ],
    [
      'keys and values twice, and none',
      { allowedTopologies: [topology({ key: 'a', values: ['1', '1'] }, { key: 'a', values: [] })] },
      [
        'allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "1"',
        'allowedTopologies[0].matchLabelExpressions[1].values: Required value',
        'allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: "a"',
      ],
    ],
  ];
  for (const [what, more, errors] of refused)
    it(`cannot have ${what}`, async () => {
      await rejects(strategy, make(more), ...errors);
    });

  it('keep what volumes are made with', async () => {
    const old = (await create(strategy, make())).object;
    const { errors } = await update(strategy, old, (object) =>
      Object.assign(object, {
        provisioner: 'other',
        parameters: { a: 'b' },
        reclaimPolicy: 'Retain',
        volumeBindingMode: 'WaitForFirstConsumer',
        allowVolumeExpansion: true,
      }),
    );
    assert.deepEqual(errors, [
      'parameters: Invalid value: {"a":"b"}: field is immutable',
      'provisioner: Invalid value: "other": field is immutable',
      'reclaimPolicy: Invalid value: "Retain": field is immutable',
      'volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable',
    ]);
    const grown = await update(strategy, old, (object) => Object.assign(object, { allowVolumeExpansion: true, parameters: {} }));
    assert.deepEqual(grown.errors, []);
  });

  it('warn of labels that go out of use', () => {
    const object = make({ allowedTopologies: [topology({ key: 'failure-domain.beta.kubernetes.io/zone', values: ['a'] })] });
    assert.deepEqual(strategy.warnings?.(object, undefined), [
      'allowedTopologies[0].matchLabelExpressions[0].key: deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    ]);
  });
});

describe('classes of volume attributes', () => {
  const { strategy } = volumeAttributesClassKind;
  const make = (more: Partial<VolumeAttributesClass> = {}): VolumeAttributesClass => ({
    apiVersion,
    kind: 'VolumeAttributesClass',
    metadata: systemMeta('gold'),
    driverName: 'd',
    parameters: { iops: '1' },
    ...more,
  });

  it('get their finalizer', async () => {
    const { object, errors } = await create(strategy, make());
    assert.deepEqual([object.metadata.finalizers, errors], [['kubernetes.io/vac-protection'], []]);
  });

  it('need a driver and a parameter', async () => {
    await rejects(
      strategy,
      make({ driverName: '', parameters: {} }),
      'driverName: Required value',
      'parameters: Required value: must contain at least one key/value pair',
    );
  });

  it('change in nothing', async () => {
    const old = (await create(strategy, make())).object;
    const { errors } = await update(strategy, old, (object) =>
      Object.assign(object, { driverName: 'e', parameters: { iops: '2' } }),
    );
    assert.deepEqual(errors, [
      'driverName: Forbidden: updates to driverName are forbidden.',
      'parameters: Forbidden: updates to parameters are forbidden.',
    ]);
  });
});

describe('volume attachments', () => {
  const { strategy } = volumeAttachmentKind;
  const csi = { driver: 'd', volumeHandle: 'h' };
  const make = (spec: object = {}, more: object = {}): VolumeAttachment => ({
    apiVersion,
    kind: 'VolumeAttachment',
    metadata: systemMeta('va'),
    spec: { attacher: 'd', nodeName: 'n', source: { persistentVolumeName: 'v' }, ...spec },
    ...more,
  });

  it('begin detached', async () => {
    const { object, errors } = await create(strategy, make({}, { status: { attached: true } }));
    assert.deepEqual([object.status, errors], [{ attached: false }, []]);
  });

  const one = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';
  const inline = 'spec.source.inlineVolumeSpec';
  const context = 'in the context of inline volumes';
  const refused: [what: string, spec: object, errors: string[]][] = [
    ['no source', { source: {} }, [`spec.source: Required value: ${one}`]],
    ['two sources', { source: { persistentVolumeName: 'v', inlineVolumeSpec: { csi } } }, [`spec.source: Forbidden: ${one}`]],
    [
      'a volume without a name',
      { source: { persistentVolumeName: '' } },
      [
        'spec.source.persistentVolumeName: Required value: must specify non empty persistentVolumeName',
        `spec.source.persistentVolumeName: Invalid value: "": ${subdomain}`,
      ],
    ],
    [
      'no driver and no node',
      { attacher: '', nodeName: '' },
      ['spec.attacher: Required value', `spec.nodeName: Invalid value: "": ${subdomain}`],
    ],
    [
      'an inline volume that is a volume of its own',
      {
        source: {
          inlineVolumeSpec: {
            accessModes: ['ReadWriteOnce'],
            claimRef: { name: 'c' },
            capacity: { storage: '1' },
            persistentVolumeReclaimPolicy: 'Delete',
            nodeAffinity: {},
            hostPath: { path: '/x' },
            storageClassName: 'fast',
            volumeMode: 'Block',
          },
        },
      },
      [
        `${inline}.claimRef: Forbidden: may not be specified ${context}`,
        `${inline}.capacity: Forbidden: may not be specified ${context}`,
        `${inline}.csi: Required value: has to be specified ${context}`,
        `${inline}.persistentVolumeReclaimPolicy: Forbidden: may only be Retain ${context}`,
        `${inline}.nodeAffinity: Forbidden: may not be specified ${context}`,
        `${inline}.storageClassName: Forbidden: may not be specified ${context}`,
        `${inline}.volumeMode: Forbidden: may not specify volumeMode other than Filesystem ${context}`,
      ],
    ],
  ];
  for (const [what, spec, errors] of refused)
    it(`cannot have ${what}`, async () => {
      await rejects(strategy, make(spec), ...errors);
    });

  it('may have an inline volume', async () => {
    await rejects(strategy, make({ source: { inlineVolumeSpec: { accessModes: ['ReadWriteOnce'], csi } } }));
  });

  it('keep their spec', async () => {
    const old = (await create(strategy, make())).object;
    const { errors } = await update(strategy, old, ({ spec }) => Object.assign(spec, { nodeName: 'm' }));
    assert.deepEqual(errors, [
      'spec: Invalid value: {"Attacher":"d","Source":{"PersistentVolumeName":"v","InlineVolumeSpec":null},"NodeName":"m"}: field is immutable',
    ]);
  });

  it('have a status that is checked, and changes nothing else', async () => {
    const old = (await create(strategy, make())).object;
    const { object, errors } = await update(
      strategy,
      old,
      (one) => {
        one.metadata.labels = { a: 'b' };
        one.spec.nodeName = 'm';
        one.status = {
          attached: true,
          attachmentMetadata: { a: big },
          attachError: { message: 'x'.repeat(1025), errorCode: -1 },
        };
      },
      'status',
    );
    assert.deepEqual([object.spec.nodeName, object.metadata.labels, object.status?.attached], ['n', undefined, true]);
    assert.deepEqual(errors, [
      'status.attachmentMetadata: Too long: may not be more than 262144 bytes',
      'status.attachError.message: Too long: may not be more than 262144 bytes',
      'status.attachError.errorCode: Invalid value: -1: must be between 0 and 2147483647, inclusive',
    ]);
  });
});

describe('CSI drivers', () => {
  const { strategy } = csiDriverKind;
  const make = (spec: CSIDriverSpec = {}): CSIDriver => ({
    apiVersion,
    kind: 'CSIDriver',
    metadata: systemMeta('d.example.com'),
    spec,
  });

  it('get defaults, and no generation', async () => {
    const { object, errors } = await create(strategy, make({ preventPodSchedulingIfMissing: true }));
    const spec = {
      attachRequired: true,
      podInfoOnMount: false,
      storageCapacity: false,
      fsGroupPolicy: 'ReadWriteOnceWithFSType',
      volumeLifecycleModes: ['Persistent'],
      requiresRepublish: false,
      seLinuxMount: false,
    };
    assert.deepEqual([object.spec, object.metadata.generation, errors], [spec, undefined, []]);
  });

  const tokens = 'spec.tokenRequests';
  const refused: [what: string, CSIDriverSpec, errors: string[]][] = [
    [
      'an unknown policy',
      { fsGroupPolicy: 'x' },
      ['spec.fsGroupPolicy: Unsupported value: "x": supported values: "File", "None", "ReadWriteOnceWithFSType"'],
    ],
    [
      'an unknown mode',
      { volumeLifecycleModes: ['x'] },
      ['spec.volumeLifecycleModes: Unsupported value: "x": supported values: "Persistent", "Ephemeral"'],
    ],
    [
      'tokens for one audience twice, for too short and too long',
      {
        tokenRequests: [
          { audience: 'a', expirationSeconds: 599 },
          { audience: 'a' },
          { audience: '', expirationSeconds: 2 ** 32 + 1 },
        ],
      },
      [
        `${tokens}[0].expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes`,
        `${tokens}[1].audience: Duplicate value: "a"`,
        `${tokens}[2].expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds`,
      ],
    ],
    [
      'tokens in secrets, and none',
      { serviceAccountTokenInSecrets: false },
      [
        'spec.serviceAccountTokenInSecrets: Invalid value: false: serviceAccountTokenInSecrets is set but no tokenRequests are specified',
      ],
    ],
    [
      'a period of nine seconds',
      { nodeAllocatableUpdatePeriodSeconds: 9 },
      ['spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to 10 seconds'],
    ],
  ];
  for (const [what, spec, errors] of refused)
    it(`cannot have ${what}`, async () => {
      await rejects(strategy, make(spec), ...errors);
    });

  it('keep how volumes are attached, count other changes, and warn of tokens', async () => {
    const old = (await create(strategy, make())).object;
    const kept = await update(strategy, old, ({ spec }) =>
      Object.assign(spec, { attachRequired: false, volumeLifecycleModes: ['Ephemeral'] }),
    );
    assert.deepEqual(kept.errors, [
      'spec.attachedRequired: Invalid value: false: field is immutable',
      'spec.volumeLifecycleModes: Invalid value: ["Ephemeral"]: field is immutable',
    ]);
    const { object, errors } = await update(strategy, old, ({ spec }) =>
      Object.assign(spec, { tokenRequests: [{ audience: 'a' }] }),
    );
    assert.deepEqual([object.metadata.generation, errors], [1, []]);
    assert.equal(strategy.warnings?.(object, old).length, 1);
    assert.deepEqual(strategy.warnings?.(object, object), []);
    assert.deepEqual(strategy.warnings?.({ ...object, spec: { ...object.spec, serviceAccountTokenInSecrets: false } }, old), []);
  });
});

describe('CSI nodes', () => {
  const { strategy } = csiNodeKind;
  const make = (...drivers: CSINodeDriver[]): CSINode => ({
    apiVersion,
    kind: 'CSINode',
    metadata: systemMeta('n'),
    spec: { drivers },
  });
  const driver = { name: 'd', nodeID: 'n', topologyKeys: ['zone'], allocatable: { count: 1 } };

  it('may have no drivers, and several', async () => {
    await rejects(strategy, make());
    await rejects(strategy, make(driver, { name: 'e', nodeID: 'n' }));
  });

  it('refuse drivers that are none', async () => {
    const long = 'x'.repeat(257);
    await rejects(
      strategy,
      make(
        { ...driver, nodeID: long, topologyKeys: ['zone', 'zone', ''], allocatable: { count: -1 } },
        { name: 'd', nodeID: '' },
        { name: '', nodeID: 'n' },
      ),
      `spec.drivers[0].nodeID: Invalid value: "${long}": must be 256 characters or less`,
      'spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0',
      'spec.drivers[0]: Duplicate value: "zone"',
      'spec.drivers[0]: Required value',
      'spec.drivers[0]: Invalid value: "": name part must be non-empty',
      `spec.drivers[0]: Invalid value: "": ${name}`,
      'spec.drivers[1].nodeID: Required value',
      'spec.drivers[1].name: Duplicate value: "d"',
      'spec.drivers[2].name: Required value',
    );
  });

  it('count their volumes anew, gain and lose drivers, and keep the rest', async () => {
    const old = (await create(strategy, make(driver))).object;
    const free = await update(strategy, old, ({ spec }) => {
      spec.drivers = [
        { ...driver, allocatable: { count: 2 } },
        { name: 'e', nodeID: 'n' },
      ];
    });
    assert.deepEqual(free.errors, []);
    const changed = await update(strategy, old, ({ spec }) => {
      spec.drivers = [{ name: 'd', nodeID: 'other' }];
    });
    assert.deepEqual(changed.errors, [
      'spec.drivers: Invalid value: {"Name":"d","NodeID":"other","TopologyKeys":null,"Allocatable":null}: field is immutable',
    ]);
  });
});

describe('storage capacities', () => {
  const { strategy } = csiStorageCapacityKind;
  const make = (more: Partial<CSIStorageCapacity> = {}): CSIStorageCapacity => ({
    apiVersion,
    kind: 'CSIStorageCapacity',
    metadata: systemMeta('c', 'ns'),
    storageClassName: 'fast',
    ...more,
  });

  it('refuse a capacity below zero, a class that is no name, and a topology that is no selector', async () => {
    await rejects(
      strategy,
      make({ capacity: '-1', storageClassName: '', nodeTopology: { matchExpressions: [{ key: 'a', operator: 'In' }] } }),
      "nodeTopology.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
      `storageClassName: Invalid value: "": ${subdomain}`,
      'capacity: Invalid value: "-1": must be greater than or equal to 0',
    );
  });

  it('change in the capacity only', async () => {
    const old = (await create(strategy, make({ nodeTopology: { matchLabels: { a: 'b' } }, capacity: '1Gi' }))).object;
    const free = await update(strategy, old, (object) => Object.assign(object, { capacity: '2Gi', maximumVolumeSize: '1Gi' }));
    assert.deepEqual(free.errors, []);
    const { errors } = await update(strategy, old, (object) =>
      Object.assign(object, { storageClassName: 'slow', nodeTopology: { matchLabels: { a: 'c' } } }),
    );
    assert.deepEqual(errors, [
      'nodeTopology: Invalid value: {"matchLabels":{"a":"c"}}: field is immutable',
      'storageClassName: Invalid value: "slow": field is immutable',
    ]);
  });

  it('warn of labels that go out of use', () => {
    const label = 'beta.kubernetes.io/os';
    const nodeTopology = { matchLabels: { [label]: 'linux' }, matchExpressions: [{ key: label, operator: 'Exists' }] };
    const text = 'deprecated since v1.14; use "kubernetes.io/os" instead';
    assert.deepEqual(strategy.warnings?.(make({ nodeTopology }), undefined), [
      `nodeTopology.matchExpressions[0].key: ${label} is ${text}`,
      `nodeTopology.matchLabels.${label}: ${text}`,
    ]);
  });
});
