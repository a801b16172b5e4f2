import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../api-server.testing.ts';

const base = '/api/v1/namespaces/default/configmaps';

describe('queries as clients in Python, Go and shells write them', () => {
  let api: TestServer;
  before(async () => {
    api = await startTestServer();
  });
  after(() => api.stop());

  const make = (name: string) =>
    api.request('POST', base, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, finalizers: ['example.com/stay'] } });

  const orphans: [string, boolean][] = [
    ['orphanDependents=True', true],
    ['orphanDependents=', true],
    ['orphanDependents=yes', true],
    ['orphanDependents=1', true],
    ['orphanDependents=False', false],
    ['orphanDependents=0', false],
    ['propagationPolicy=Orphan', true],
    ['', false],
  ];
  for (const [index, [query, orphan]] of orphans.entries())
    it(`DELETE ?${query} ${orphan ? 'orphans' : 'does not orphan'} the dependents`, async () => {
      await make(`o${index}`);
      await api.request('DELETE', `${base}/o${index}?${query}`);
      const { json } = await api.request('GET', `${base}/o${index}`);
      assert.equal(json.metadata.finalizers?.includes('orphan'), orphan);
    });

  const refused: [string, string, number, string | RegExp][] = [
    ['GET', '?limit=x', 400, 'strconv.ParseInt: parsing "x": invalid syntax'],
    ['GET', '?limit=', 400, 'strconv.ParseInt: parsing "": invalid syntax'],
    ['GET', '?watch=True&timeoutSeconds=1m', 400, 'strconv.ParseInt: parsing "1m": invalid syntax'],
    ['GET', '?sendInitialEvents=False', 422, /sendInitialEvents is forbidden for list/],
    ['DELETE', '/o1?gracePeriodSeconds=1e3', 400, 'strconv.ParseInt: parsing "1e3": invalid syntax'],
    ['DELETE', '/o1?propagationPolicy=', 422, /Unsupported value: ""/],
    ['DELETE', '/o1?propagationPolicy=Orphan&orphanDependents=0', 422, /cannot be both set/],
  ];
  for (const [method, rest, status, message] of refused)
    it(`${method} ${rest} is ${status}`, async () => {
      const answer = await api.request(method, `${base}${rest}`);
      assert.equal(answer.status, status);
      if (typeof message === 'string') assert.equal(answer.json.message, message);
      else assert.match(answer.json.message, message);
    });
});
