import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ApiError } from '#api/status.ts';
import { attributesOf, type HarnessOptions, testContext } from '../../kinds/strategy.testing.ts';
import { ask, objectOf } from '../admission.testing.ts';
import { nodeDeclaredFeatureValidator } from './node-declared-features.ts';
import { podResizeValidator } from './pod-resize-validator.ts';

const features = ['InPlacePodLevelResourcesVerticalScaling', 'InPlacePodVerticalScalingInitContainers'];
const stored = {
  'nodes//linux': objectOf('Node', 'linux', undefined, {
    status: { allocatable: { cpu: '2', memory: '1Gi' }, declaredFeatures: features },
  }),
  'nodes//old': objectOf('Node', 'old', undefined, { status: { allocatable: { cpu: '2', memory: '1Gi' } } }),
  'nodes//windows': { ...objectOf('Node', 'windows'), metadata: { name: 'windows', labels: { 'kubernetes.io/os': 'windows' } } },
} as unknown as NonNullable<HarnessOptions['stored']>;

const pod = (requests: object, nodeName: string | undefined, generation: number, more: object = {}) => {
  const made = objectOf('Pod', 'p', 'ns', { spec: { nodeName, containers: [{ name: 'c', resources: { requests } }], ...more } });
  made.metadata.generation = generation;
  return made;
};
const old = (nodeName = 'linux') => pod({ cpu: '1' }, nodeName, 1);
const refused = '403 pods "p" is forbidden:';

describe('PodResizeValidator', () => {
  const cases: [what: string, requests: object, nodeName: string | undefined, refusal?: string][] = [
    ['what fits', { cpu: '2', memory: '1Gi' }, 'linux'],
    ['anything before the pod has a node', { cpu: '100' }, undefined],
    [
      'too much CPU',
      { cpu: '2001m' },
      'linux',
      `${refused} node didn't have enough allocatable resources: cpu, requested: 2001, allocatable: 2000`,
    ],
    [
      'too much of both',
      { cpu: '3', memory: '2Gi' },
      'linux',
      `${refused} node didn't have enough allocatable resources: cpu, requested: 3000, allocatable: 2000; memory, requested: 2147483648, allocatable: 1073741824`,
    ],
    [
      'absurd amounts',
      { memory: '1E' },
      'linux',
      `${refused} node didn't have enough allocatable resources: memory, requested: 1000000000000000000, allocatable: 1073741824`,
    ],
    ['a node that is gone', { cpu: '1m' }, 'gone', `${refused} node "gone" not found`],
    [
      'a node of Windows',
      { cpu: '1m' },
      'windows',
      `${refused} pod resize is only supported on linux nodes, node "windows" is "windows"`,
    ],
  ];
  for (const [what, requests, nodeName, refusal] of cases)
    it(`${refusal === undefined ? 'lets pass' : 'refuses'} ${what}`, async () => {
      const object = pod(requests, nodeName, 2);
      const answer = await ask(podResizeValidator(), 'update', { object, old: old(nodeName), stored, subresource: 'resize' });
      assert.deepEqual(answer, refusal ?? object);
    });

  it('does not look at what changes nothing, and at no other write', async () => {
    const [same, other] = [pod({ cpu: '9' }, 'linux', 1), pod({ cpu: '9' }, 'linux', 2)];
    assert.deepEqual(
      await ask(podResizeValidator(), 'update', { object: same, old: old(), stored, subresource: 'resize' }),
      same,
    );
    assert.deepEqual(await ask(podResizeValidator(), 'update', { object: other, old: old(), stored }), other);
  });

  it('says why in a cause that programs read', async () => {
    const attributes = attributesOf('update', pod({ cpu: '3' }, 'linux', 2), old(), 'resize');
    await assert.rejects(
      async () => await podResizeValidator().validate?.(attributes, testContext({ stored })),
      (error) => error instanceof ApiError && error.status.details?.causes?.[0]?.reason === 'NodeCapacity',
    );
  });
});

describe('NodeDeclaredFeatureValidator', () => {
  const initContainers = (cpu: string, more: object = {}) => ({
    initContainers: [{ name: 'i', resources: { requests: { cpu } }, ...more }],
  });
  const ofPod = (cpu: string) => ({ resources: { requests: { cpu } } });
  const cases: [what: string, before: object, after: object, missing?: string][] = [
    ['init containers', initContainers('1'), initContainers('2'), 'InPlacePodVerticalScalingInitContainers'],
    ['pod-level resources', ofPod('1'), ofPod('2'), 'InPlacePodLevelResourcesVerticalScaling'],
    ['both', { ...initContainers('1'), ...ofPod('1') }, { ...initContainers('2'), ...ofPod('2') }, features.join(', ')],
    ['sidecars', initContainers('1', { restartPolicy: 'Always' }), initContainers('2', { restartPolicy: 'Always' })],
  ];
  for (const [what, before, after, missing] of cases)
    it(`knows what a resize of ${what} needs of the node`, async () => {
      const answer = async (node: string): Promise<unknown> => {
        const object = pod({ cpu: '1' }, node, 2, after);
        const asked = { object, old: pod({ cpu: '1' }, node, 1, before), stored, subresource: 'resize' };
        const given = await ask(nodeDeclaredFeatureValidator(), 'update', asked);
        return typeof given === 'string' ? given : undefined;
      };
      assert.equal(await answer('linux'), undefined);
      const why = `${refused} pod update requires features ${missing} which are not available on node "old"`;
      assert.equal(await answer('old'), missing === undefined ? undefined : why);
    });
});
