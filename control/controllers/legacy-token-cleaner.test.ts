import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createResourceCatalog } from '#api/resource-catalog.ts';
import type { ConfigMap, Pod, Secret, ServiceAccount } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import type { ControllerDeps } from '#client/controller.ts';
import { InformerCache } from '#client/informer-cache.ts';
import { legacyTokenCleaner } from './legacy-token-cleaner.ts';

const dayMs = 24 * 60 * 60 * 1000;
const nowMs = Date.parse('2026-06-15T12:00:00Z');
const period = 10 * dayMs;
const daysAgo = (days: number): string => new Date(nowMs - days * dayMs).toISOString().slice(0, 10);
const lastUsed = (days: number) => ({ 'kubernetes.io/legacy-token-last-used': daysAgo(days) });
const invalidSince = (text: string) => ({ 'kubernetes.io/legacy-token-invalid-since': text });

interface Case {
  labels?: Record<string, string>;
  /** Days. */
  age?: number;
  since?: string;
  account?: Partial<ServiceAccount>;
  pod?: Partial<Pod['spec']>;
}

/** What the cleaner does about one secret: nothing, or its request. */
async function done({ labels = {}, age = 30, since = daysAgo(30), account = { secrets: [{ name: 's' }] }, pod }: Case) {
  const meta = (name: string, namespace = 'default') => ({ name, namespace, uid: `uid-${name}`, resourceVersion: '7' });
  const creationTimestamp = new Date(nowMs - age * dayMs).toISOString();
  const secret = {
    metadata: { ...meta('s'), creationTimestamp, labels, annotations: { 'kubernetes.io/service-account.name': 'a' } },
    type: 'kubernetes.io/service-account-token',
  } as unknown as Secret;
  const tracking = meta('kube-apiserver-legacy-service-account-token-tracking', 'kube-system');
  const objects: Record<string, object[]> = {
    secrets: [secret],
    serviceaccounts: [{ metadata: meta('a'), ...account }],
    configmaps: [{ metadata: tracking, data: { since } } as unknown as ConfigMap],
    pods: pod === undefined ? [] : [{ metadata: meta('p'), spec: { containers: [], ...pod } }],
  };
  const caches = Object.fromEntries(
    Object.entries(objects).map(([id, list]) => {
      const cache = new InformerCache();
      cache.replace(list as never);
      return [id, cache];
    }),
  );
  const requests: unknown[] = [];
  const record = (verb: string) => async (_: unknown, more: unknown) => void requests.push([verb, more]);
  const client = { resource: () => ({ patch: record('patch'), delete: record('delete') }) };
  const clock = new FakeClock(nowMs);
  const deps = { client, catalog: createResourceCatalog(), caches: { cache: (id: string) => caches[id] }, clock };
  const controller = legacyTokenCleaner(deps as unknown as ControllerDeps, { legacyTokenCleanUpPeriodMs: period });
  const result = await controller.reconcile('default/s', new AbortController().signal);
  assert.deepEqual(result, { kind: 'requeueAfter', delayMs: dayMs });
  return requests;
}

describe('the legacy token cleaner', () => {
  const marked = [['patch', { type: 'merge', body: { metadata: { uid: 'uid-s', labels: invalidSince(daysAgo(0)) } } }]];
  const deleted = [['delete', { preconditions: { resourceVersion: '7' } }]];
  const cases: [name: string, given: Case, expected: unknown][] = [
    ['marks a token that was never used', {}, marked],
    ['marks one that was used long ago', { labels: lastUsed(11) }, marked],
    ['keeps one that was used since', { labels: lastUsed(10) }, []],
    ['keeps one whose label it cannot read', { labels: { 'kubernetes.io/legacy-token-last-used': 'x' } }, []],
    ['keeps one that is new', { age: 9 }, []],
    ['keeps all while their use is not written down for long', { since: daysAgo(10) }, []],
    ['keeps all while it cannot be known since when', { since: 'long ago' }, []],
    ['keeps one that somebody made by hand', { account: { secrets: [] } }, []],
    ['keeps one that a pod mounts', { pod: { volumes: [{ name: 'v', secret: { secretName: 's' } }] } }, []],
    ['marks one anew whose mark it cannot read', { labels: invalidSince('x') }, marked],
    ['waits after the mark', { labels: invalidSince(daysAgo(10)) }, []],
    ['deletes one that was marked long ago', { labels: invalidSince(daysAgo(11)) }, deleted],
    ['keeps a marked one that was used since', { labels: { ...invalidSince(daysAgo(11)), ...lastUsed(3) } }, []],
  ];
  for (const [name, given, expected] of cases) it(name, async () => assert.deepEqual(await done(given), expected));
});
