import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { IPAddress, ParentReference } from '#api/types.generated.ts';
import { nowMs, metadata as shownMetadata } from '../../columns.testing.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { ipAddressColumns } from './columns.ts';
import { ipAddressKind } from './strategy.ts';

const { strategy } = ipAddressKind;
const parent = { group: 'example.com', resource: 'gateways', namespace: 'ns', name: 'edge' };
const address = (name: string, parentRef: ParentReference | undefined = parent): IPAddress => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'IPAddress',
  metadata: systemMeta(name),
  spec: { parentRef } as IPAddress['spec'],
});

describe('IPAddresses', () => {
  for (const name of ['255.255.255.255', 'fe80::42:1dff:fe84:f9e2', '::'])
    it(`may be ${name}`, async () => {
      await rejects(strategy, address(name));
    });

  const named: [name: string, why: string][] = [
    ['web', 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
    ['10.0.0.01', 'must not have leading 0s'],
    ['::ffff:10.0.0.1', 'must not be an IPv4-mapped IPv6 address'],
    ['fd00:0::1', 'must be in canonical form ("fd00::1")'],
  ];
  for (const [name, why] of named)
    it(`cannot be ${name}`, async () => {
      await rejects(strategy, address(name), `metadata.name: Invalid value: ${JSON.stringify(name)}: ${why}`);
    });

  const [path, segment] = ['spec.parentRef', "may not contain '/'"];
  const parents: [what: string, parentRef: ParentReference, errors: string[]][] = [
    [
      'without resource and name',
      { resource: '', name: '' },
      [`${path}.resource: Required value`, `${path}.name: Required value`],
    ],
    [
      'with parts that are no names',
      { group: 'ex', resource: 'a/b', namespace: 'c/d', name: 'e/f' },
      [
        `${path}.resource: Invalid value: "a/b": ${segment}`,
        `${path}.name: Invalid value: "e/f": ${segment}`,
        `${path}.namespace: Invalid value: "c/d": ${segment}`,
      ],
    ],
  ];
  for (const [what, parentRef, errors] of parents)
    it(`cannot refer to something ${what}`, async () => {
      await rejects(strategy, address('10.0.0.1', parentRef), ...errors);
    });

  it('say who has them, and keep it', async () => {
    const none = address('10.0.0.1');
    none.spec = {} as IPAddress['spec'];
    await rejects(strategy, none, `${path}: Required value`);
    const { errors } = await update(strategy, address('10.0.0.1'), ({ spec }) => {
      spec.parentRef = { ...parent, name: 'other' };
    });
    assert.equal(errors.length, 1);
    assert.match(errors[0] ?? '', /^spec\.parentRef: Invalid value: .*: field is immutable$/);
  });

  it('add nothing to a name that is to be generated', async () => {
    const draft = address('10.0.0.1-abcde');
    draft.metadata.generateName = '10.0.0.1';
    const { object, errors } = await create(strategy, draft);
    assert.deepEqual([object.metadata.name, errors], ['10.0.0.1', []]);
  });

  it('show who has them', () => {
    const object = (parentRef: ParentReference): IPAddress => ({ ...address('x', parentRef), metadata: shownMetadata });
    assert.deepEqual(
      ipAddressColumns.columns.map(({ name }) => name),
      ['Name', 'ParentRef'],
    );
    const shown: [ParentReference, string][] = [
      [parent, 'gateways.example.com/ns/edge'],
      [{ resource: 'services', namespace: 'ns', name: 'web' }, 'services/ns/web'],
      [{ resource: 'Nodes', name: 'n1' }, 'nodes/n1'],
    ];
    for (const [parentRef, text] of shown) assert.deepEqual(ipAddressColumns.cells(object(parentRef), nowMs), ['x', text, '5m']);
  });
});
