/** For any resource version and selector, a list and the following watch events give the current objects. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import type { ConfigMap } from '#api/types.generated.ts';
import { startTestServer, type TestServer } from './api-server.testing.ts';

type Step = { what: 'write'; name: string; side: string } | { what: 'delete'; name: string };

const names = ['a', 'b', 'c', 'd'];
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constant('write' as const),
      name: fc.constantFrom(...names),
      side: fc.constantFrom('l', 'r'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('delete' as const), name: fc.constantFrom(...names) }) },
);

describe('list and watch', () => {
  let server: TestServer;
  let run = 0;
  before(async () => {
    server = await startTestServer();
  });
  after(() => server.stop());

  const maps = () => server.client.resource('configmaps');

  /** Runs the steps in a new namespace. @returns the revisions after each */
  async function play(namespace: string, steps: readonly Step[]): Promise<string[]> {
    await server.request('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    const revisions: string[] = [];
    for (const [turn, now] of steps.entries()) {
      const path = `/api/v1/namespaces/${namespace}/configmaps`;
      if (now.what === 'delete') await server.request('DELETE', `${path}/${now.name}`);
      else {
        const metadata = { name: now.name, labels: { side: now.side } };
        const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { turn: String(turn) } };
        const { status } = await server.request('PUT', `${path}/${now.name}`, object);
        if (status === 404) await server.request('POST', path, object);
      }
      revisions.push((await server.request('GET', path)).json.metadata.resourceVersion ?? '');
    }
    return revisions;
  }

  const stateOf = (items: Iterable<ConfigMap>): string =>
    JSON.stringify([...items].map(({ metadata, data }) => [metadata.name, metadata.resourceVersion, data]).sort());

  /** Lists at a revision in pages of two, and applies all watch events after it. @returns the resulting objects */
  async function follow(namespace: string, from: string, labelSelector: string, last: string): Promise<Map<string, ConfigMap>> {
    const query = `resourceVersion=${from}&resourceVersionMatch=Exact&limit=2&labelSelector=${labelSelector}`;
    const known = new Map<string, ConfigMap>();
    for (let token = ''; ; ) {
      const more = token === '' ? query : `limit=2&labelSelector=${labelSelector}&continue=${encodeURIComponent(token)}`;
      const page = (await server.request('GET', `/api/v1/namespaces/${namespace}/configmaps?${more}`)).json;
      assert.equal(page.metadata.resourceVersion, from, 'all pages are of one moment');
      for (const item of page.items) known.set(item.metadata.name, item as unknown as ConfigMap);
      token = page.metadata.continue ?? '';
      if (token === '') break;
    }
    const stop = new AbortController();
    // This object is written last, so all other events have arrived when its event arrives.
    let revision = BigInt(from);
    for await (const event of maps().watch({ namespace, resourceVersion: from }, stop.signal)) {
      if (event.type === 'BOOKMARK') continue;
      const { object, type } = event;
      assert.ok(BigInt(object.metadata.resourceVersion) > revision, 'events come in order, each once');
      revision = BigInt(object.metadata.resourceVersion);
      const isSelected = labelSelector === '' || `side%3D${object.metadata.labels?.['side']}` === labelSelector;
      if (type === 'DELETED' || !isSelected) known.delete(object.metadata.name);
      else known.set(object.metadata.name, object);
      if (object.metadata.name === 'last' && object.metadata.resourceVersion === last) break;
    }
    stop.abort();
    known.delete('last');
    return known;
  }

  it('give the same from each moment on', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const namespace = `run-${++run}`;
        const revisions = await play(namespace, steps);
        const end = await maps().create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'last', namespace } });
        for (const labelSelector of ['', 'side%3Dl']) {
          const path = `/api/v1/namespaces/${namespace}/configmaps?labelSelector=${labelSelector}`;
          const now = (await server.request('GET', path)).json.items as unknown as ConfigMap[];
          const wanted = stateOf(now.filter(({ metadata }) => metadata.name !== 'last'));
          for (const from of revisions) {
            const known = await follow(namespace, from, labelSelector, end.metadata.resourceVersion);
            assert.equal(stateOf(known.values()), wanted, `from ${from}`);
          }
        }
      }),
      { numRuns: 15 },
    );
  });
});
