import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PodSpec, RuntimeClass } from '#api/types.generated.ts';
import { cpuMs } from '#test/cpu-time.ts';
import { ask, objectOf } from '../admission.testing.ts';
import { runtimeClass } from './runtime-class.ts';

const pod = (spec: Partial<PodSpec>) => objectOf('Pod', 'p', 'ns', { spec });
const exists = { key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 60 };
const kata: Partial<RuntimeClass> = {
  handler: 'kata',
  overhead: { podFixed: { cpu: '100m' } },
  scheduling: { nodeSelector: { kata: 'yes' }, tolerations: [exists] },
};
const runc: Partial<RuntimeClass> = { handler: 'runc' };
const stored = Object.fromEntries(
  Object.entries({ kata, runc }).map(([name, one]) => [
    `runtimeclasses.node.k8s.io//${name}`,
    objectOf('RuntimeClass', name, undefined, { apiVersion: 'node.k8s.io/v1', ...one }),
  ]),
);
const filled = { runtimeClassName: 'kata', overhead: { cpu: '100m' }, nodeSelector: { kata: 'yes' }, tolerations: [exists] };
const forbidden = '403 pods "p" is forbidden:';

describe('RuntimeClass', () => {
  const cases: [what: string, Partial<PodSpec>, Partial<PodSpec> | string][] = [
    ['leaves a pod without a class alone', {}, {}],
    ['leaves a pod alone whose class says nothing', { runtimeClassName: 'runc' }, { runtimeClassName: 'runc' }],
    ['fills in what the class says', { runtimeClassName: 'kata' }, filled],
    ['takes the same overhead, however written', { runtimeClassName: 'kata', overhead: { cpu: '0.1' } }, filled],
    [
      'keeps other labels of the selector',
      { runtimeClassName: 'kata', nodeSelector: { disk: 'ssd' } },
      { ...filled, nodeSelector: { disk: 'ssd', kata: 'yes' } },
    ],
    [
      'leaves out a toleration that another one covers',
      {
        runtimeClassName: 'kata',
        tolerations: [{ key: 'a', operator: 'Equal', value: 'x', effect: 'NoExecute', tolerationSeconds: 5 }],
      },
      filled,
    ],
    [
      'keeps a toleration that lasts longer',
      { runtimeClassName: 'kata', tolerations: [{ ...exists, tolerationSeconds: 600 }] },
      { ...filled, tolerations: [{ ...exists, tolerationSeconds: 600 }] },
    ],
    ['refuses an unknown class', { runtimeClassName: 'gvisor' }, `${forbidden} pod rejected: RuntimeClass "gvisor" not found`],
    [
      'refuses another overhead',
      { runtimeClassName: 'kata', overhead: { cpu: '1' } },
      `${forbidden} pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead`,
    ],
    [
      'refuses an overhead that no class defines',
      { overhead: { cpu: '1' } },
      `${forbidden} pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead`,
    ],
    [
      'refuses another value of a label',
      { runtimeClassName: 'kata', nodeSelector: { kata: 'no' } },
      `${forbidden} conflict: runtimeClass.scheduling.nodeSelector[kata] = yes; pod.spec.nodeSelector[kata] = no`,
    ],
  ];
  it('merges thousands of tolerations in a moment, and keeps all of more', async () => {
    for (const [count, kept] of [
      [1900, 1901],
      [5000, 5002],
    ] as const) {
      const many = Array.from({ length: count }, (_, index) => ({ key: `k${index}`, operator: 'Exists', effect: 'NoSchedule' }));
      const tolerations = [...many, { ...many[0] }];
      const startMs = cpuMs();
      const answer = await ask(runtimeClass(), 'create', { object: pod({ runtimeClassName: 'kata', tolerations }), stored });
      assert.equal((answer as unknown as { spec: PodSpec }).spec.tolerations?.length, kept);
      assert.ok(cpuMs() - startMs < 5000, `${cpuMs() - startMs} ms`);
    }
  });
  for (const [what, spec, after] of cases) {
    it(what, async () => {
      const answer = await ask(runtimeClass(), 'create', { object: pod(spec), stored });
      assert.deepEqual(answer, typeof after === 'string' ? after : pod(after));
    });
  }
});
