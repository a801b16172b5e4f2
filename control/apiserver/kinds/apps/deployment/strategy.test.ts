import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Deployment, DeploymentSpec } from '#api/types.generated.ts';
import { create, systemMeta, update } from '../../strategy.testing.ts';
import { defaultedTemplate, labels, template } from '../../template.testing.ts';
import { deploymentKind } from './strategy.ts';

const deployment = (spec: Partial<DeploymentSpec> = {}): Deployment => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: systemMeta('web', 'ns'),
  spec: {
    selector: { matchLabels: labels },
    template,
    ...spec,
  },
});
const stored = async (spec?: Partial<DeploymentSpec>): Promise<Deployment> =>
  (await create(deploymentKind.strategy, deployment(spec))).object;

describe('deployments', () => {
  it('get what upstream fills in', async () => {
    const { object, errors } = await create(deploymentKind.strategy, { ...deployment(), status: { replicas: 7 } });
    assert.deepEqual(errors, []);
    assert.deepEqual(object, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { ...systemMeta('web', 'ns'), generation: 1 },
      spec: {
        progressDeadlineSeconds: 600,
        replicas: 1,
        revisionHistoryLimit: 10,
        selector: { matchLabels: labels },
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
        template: defaultedTemplate,
      },
      status: {},
    });
  });

  it('keep 0 replicas and a given surge', async () => {
    const { spec } = await stored({ replicas: 0, strategy: { rollingUpdate: { maxSurge: 0 } } });
    assert.deepEqual([spec.replicas, spec.strategy?.rollingUpdate], [0, { maxUnavailable: '25%', maxSurge: 0 }]);
  });

  for (const [what, spec, ...expected] of [
    ['negative replicas', { replicas: -1 }, 'spec.replicas: Invalid value: -1: must be greater than or equal to 0'],
    [
      'a selector that does not match',
      { selector: { matchLabels: { app: 'db' } } },
      'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
    ],
    ['an empty selector', { selector: {} }, 'spec.selector: Invalid value: {}: empty selector is invalid for deployment'],
    [
      'no selector',
      { selector: undefined },
      'spec.selector: Required value',
      'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
    ],
    [
      'an unknown operator',
      { selector: { matchExpressions: [{ key: 'app', operator: 'Like' }] } },
      'spec.selector.matchExpressions[0].operator: Invalid value: "Like": not a valid selector operator',
      'spec.selector: Invalid value: {"matchExpressions":[{"key":"app","operator":"Like"}]}: invalid label selector',
    ],
    [
      'no surge and no unavailability',
      { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } },
      'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0',
    ],
    [
      'a percentage without its sign',
      { strategy: { rollingUpdate: { maxSurge: 'half' } } },
      "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"half\": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
    ],
    [
      'more than all unavailable',
      { strategy: { rollingUpdate: { maxUnavailable: '150%' } } },
      'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "150%": must not be greater than 100%',
    ],
    [
      'rolling parameters for Recreate',
      { strategy: { type: 'Recreate', rollingUpdate: {} } },
      "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
    ],
    [
      'an unknown strategy',
      { strategy: { type: 'BlueGreen' } },
      'spec.strategy: Unsupported value: {"Type":"BlueGreen","RollingUpdate":null}: supported values: "Recreate", "RollingUpdate"',
    ],
    [
      'a deadline before readiness',
      { minReadySeconds: 600 },
      'spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds',
    ],
    [
      'pods that do not restart',
      { template: { metadata: { labels }, spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'x' }] } } },
      'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ],
    [
      'a template with a bad container',
      { template: { metadata: { labels }, spec: { containers: [{ name: 'c' }] } } },
      'spec.template.spec.containers[0].image: Required value',
    ],
  ] as [string, Partial<DeploymentSpec>, ...string[]][]) {
    it(`refuse ${what}`, async () =>
      assert.deepEqual((await create(deploymentKind.strategy, deployment(spec))).errors, expected));
  }

  it('do not change their selector', async () => {
    const { errors } = await update(deploymentKind.strategy, await stored(), ({ spec }) => {
      spec.selector = { matchLabels: { app: 'web', tier: 'front' } };
      spec.template.metadata = { labels: { app: 'web', tier: 'front' } };
    });
    assert.deepEqual(errors, ['spec.selector: Invalid value: {"matchLabels":{"app":"web","tier":"front"}}: field is immutable']);
  });

  it('raise the generation with spec or annotations, not with labels or status', async () => {
    const old = await stored();
    const generation = async (
      change: (object: Deployment) => void,
      subresource: '' | 'status' = '',
    ): Promise<number | undefined> =>
      (await update(deploymentKind.strategy, old, change, subresource)).object.metadata.generation;
    assert.equal(await generation(({ spec }) => void (spec.replicas = 3)), 2);
    assert.equal(await generation(({ metadata }) => void (metadata.annotations = { a: 'b' })), 2);
    assert.equal(await generation(({ metadata }) => void (metadata.labels = { a: 'b' })), 1);
    assert.equal(await generation((object) => void (object.status = { replicas: 1 }), 'status'), 1);
  });

  it('keep the spec on /status, and refuse counts that do not add up', async () => {
    const old = await stored();
    const { object, errors } = await update(
      deploymentKind.strategy,
      old,
      (changed) => {
        changed.spec.replicas = 9;
        changed.status = { replicas: 1, readyReplicas: 2, availableReplicas: 3 };
      },
      'status',
    );
    assert.deepEqual(object.spec, old.spec);
    assert.deepEqual(errors, [
      'status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas',
      'status.availableReplicas: Invalid value: 3: cannot be greater than status.replicas',
      'status.availableReplicas: Invalid value: 3: cannot be greater than readyReplicas',
    ]);
  });

  it('warn of what is valid and surely not meant', async () => {
    const object = await stored({
      template: {
        metadata: { labels },
        spec: {
          nodeSelector: { 'beta.kubernetes.io/os': 'linux' },
          containers: [
            {
              name: 'c',
              image: 'x',
              env: [
                { name: 'A', value: '1' },
                { name: 'A', value: '2' },
              ],
              ports: [{ containerPort: 80, name: 'http' }],
            },
            {
              name: 'd',
              image: 'x',
              env: [
                { name: 'P', value: '1' },
                { name: 'P', value: '$(P):2' },
              ],
              ports: [{ containerPort: 80, name: 'http' }],
            },
          ],
        },
      },
    });
    assert.deepEqual(deploymentKind.strategy.warnings?.(object, undefined), [
      'spec.template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
      'spec.template.spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
      'spec.template.spec.containers[1].ports[0]: duplicate port definition with spec.template.spec.containers[0].ports[0]',
      'spec.template.spec.containers[1].ports[0]: duplicate port name "http" with spec.template.spec.containers[0].ports[0], services and probes that select ports by name will use spec.template.spec.containers[0].ports[0]',
    ]);
    assert.deepEqual(deploymentKind.strategy.warnings?.(object, object), []);
  });
});
