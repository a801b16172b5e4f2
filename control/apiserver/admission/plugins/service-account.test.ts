import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KubeObject } from '#api/meta.ts';
import type { Pod, PodSpec } from '#api/types.generated.ts';
import { ask, objectOf } from '../admission.testing.ts';
import { serviceAccount } from './service-account.ts';

const plugin = serviceAccount({ random: () => 0 });
const pod = (spec: Partial<PodSpec>, annotations?: Record<string, string>): KubeObject => {
  const made = objectOf('Pod', 'p', 'ns', { spec: { containers: [{ name: 'c', image: 'i' }], ...spec } });
  return annotations === undefined ? made : { ...made, metadata: { ...made.metadata, annotations } };
};
const stored = {
  'serviceaccounts/ns/default': objectOf('ServiceAccount', 'default', 'ns', { imagePullSecrets: [{ name: 'pull' }] }),
  'serviceaccounts/ns/quiet': objectOf('ServiceAccount', 'quiet', 'ns', { automountServiceAccountToken: false }),
};
const made = async (spec: Partial<PodSpec>): Promise<PodSpec> => {
  const found = await ask(plugin, 'create', { object: pod(spec), stored });
  assert.ok(typeof found === 'object', String(found));
  return (found as Pod).spec;
};

describe('ServiceAccount', () => {
  it('gives a pod the default account, its pull secrets and its token', async () => {
    const spec = await made({});
    assert.deepEqual(
      [spec.serviceAccountName, spec.serviceAccount, spec.imagePullSecrets],
      ['default', 'default', [{ name: 'pull' }]],
    );
    const mounts = spec.containers[0]?.volumeMounts?.map(({ mountPath }) => mountPath);
    assert.deepEqual(mounts, ['/var/run/secrets/kubernetes.io/serviceaccount']);
    assert.equal(spec.volumes?.length, 1);
  });

  it('mounts no token where account or pod say so; the pod has the last word', async () => {
    assert.equal((await made({ serviceAccountName: 'quiet' })).volumes, undefined);
    assert.equal((await made({ automountServiceAccountToken: false })).volumes, undefined);
    assert.equal((await made({ serviceAccountName: 'quiet', automountServiceAccountToken: true })).volumes?.length, 1);
  });

  it('keeps pull secrets that the pod names', async () => {
    assert.deepEqual((await made({ imagePullSecrets: [{ name: 'mine' }] })).imagePullSecrets, [{ name: 'mine' }]);
  });

  const mirror = { 'kubernetes.io/config.mirror': 'x' };
  const cases: [what: string, Partial<PodSpec>, annotations: Record<string, string> | undefined, why: string][] = [
    [
      'an account that does not exist',
      { serviceAccountName: 'robot' },
      undefined,
      'error looking up service account ns/robot: serviceaccount "robot" not found',
    ],
    [
      'a mirror pod with an account',
      { serviceAccountName: 'default' },
      mirror,
      'a mirror pod may not reference service accounts',
    ],
    [
      'a mirror pod with a secret',
      { volumes: [{ name: 'v', secret: { secretName: 's' } }] },
      mirror,
      'a mirror pod may not reference secrets',
    ],
    [
      'a mirror pod with a token',
      { volumes: [{ name: 'v', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }] },
      mirror,
      'a mirror pod may not use ServiceAccountToken volume projections',
    ],
  ];
  for (const [what, spec, annotations, why] of cases) {
    it(`refuses ${what}`, async () => {
      const found = await ask(plugin, 'create', { object: pod(spec, annotations), stored });
      assert.equal(found, `403 pods "p" is forbidden: ${why}`);
    });
  }

  it('looks again when everything else is good: what other plugins did counts', async () => {
    const told = { object: pod({ serviceAccountName: 'robot' }), operation: 'create' as const };
    const { mutate: _, ...looking } = plugin;
    assert.equal(
      await ask(looking, 'create', { ...told, stored }),
      '403 pods "p" is forbidden: error looking up service account ns/robot: serviceaccount "robot" not found',
    );
  });

  it('leaves mirror pods, updates and subresources as they are', async () => {
    assert.deepEqual(await ask(plugin, 'create', { object: pod({}, mirror) }), pod({}, mirror));
    assert.deepEqual(await ask(plugin, 'update', { object: pod({}), old: pod({}) }), pod({}));
    assert.deepEqual(await ask(plugin, 'create', { object: pod({}), subresource: 'binding' }), pod({}));
  });
});
