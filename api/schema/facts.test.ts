import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type FieldType, hasType, typeFacts, typeForKind, typeNames } from './facts.ts';
import { zeroOf } from './zeros.ts';

const innermost = (type: FieldType): FieldType =>
  type.kind === 'list' ? innermost(type.item) : type.kind === 'map' ? innermost(type.value) : type;

describe('schema facts', () => {
  it('every type parses and refers only to existing types', () => {
    for (const name of typeNames()) {
      for (const field of typeFacts(name).fields) {
        const type = innermost(field.type);
        if (type.kind === 'ref') assert.ok(hasType(type.name), `${name}.${field.name}: ${type.name}`);
      }
    }
  });

  it('no two fields of a type share a place in protobuf', () => {
    for (const name of typeNames()) {
      const paths = typeFacts(name)
        .fields.map(({ protoPath }) => protoPath.join('.'))
        .filter((path) => path !== '');
      assert.equal(new Set(paths).size, paths.length, name);
    }
  });

  it('every type has a finite zero: no struct contains itself except by pointer', () => {
    for (const name of typeNames()) assert.equal(typeof zeroOf({ kind: 'ref', name }), 'object');
  });

  it('returns all facts about a field', () => {
    const pod = typeFacts('core/v1.Pod');
    assert.deepEqual(pod.kinds, [{ group: '', version: 'v1', kind: 'Pod' }]);
    assert.equal(pod.goName, 'Pod');
    const containers = typeFacts('core/v1.PodSpec').byName.get('containers');
    assert.deepEqual(containers, {
      name: 'containers',
      protoPath: [2],
      type: { kind: 'list', item: { kind: 'ref', name: 'core/v1.Container' } },
      required: true,
      written: true,
      pointer: false,
      listType: 'map',
      keys: ['name'],
      mapType: undefined,
      patchStrategy: ['merge'],
      mergeKey: 'name',
      default: undefined,
      zero: undefined,
      bare: false,
      goType: undefined,
    });
    assert.deepEqual(typeFacts('core/v1.Probe').byName.get('httpGet')?.protoPath, [1, 2]);
    assert.equal(typeFacts('core/v1.ContainerPort').byName.get('protocol')?.default, 'TCP');
    assert.equal(typeFacts('admissionregistration/v1.RuleWithOperations').byName.get('scope')?.pointer, true);
    assert.equal(typeFacts('meta/v1.LabelSelector').mapType, 'atomic');
  });

  const kinds: [apiVersion: string, kind: string, name: string | undefined][] = [
    ['v1', 'Pod', 'core/v1.Pod'],
    ['v1', 'PodList', 'core/v1.PodList'],
    ['apps/v1', 'Deployment', 'apps/v1.Deployment'],
    ['events.k8s.io/v1', 'Event', 'events/v1.Event'],
    ['v1', 'Status', 'meta/v1.Status'],
    ['v1', 'DeleteOptions', 'meta/v1.DeleteOptions'],
    ['apps/v1', 'DeleteOptions', 'meta/v1.DeleteOptions'],
    ['apps/v1', 'WatchEvent', 'meta/v1.WatchEvent'],
    ['autoscaling/v1', 'Scale', 'autoscaling/v1.Scale'],
    ['meta.k8s.io/v1', 'PartialObjectMetadataList', 'meta/v1.PartialObjectMetadataList'],
    ['v2', 'Pod', undefined],
    ['apps/v1', 'Pod', undefined],
  ];
  for (const [apiVersion, kind, name] of kinds) {
    it(`${kind} of ${apiVersion} is ${name}`, () => assert.equal(typeForKind(apiVersion, kind), name));
  }

  it('refuses a type that it does not know', () => {
    assert.throws(() => typeFacts('core/v1.Nonsense'), /unknown type "core\/v1.Nonsense"/);
  });
});
