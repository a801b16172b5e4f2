import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Container } from '#api/types.generated.ts';
import { type PodFixture, pod } from './objects.testing.ts';
import { podResources } from './resources.ts';

const init = (cpu: string, sidecar = false): Container => ({
  name: `i${cpu}${sidecar}`,
  image: 'i',
  ...(sidecar ? { restartPolicy: 'Always' } : {}),
  resources: { requests: { cpu } },
});
const resized = (spec: string, has: string, reason?: string): PodFixture => ({
  cpu: spec,
  status: {
    containerStatuses: [
      { name: 'main', image: 'web', imageID: '', ready: true, restartCount: 0, resources: { requests: { cpu: has } } },
    ],
    conditions: reason === undefined ? [] : [{ type: 'PodResizePending', status: 'True', reason }],
  },
});

describe('podResources', () => {
  const cases: [string, PodFixture, number][] = [
    ['containers', { cpu: '250m' }, 250],
    ['an init container that is larger', { cpu: '1', initContainers: [init('3')] }, 3000],
    ['an init container that is smaller', { cpu: '3', initContainers: [init('1')] }, 3000],
    ['sidecars with the containers', { cpu: '1', initContainers: [init('1', true)] }, 2000],
    ['an init container after a sidecar', { cpu: '1', initContainers: [init('1', true), init('3')] }, 4000],
    ['an init container before a sidecar', { cpu: '1', initContainers: [init('3'), init('1', true)] }, 3000],
    ['overhead on top', { cpu: '1', overhead: { cpu: '10m' } }, 1010],
    ['the request of the pod instead', { cpu: '1', resources: { requests: { cpu: '5' } } }, 5000],
    ['a container that is growing', resized('3', '1'), 3000],
    ['a container that is shrinking', resized('1', '3'), 3000],
    ['a container that cannot grow', resized('3', '1', 'Infeasible'), 1000],
  ];
  for (const [what, fixture, expected] of cases) {
    it(`counts ${what}`, () => assert.equal(podResources(pod('p', fixture)).requested.cpu, expected));
  }

  it('counts 100m and 200Mi, only for scores, when a container requests nothing', () => {
    const { requested, nonZero } = podResources(pod('p', { cpu: '1' }));
    assert.deepEqual([requested, nonZero], [{ cpu: 1000 }, { cpu: 1000, memory: 200 * 1024 ** 2 }]);
  });
});
