/** PodNodeSelector, PodTolerationRestriction, NamespaceExists and EventRateLimit, which are off by default. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KubeObject } from '#api/meta.ts';
import type { Pod, PodSpec, Toleration } from '#api/types.generated.ts';
import { attributesOf, testContext } from '../../kinds/strategy.testing.ts';
import { ask, objectOf } from '../admission.testing.ts';
import { eventRateLimit } from './event-rate-limit.ts';
import { namespaceExists } from './namespace-exists.ts';
import { podNodeSelector } from './pod-node-selector.ts';
import { podTolerationRestriction } from './pod-toleration-restriction.ts';

const pod = (spec: Partial<PodSpec>): KubeObject => objectOf('Pod', 'p', 'ns', { spec: { containers: [], ...spec } });
const inNamespace = (annotations: Record<string, string> = {}) => ({
  stored: { 'namespaces//ns': { ...objectOf('Namespace', 'ns'), metadata: { name: 'ns', annotations } } as KubeObject },
});

describe('PodNodeSelector', () => {
  const annotation = 'scheduler.alpha.kubernetes.io/node-selector';
  const cases: [
    what: string,
    own: Record<string, string> | undefined,
    annotations: Record<string, string>,
    selectors: Record<string, string>,
    expected: Record<string, string> | string,
  ][] = [
    [
      'adds what the namespace says',
      { a: '1' },
      { [annotation]: 'infra=false, env = test' },
      {},
      { infra: 'false', env: 'test', a: '1' },
    ],
    ['adds the default where it says nothing', undefined, {}, { clusterDefaultNodeSelector: 'x=y' }, { x: 'y' }],
    ['adds nothing where it says so', { a: '1' }, { [annotation]: '' }, { clusterDefaultNodeSelector: 'x=y' }, { a: '1' }],
    [
      'refuses a pod that says otherwise',
      { infra: 'true' },
      { [annotation]: 'infra=false' },
      {},
      '403 pods "p" is forbidden: pod node label selector conflicts with its namespace node label selector',
    ],
    [
      'refuses what the list of the namespace has not',
      { other: '1' },
      {},
      { ns: 'infra=false' },
      '403 pods "p" is forbidden: pod node label selector labels conflict with its namespace whitelist',
    ],
    ['takes what the list has', { infra: 'false' }, {}, { ns: 'infra=false,b=c' }, { infra: 'false' }],
    ['fails on what is no selector', {}, { [annotation]: 'a=b=c' }, {}, '500 Internal error occurred: invalid selector: [a b c]'],
  ];
  for (const [what, nodeSelector, annotations, selectors, expected] of cases)
    it(what, async () => {
      const object = pod(nodeSelector === undefined ? {} : { nodeSelector });
      const found = await ask(podNodeSelector(selectors), 'create', { object, ...inNamespace(annotations) });
      assert.deepEqual(typeof found === 'string' ? found : (found as Pod).spec.nodeSelector, expected);
    });
});

describe('PodTolerationRestriction', () => {
  const one = (key: string, more: Partial<Toleration> = {}): Toleration => ({
    key,
    operator: 'Equal',
    value: 'v',
    effect: 'NoSchedule',
    ...more,
  });
  const annotation = (which: 'defaultTolerations' | 'tolerationsWhitelist', list: readonly Toleration[] | '') => ({
    [`scheduler.alpha.kubernetes.io/${which}`]: list === '' ? '' : JSON.stringify(list),
  });
  const none = { defaults: [], whitelist: [] };
  const memory = { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' };
  const clash = (scope: string): string =>
    `403 pods "p" is forbidden: pod tolerations (possibly merged with namespace default tolerations) conflict with its ${scope} whitelist`;
  const cases: [
    what: string,
    own: readonly Toleration[],
    annotations: Record<string, string>,
    settings: { defaults: Toleration[]; whitelist: Toleration[] },
    expected: readonly object[] | undefined | string,
  ][] = [
    ['adds the defaults of the namespace', [one('a')], annotation('defaultTolerations', [one('b')]), none, [one('a'), one('b')]],
    ['adds those of the cluster where it says nothing', [], {}, { ...none, defaults: [one('c')] }, [one('c')]],
    [
      'adds none where it has an empty list',
      [],
      annotation('defaultTolerations', ''),
      { ...none, defaults: [one('c')] },
      undefined,
    ],
    [
      'leaves out what another one covers',
      [one('a')],
      annotation('defaultTolerations', [{ key: 'a', operator: 'Exists' }]),
      none,
      [{ key: 'a', operator: 'Exists' }],
    ],
    [
      'takes what the list covers',
      [one('a')],
      annotation('tolerationsWhitelist', [{ operator: 'Exists', key: 'a' }]),
      none,
      [one('a')],
    ],
    [
      'refuses what the namespace does not allow',
      [one('b')],
      annotation('tolerationsWhitelist', [one('a')]),
      none,
      clash('namespace'),
    ],
    ['refuses what the cluster does not allow', [one('b')], {}, { ...none, whitelist: [one('a')] }, clash('cluster')],
    [
      'allows all where the list of the namespace is empty',
      [one('b')],
      annotation('tolerationsWhitelist', ''),
      { ...none, whitelist: [one('a')] },
      [one('b')],
    ],
  ];
  for (const [what, tolerations, annotations, settings, expected] of cases)
    it(what, async () => {
      const object = pod(tolerations.length === 0 ? {} : { tolerations: [...tolerations] });
      const found = await ask(podTolerationRestriction(settings), 'create', { object, ...inNamespace(annotations) });
      assert.deepEqual(typeof found === 'string' ? found : (found as Pod).spec.tolerations, expected);
    });

  it('lets pods that ask for something bear memory pressure', async () => {
    const object = pod({ containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '1' } } }] });
    const found = (await ask(podTolerationRestriction(none), 'create', { object, ...inNamespace() })) as Pod;
    assert.deepEqual(found.spec.tolerations, [memory]);
  });
});

describe('NamespaceExists', () => {
  it('refuses what is in no namespace', async () => {
    assert.equal(await ask(namespaceExists(), 'create', { object: pod({}) }), '404 namespaces "ns" not found');
    assert.notEqual(typeof (await ask(namespaceExists(), 'create', { object: pod({}), ...inNamespace() })), 'string');
  });
});

describe('EventRateLimit', () => {
  const event = (namespace: string, name = 'p'): KubeObject =>
    objectOf('Event', 'e', namespace, { involvedObject: { kind: 'Pod', name }, source: { component: 'c' } });

  it('has a bucket for each key, which fills as time goes, and tells all limits that are reached', async () => {
    let nowMs = 0;
    const plugin = eventRateLimit([
      { type: 'Namespace', qps: 1, burst: 2, cacheSize: 10 },
      { type: 'SourceAndObject', qps: 1, burst: 1, cacheSize: 10 },
    ]);
    const asked = async (object: KubeObject, dryRun = false): Promise<string> => {
      const context = testContext({});
      const attributes = { ...attributesOf('create', object, undefined, ''), dryRun };
      try {
        await plugin.validate?.(attributes, { ...context, clock: { ...context.clock, now: () => nowMs } });
        return 'yes';
      } catch (error) {
        return (error as Error).message;
      }
    };
    assert.equal(await asked(event('a')), 'yes');
    assert.equal(await asked(event('a')), 'limit reached on type SourceAndObject for key cPodp');
    assert.equal(
      await asked(event('a')),
      '[limit reached on type Namespace for key a, limit reached on type SourceAndObject for key cPodp]',
    );
    assert.equal(await asked(event('a'), true), 'yes');
    assert.equal(await asked(event('b', 'q')), 'yes');
    nowMs = 1000;
    assert.equal(await asked(event('a')), 'yes');
  });

  it('forgets keys that were used longest ago', async () => {
    const plugin = eventRateLimit([{ type: 'Namespace', qps: 0.001, burst: 1, cacheSize: 1 }]);
    for (const namespace of ['a', 'b', 'a'])
      assert.notEqual(typeof (await ask(plugin, 'create', { object: event(namespace) })), 'string');
    assert.equal(await ask(plugin, 'create', { object: event('a') }), '429 limit reached on type Namespace for key a');
  });
});
