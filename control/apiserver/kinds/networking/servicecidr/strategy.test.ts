import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ServiceCIDR } from '#api/types.generated.ts';
import { row, metadata as shownMetadata } from '../../columns.testing.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { serviceCidrColumns } from './columns.ts';
import { serviceCidrKind } from './strategy.ts';

const { strategy } = serviceCidrKind;
const ready = { type: 'Ready', status: 'True', reason: '', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' };
const serviceCidr = (...cidrs: string[]): ServiceCIDR => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'ServiceCIDR',
  metadata: systemMeta('more'),
  spec: { cidrs },
  status: { conditions: [ready] },
});

describe('ServiceCIDRs', () => {
  it('begin without a status', async () => {
    const { object, errors } = await create(strategy, serviceCidr('10.1.0.0/16', 'fd00:1::/112'));
    assert.deepEqual([errors, object.status], [[], {}]);
  });

  const refused: [cidrs: string[], errors: string[]][] = [
    [[], ['spec.cidrs: Required value: at least one CIDR required']],
    [
      ['10.1.0.0/16', 'fd00::/112', '10.2.0.0/16'],
      ['spec.cidrs: Invalid value: {"CIDRs":["10.1.0.0/16","fd00::/112","10.2.0.0/16"]}: may only hold up to 2 values'],
    ],
    [['10.1.0.0'], ['spec.cidrs[0]: Invalid value: "10.1.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)']],
    [['10.1.0.1/16'], ['spec.cidrs[0]: Invalid value: "10.1.0.1/16": must not have bits set beyond the prefix length']],
    [['010.1.0.0/16'], ['spec.cidrs[0]: Invalid value: "010.1.0.0/16": must not have leading 0s in IP or prefix length']],
    [['::ffff:10.1.0.0/112'], ['spec.cidrs[0]: Invalid value: "::ffff:10.1.0.0/112": must not have an IPv4-mapped IPv6 address']],
    [['FD00::0/64'], ['spec.cidrs[0]: Invalid value: "FD00::0/64": must be in canonical form ("fd00::/64")']],
    [
      ['10.1.0.0/16', '10.2.0.0/16'],
      [
        'spec.cidrs: Invalid value: ["10.1.0.0/16","10.2.0.0/16"]: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64',
      ],
    ],
  ];
  for (const [cidrs, errors] of refused)
    it(`cannot be ${cidrs.join(' and ') || 'empty'}`, async () => {
      await rejects(strategy, serviceCidr(...cidrs), ...errors);
    });

  const changes: [from: string[], to: string[], errors: string[]][] = [
    [['10.1.0.0/16'], ['10.1.0.0/16'], []],
    [['10.1.0.0/16'], ['10.2.0.0/16'], ['spec.cidrs[0]: Invalid value: "10.2.0.0/16": field is immutable']],
    [['10.1.0.0/16'], ['10.1.0.0/16', 'fd00::/112'], []],
    [['10.1.0.0/16'], ['fd00::/112', '10.1.0.0/16'], ['spec.cidrs[0]: Invalid value: "fd00::/112": field is immutable']],
    [['10.1.0.0/16', 'fd00::/112'], ['10.1.0.0/16'], ['spec.cidrs: Invalid value: ["10.1.0.0/16"]: field is immutable']],
    [['10.1.0.0/16'], [], ['spec.cidrs: Invalid value: []: field is immutable']],
  ];
  for (const [from, to, errors] of changes)
    it(`that are ${from.join(' and ')} ${errors.length === 0 ? 'may' : 'cannot'} become ${to.join(' and ')}`, async () => {
      const change = await update(strategy, serviceCidr(...from), (object) => {
        object.spec.cidrs = to;
        object.status = {};
      });
      assert.deepEqual([change.errors, change.object.status], [errors, { conditions: [ready] }]);
    });

  it('keep all but the status on a write of that', async () => {
    const { object, errors } = await update(
      strategy,
      serviceCidr('10.1.0.0/16'),
      (one) => {
        one.metadata.labels = { a: 'b' };
        one.spec.cidrs = [];
        one.status = { conditions: [{ ...ready, status: 'False' }] };
      },
      'status',
    );
    assert.deepEqual([errors, object.spec.cidrs, object.metadata.labels], [[], ['10.1.0.0/16'], undefined]);
    assert.equal(object.status?.conditions?.[0]?.status, 'False');
  });

  it('show their ranges', () => {
    const object = { ...serviceCidr('10.1.0.0/16', 'fd00::/112'), metadata: shownMetadata };
    assert.deepEqual(row(serviceCidrColumns, object), { Name: 'x', CIDRs: '10.1.0.0/16,fd00::/112', Age: '5m' });
  });
});
