import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from '#api/types.generated.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { persistentVolumeClaimKind } from './strategy.ts';

const { strategy } = persistentVolumeClaimKind;
const claim = (spec: Partial<PersistentVolumeClaimSpec> = {}, more: object = {}): PersistentVolumeClaim => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { ...systemMeta('data', 'ns'), ...more },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
});
const subdomain =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const classAnnotation = 'volume.beta.kubernetes.io/storage-class';

/** As a claim is once its volume is found. */
async function bound(spec: Partial<PersistentVolumeClaimSpec> = {}): Promise<PersistentVolumeClaim> {
  const { object } = await create(strategy, claim({ volumeName: 'v', storageClassName: 'fast', ...spec }));
  return { ...object, status: { phase: 'Bound', capacity: { storage: '1Gi' } } };
}

describe('a new claim', () => {
  it('gets a mode, a phase and its finalizer, and loses the status', async () => {
    const { object, errors } = await create(strategy, { ...claim(), status: { phase: 'Bound', capacity: { storage: '1' } } });
    assert.deepEqual(
      [object.spec.volumeMode, object.status, object.metadata.finalizers, errors],
      ['Filesystem', { phase: 'Pending' }, ['kubernetes.io/pvc-protection'], []],
    );
  });

  const modes = 'supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"';
  const snapshot = { kind: 'VolumeSnapshot', name: 's', apiGroup: 'snapshot.storage.k8s.io' };
  const refused: [what: string, Partial<PersistentVolumeClaimSpec>, errors: string[]][] = [
    ['no access mode', { accessModes: [] }, ['spec.accessModes: Required value: at least 1 access mode is required']],
    ['an unknown access mode', { accessModes: ['Any'] }, [`spec.accessModes: Unsupported value: "Any": ${modes}`]],
    [
      'one pod, and many',
      { accessModes: ['ReadWriteOncePod', 'ReadWriteMany'] },
      ['spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes'],
    ],
    ['no size', { resources: {} }, ['spec.resources[storage]: Required value']],
    [
      'nothing',
      { resources: { requests: { storage: '0' } } },
      ['spec.resources[storage]: Invalid value: "0": must be greater than zero'],
    ],
    [
      'an unknown mode',
      { volumeMode: 'Tape' },
      ['spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"'],
    ],
    ['a class that is no name', { storageClassName: 'A' }, [`spec.storageClassName: Invalid value: "A": ${subdomain}`]],
    [
      'a class of attributes that is no name',
      { volumeAttributesClassName: 'A' },
      [`spec.volumeAttributesClassName: Invalid value: "A": ${subdomain}`],
    ],
    [
      'a selector with an unknown operator',
      { selector: { matchExpressions: [{ key: 'a', operator: 'Like' }] } },
      ['spec.selector.matchExpressions[0].operator: Invalid value: "Like": not a valid selector operator'],
    ],
    [
      'two sources',
      { dataSource: snapshot, dataSourceRef: { ...snapshot, name: 't' } },
      ['spec: Invalid value: {}: must match dataSourceRef'],
    ],
    [
      'a source of the core group that is no claim',
      { dataSourceRef: { kind: 'ConfigMap', name: '' } },
      [
        'spec.dataSource.name: Required value',
        `spec.dataSource: Invalid value: "ConfigMap": must be 'PersistentVolumeClaim' when referencing the default apiGroup`,
        'spec.dataSourceRef.name: Required value',
        `spec.dataSourceRef: Invalid value: "ConfigMap": must be 'PersistentVolumeClaim' when referencing the default apiGroup`,
      ],
    ],
  ];
  for (const [what, spec, errors] of refused)
    it(`cannot ask for ${what}`, async () => {
      await rejects(strategy, claim(spec), ...errors);
    });

  const sources: [what: string, Partial<PersistentVolumeClaimSpec>, Partial<PersistentVolumeClaimSpec>][] = [
    ['a source to both fields', { dataSource: snapshot }, { dataSource: snapshot, dataSourceRef: snapshot }],
    ['a reference to both fields', { dataSourceRef: snapshot }, { dataSource: snapshot, dataSourceRef: snapshot }],
    ['a source of another kind nowhere', { dataSource: { kind: 'Tape', name: 't', apiGroup: 'x.io' } }, {}],
    ['a source in another namespace nowhere', { dataSourceRef: { ...snapshot, namespace: 'other' } }, {}],
  ];
  for (const [what, spec, expected] of sources)
    it(`writes ${what}`, async () => {
      const { dataSource, dataSourceRef } = (await create(strategy, claim(spec))).object.spec;
      assert.deepEqual(
        { ...(dataSource === undefined ? {} : { dataSource }), ...(dataSourceRef === undefined ? {} : { dataSourceRef }) },
        expected,
      );
    });

  it('warns of the old annotation and of parts of bytes', () => {
    const object = claim(
      { resources: { requests: { storage: '1500m' }, limits: { storage: '2' } } },
      { annotations: { [classAnnotation]: 'fast' } },
    );
    assert.deepEqual(strategy.warnings?.(object, undefined), [
      `metadata.annotations[${classAnnotation}]: deprecated since v1.8; use "storageClassName" attribute instead`,
      'spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer',
    ]);
  });
});

