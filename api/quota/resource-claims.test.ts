import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { int64Value } from '../int64.ts';
import type { DeviceRequest } from '../types.generated.ts';
import { evaluatorOf, measuredResource, usageOf } from './usage.ts';

const resource = { group: 'resource.k8s.io', plural: 'resourceclaims' };
const claim = (...requests: DeviceRequest[]) => ({
  apiVersion: 'resource.k8s.io/v1',
  kind: 'ResourceClaim',
  metadata: { name: 'c', namespace: 'ns', uid: 'u', resourceVersion: '1', creationTimestamp: '' },
  spec: { devices: { requests } },
});

describe('resource claims', () => {
  it('count the devices of each class: of alternatives the most, of all devices 32', () => {
    const usage = evaluatorOf(resource)?.usage(
      claim(
        { name: 'a', exactly: { deviceClassName: 'gold', allocationMode: 'ExactCount', count: 2 } },
        { name: 'b', exactly: { deviceClassName: 'tin', allocationMode: 'All' } },
        {
          name: 'c',
          firstAvailable: [
            { name: 'x', deviceClassName: 'gold', allocationMode: 'ExactCount', count: 1 },
            { name: 'y', deviceClassName: 'gold', allocationMode: 'ExactCount', count: 3 },
          ],
        },
      ),
      0,
    );
    assert.deepEqual(usage, {
      'count/resourceclaims.resource.k8s.io': '1',
      'gold.deviceclass.resource.k8s.io/devices': '5',
      'tin.deviceclass.resource.k8s.io/devices': '32',
    });
  });
});

it('counts devices beyond what a number can hold', () => {
  const many = { deviceClassName: 'gold', allocationMode: 'ExactCount', count: int64Value(2n ** 63n - 1n) };
  const usage = evaluatorOf(resource)?.usage(
    claim(
      { name: 'a', exactly: many },
      {
        name: 'b',
        firstAvailable: [
          { ...many, name: 'x' },
          { ...many, name: 'y', count: 1 },
        ],
      },
    ),
    0,
  );
  assert.equal(usage?.['gold.deviceclass.resource.k8s.io/devices'], String(2n ** 64n - 2n));
});

describe('what a name of a quota measures', () => {
  const cases: [name: string, measured: string | undefined][] = [
    ['pods', 'pods.'],
    ['count/pods', 'pods.'],
    ['requests.example.com/gpu', 'pods.'],
    ['hugepages-2Mi', 'pods.'],
    ['services.nodeports', 'services.'],
    ['requests.storage', 'persistentvolumeclaims.'],
    ['gold.storageclass.storage.k8s.io/requests.storage', 'persistentvolumeclaims.'],
    ['gold.deviceclass.resource.k8s.io/devices', 'resourceclaims.resource.k8s.io'],
    ['secrets', 'secrets.'],
    ['count/deployments.apps', 'deployments.apps'],
    ['count/events', undefined],
    ['example.com/odd', undefined],
  ];
  for (const [name, expected] of cases)
    it(name, () => {
      const found = measuredResource(name);
      assert.equal(found && `${found.plural}.${found.group}`, expected);
    });
});

it('counting lets others in between hundreds of objects', async () => {
  let pauses = 0;
  const objects = Array.from({ length: 1200 }, () => claim());
  const used = await usageOf(
    { spec: { hard: { 'count/resourceclaims.resource.k8s.io': '1', 'count/absent.example.com': '1' } } },
    ({ plural }) => (plural === 'absent' ? undefined : objects),
    0,
    async () => void pauses++,
  );
  assert.deepEqual([used, pauses], [{ 'count/resourceclaims.resource.k8s.io': '1200' }, 2]);
});
