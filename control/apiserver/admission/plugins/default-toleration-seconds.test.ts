import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Toleration } from '#api/types.generated.ts';
import { ask, objectOf } from '../admission.testing.ts';
import { defaultTolerationSeconds } from './default-toleration-seconds.ts';

const pod = (tolerations?: Toleration[]) =>
  objectOf('Pod', 'p', 'ns', { spec: tolerations === undefined ? {} : { tolerations } });
const added = (reason: string, tolerationSeconds: number): Toleration => ({
  key: `node.kubernetes.io/${reason}`,
  operator: 'Exists',
  effect: 'NoExecute',
  tolerationSeconds,
});

describe('DefaultTolerationSeconds', () => {
  const plugin = defaultTolerationSeconds({ notReady: 20, unreachable: 30 });
  const own: Toleration = { key: 'node.kubernetes.io/not-ready', operator: 'Exists' };
  const cases: [what: string, before: Toleration[] | undefined, after: Toleration[]][] = [
    ['both', undefined, [added('not-ready', 20), added('unreachable', 30)]],
    ['what is missing', [own], [own, added('unreachable', 30)]],
    ['nothing to a pod that tolerates everything', [{ operator: 'Exists' }], [{ operator: 'Exists' }]],
    [
      'both where another effect is tolerated',
      [{ operator: 'Exists', effect: 'NoSchedule' }],
      [{ operator: 'Exists', effect: 'NoSchedule' }, added('not-ready', 20), added('unreachable', 30)],
    ],
  ];
  for (const [what, before, after] of cases) {
    it(`adds ${what}, on create and on update`, async () => {
      assert.deepEqual(await ask(plugin, 'create', { object: pod(before) }), pod(after));
      assert.deepEqual(await ask(plugin, 'update', { object: pod(before), old: pod(after) }), pod(after));
    });
  }

  it('says 300 seconds by default, and nothing on subresources', async () => {
    assert.deepEqual(
      await ask(defaultTolerationSeconds(), 'create', { object: pod() }),
      pod([added('not-ready', 300), added('unreachable', 300)]),
    );
    assert.deepEqual(await ask(plugin, 'update', { object: pod(), old: pod(), subresource: 'status' }), pod());
  });
});
