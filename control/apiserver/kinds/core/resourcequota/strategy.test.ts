import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ResourceQuota, ResourceQuotaSpec, ScopedResourceSelectorRequirement } from '#api/types.generated.ts';
import { create, rejects, systemMeta, update } from '../../strategy.testing.ts';
import { resourceQuotaKind } from './strategy.ts';

const { strategy } = resourceQuotaKind;
const quota = (spec: ResourceQuotaSpec, status: ResourceQuota['status'] = {}): ResourceQuota => ({
  apiVersion: 'v1',
  kind: 'ResourceQuota',
  metadata: systemMeta('q', 'ns'),
  spec,
  status,
});
const select = (...matchExpressions: ScopedResourceSelectorRequirement[]): ResourceQuotaSpec['scopeSelector'] => ({
  matchExpressions,
});
const at = 'spec.scopeSelector.matchExpressions';

describe('resource quotas', () => {
  it('begin without status, and keep it on update', async () => {
    const { object, errors } = await create(strategy, quota({ hard: { pods: '1' } }, { used: { pods: '1' } }));
    assert.deepEqual([object.status, errors], [{}, []]);
    const old = { ...object, status: { used: { pods: '1' } } };
    const changed = await update(strategy, old, (one) => {
      one.spec.hard = { pods: '2' };
      delete one.status;
    });
    assert.deepEqual([changed.object.status, changed.errors], [old.status, []]);
    const reported = await update(
      strategy,
      old,
      (one) => {
        one.spec.hard = {};
        one.status = { hard: { pods: '-1' }, used: { pods: '1' } };
      },
      'status',
    );
    assert.deepEqual(reported.object.spec, old.spec);
    assert.deepEqual(reported.errors, ['status.hard[pods]: Invalid value: "-1": must be greater than or equal to 0']);
  });

  it('keep their scopes', async () => {
    const { object } = await create(strategy, quota({ hard: { pods: '1' }, scopes: ['BestEffort'] }));
    const { errors } = await update(strategy, object, ({ spec }) => {
      spec.scopes = ['NotBestEffort'];
    });
    assert.deepEqual(errors, ['spec.scopes: Invalid value: ["NotBestEffort"]: field is immutable']);
  });

  it('may limit every counted, computed and extended resource', async () => {
    const names = [
      'pods',
      'requests.storage',
      'services.nodeports',
      'count/deployments.apps',
      'requests.example.com/gpu',
      'hugepages-2Mi',
      'requests.hugepages-2Mi',
      'gold.storageclass.storage.k8s.io/requests.storage',
    ];
    await rejects(strategy, quota({ hard: Object.fromEntries(names.map((name) => [name, '2'])) }));
  });

  const refused: [what: string, spec: ResourceQuotaSpec, errors: string[]][] = [
    ['a part of a pod', { hard: { pods: '1500m' } }, ['spec.hard[pods]: Invalid value: "1500m": must be an integer']],
    [
      'storage of volumes',
      { hard: { storage: '1' } },
      ['spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota'],
    ],
    ['an unknown scope', { hard: {}, scopes: ['Odd'] }, ['spec.scopes: Invalid value: ["Odd"]: unsupported scope']],
    [
      'services of best effort',
      { hard: { services: '1', pods: '1' }, scopes: ['BestEffort'] },
      ['spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource'],
    ],
    [
      'opposite scopes',
      { hard: { pods: '1' }, scopes: ['BestEffort', 'NotBestEffort', 'Terminating', 'NotTerminating'] },
      ['spec.scopes', 'spec.scopes'].map(
        (path) => `${path}: Invalid value: ["BestEffort","NotBestEffort","Terminating","NotTerminating"]: conflicting scopes`,
      ),
    ],
    [
      'a scope with values that it cannot have',
      { scopeSelector: select({ scopeName: 'BestEffort', operator: 'In', values: ['a'] }) },
      [
        `${at}.operator: Invalid value: "In": must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity`,
      ],
    ],
    [
      'a selector of nothing',
      { scopeSelector: select({ scopeName: 'PriorityClass', operator: 'In' }) },
      [`${at}.values: Required value: must be at least one value when \`operator\` is 'In' or 'NotIn' for scope selector`],
    ],
    [
      'values that are not looked at',
      { scopeSelector: select({ scopeName: 'PriorityClass', operator: 'Exists', values: ['a'] }) },
      [`${at}.values: Invalid value: ["a"]: must be no value when \`operator\` is 'Exist' or 'DoesNotExist' for scope selector`],
    ],
    [
      'an unknown operator',
      { scopeSelector: select({ scopeName: 'PriorityClass', operator: 'Near' }) },
      [`${at}.operator: Invalid value: "Near": not a valid selector operator`],
    ],
  ];
  for (const [what, spec, errors] of refused)
    it(`cannot have ${what}`, async () => {
      await rejects(strategy, quota(spec), ...errors);
    });

  it('warn of requests above limits', () => {
    const texts = strategy.warnings?.(quota({ hard: { cpu: '2', 'limits.cpu': '1', 'requests.storage': '3' } }), undefined);
    assert.deepEqual(texts, ['ResourceQuota cpu (2) should be less than limits.cpu (1)']);
  });
});
