import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Node } from '#api/types.generated.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { nodeKind } from './strategy.ts';

describe('nodes', () => {
  const node = (spec: Node['spec'] = {}, status?: Node['status']): Node => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: systemMeta('w1'),
    spec,
    ...(status === undefined ? {} : { status }),
  });

  it('start out not ready, with what they can give equal to what they have', async () => {
    const { object, errors } = await create(nodeKind.strategy, node({ podCIDR: '10.1.0.0/24' }, { capacity: { cpu: '2' } }));
    assert.deepEqual(errors, []);
    assert.deepEqual(object.spec, {
      podCIDR: '10.1.0.0/24',
      podCIDRs: ['10.1.0.0/24'],
      taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }],
    });
    assert.deepEqual(object.status, { capacity: { cpu: '2' }, allocatable: { cpu: '2' } });
  });

  it('refuse taints twice and unknown effects', async () => {
    const taint = { key: 'a', value: 'x', effect: 'NoSchedule' };
    await rejects(
      nodeKind.strategy,
      node({ taints: [taint, taint, { key: 'b', effect: 'Explode' }] }),
      'metadata.taints[1]: Duplicate value: {"Key":"a","Value":"x","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair',
      'metadata.taints[2].effect: Unsupported value: "Explode": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
    );
  });

  it('keep their pod CIDR and provider ID', async () => {
    const { errors } = await update(nodeKind.strategy, node({ podCIDRs: ['10.1.0.0/24'], providerID: 'a' }), ({ spec }) => {
      spec.podCIDR = '10.2.0.0/24';
      spec.providerID = 'b';
    });
    assert.deepEqual(errors, [
      'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
      'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
    ]);
  });

  it('refuse pod CIDRs with bits beyond the prefix', async () => {
    await rejects(
      nodeKind.strategy,
      node({ podCIDRs: ['10.1.0.1/24'] }),
      'spec.podCIDRs[0]: Invalid value: "10.1.0.1/24": must not have bits set beyond the prefix length',
    );
  });

  it('are selected by whether they take pods', () => {
    assert.deepEqual(nodeKind.strategy.fields?.(node({ unschedulable: true })), { 'spec.unschedulable': 'true' });
  });
});