describe('an update of a claim', () => {
  const immutable =
    'spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n';

  it('prints what differs, in the names of upstream', async () => {
    const { errors } = await update(strategy, await bound(), ({ spec }) => {
      spec.storageClassName = 'slow';
    });
    assert.deepEqual(errors, [
      `${immutable}@@ -10,7 +10,7 @@\n   }\n  },\n  "VolumeName": "v",\n- "StorageClassName": "fast",\n+ "StorageClassName": "slow",\n  "VolumeMode": "Filesystem",\n  "DataSource": null,\n  "DataSourceRef": null,\n`,
    ]);
  });

  const cases: [what: string, change: (spec: PersistentVolumeClaimSpec) => void, errors: RegExp[], old?: object][] = [
    ['may grow it', (spec) => Object.assign(spec, { resources: { requests: { storage: '2Gi' } } }), []],
    [
      'may not shrink it to what it has',
      (spec) => Object.assign(spec, { resources: { requests: { storage: '1Gi' } } }),
      [/^spec\.resources\.requests\.storage: Forbidden: field can not be less than status\.capacity$/],
      { resources: { requests: { storage: '2Gi' } } },
    ],
    [
      'may take back a part of the growth',
      (spec) => Object.assign(spec, { resources: { requests: { storage: '1500Mi' } } }),
      [],
      { resources: { requests: { storage: '2Gi' } } },
    ],
    ['may change the class of attributes', (spec) => Object.assign(spec, { volumeAttributesClassName: 'gold' }), []],
    [
      'may not change access modes',
      (spec) => Object.assign(spec, { accessModes: ['ReadOnlyMany'] }),
      [/^spec: Forbidden: spec is/],
    ],
    ['may not change the volume', (spec) => Object.assign(spec, { volumeName: 'w' }), [/^spec: Forbidden: spec is/]],
    ['may not empty the class', (spec) => Object.assign(spec, { storageClassName: '' }), [/^spec: Forbidden: spec is/]],
    [
      'may not change the mode',
      (spec) => Object.assign(spec, { volumeMode: 'Block' }),
      [/^spec: Forbidden: spec is/, /^volumeMode: Invalid value: "Block": field is immutable$/],
    ],
    ['may not limit it', (spec) => Object.assign(spec.resources ?? {}, { limits: { storage: '5Gi' } }), [/^spec: Forbidden/]],
  ];
  for (const [what, change, expected, old] of cases)
    it(`of a bound one ${what}`, async () => {
      const { errors } = await update(strategy, await bound(old), ({ spec }) => change(spec));
      assert.equal(errors.length, expected.length, errors.join('\n'));
      expected.forEach((pattern, index) => assert.match(errors[index] ?? '', pattern));
    });

  it('of a pending one names the volume once and the class once, and does not grow it', async () => {
    const old = (await create(strategy, claim())).object;
    const named = await update(strategy, old, ({ spec }) => Object.assign(spec, { volumeName: 'v', storageClassName: 'fast' }));
    assert.deepEqual(named.errors, []);
    const again = await update(strategy, named.object, ({ spec }) => Object.assign(spec, { volumeName: 'w' }));
    assert.equal(again.errors.length, 1);
    const grown = await update(strategy, old, ({ spec }) => Object.assign(spec, { resources: { requests: { storage: '2Gi' } } }));
    assert.match(grown.errors.join(), /^spec: Forbidden: spec is immutable/);
  });

  it('moves the class from the annotation to the field, and changes the annotation no other way', async () => {
    const old = (await create(strategy, claim({}, { annotations: { [classAnnotation]: 'fast' } }))).object;
    const moved = await update(strategy, old, ({ spec }) => Object.assign(spec, { storageClassName: 'fast' }));
    assert.deepEqual(moved.errors, []);
    const other = await update(strategy, old, ({ metadata }) =>
      Object.assign(metadata, { annotations: { [classAnnotation]: 'slow' } }),
    );
    assert.deepEqual(other.errors, [`metadata.annotations.${classAnnotation}: Invalid value: "slow": field is immutable`]);
  });

  it('cannot take away a class of attributes that is in force', async () => {
    const old = await bound({ volumeAttributesClassName: 'gold' });
    Object.assign(old.status ?? {}, { currentVolumeAttributesClassName: 'gold' });
    const path = 'spec.volumeAttributesClassName: Forbidden: update to';
    const why = 'is forbidden when status.currentVolumeAttributesClassName is not nil';
    const gone = await update(strategy, old, ({ spec }) => {
      delete spec.volumeAttributesClassName;
    });
    assert.deepEqual(gone.errors, [`${path} nil ${why}`]);
    const empty = await update(strategy, old, ({ spec }) => Object.assign(spec, { volumeAttributesClassName: '' }));
    assert.deepEqual(empty.errors, [`${path} empty string ${why}`]);
  });
});

describe("a claim's status", () => {
  it('keeps the spec, and is checked', async () => {
    const { object, errors } = await update(
      strategy,
      await bound(),
      (one) => {
        one.spec.volumeName = 'w';
        one.status = {
          capacity: { storage: '-1' },
          allocatedResourceStatuses: { storage: 'Sometimes', memory: 'NodeResizePending' },
          allocatedResources: { cpu: '1', storage: '-2' },
        };
      },
      'status',
    );
    assert.equal(object.spec.volumeName, 'v');
    const states =
      '"ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", "NodeResizePending"';
    assert.deepEqual(errors, [
      'status.capacity[storage]: Invalid value: -1: must be a valid resource quantity',
      `status.allocatedResourceStatuses: Unsupported value: "storage": supported values: ${states}`,
      'status.allocatedResourceStatuses: Unsupported value: "memory": supported values: "storage"',
      'status.allocatedResources: Unsupported value: "cpu": supported values: "storage"',
      'status.allocatedResources[storage]: Invalid value: -2: must be a valid resource quantity',
    ]);
  });
});
