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
    [
      'GET',
      '?resourceVersion=99999999999999999999',
      400,
      'resourceVersion: Invalid value: "99999999999999999999": strconv.ParseUint: parsing "99999999999999999999": value out of range',
    ],
    ['GET', '?watch=1&resourceVersion=18446744073709551616', 400, /value out of range$/],
    ['GET', '/o1?resourceVersion=18446744073709551616', 400, /value out of range$/],
    ['GET', `?resourceVersion=1${'0'.repeat(5_000)}&resourceVersionMatch=Exact`, 400, /value out of range$/],
    ['GET', '?resourceVersion=%2B1', 400, /invalid syntax$/],
    ['DELETE', '/o1?dryRun=x', 422, / dryRun: Unsupported value: \["x"\]: supported values: "All"$/],
    ['DELETE', '/o1?dryRun=All&dryRun=', 422, / dryRun: Unsupported value: \["All",""\]: supported values: "All"$/],
    ['POST', '?fieldManager=a%00', 422, / fieldManager: Invalid value: .*: invalid character U\+0000 \(at position 1\)$/],
    ['POST', '?fieldManager=%C3%A4%E2%80%8B', 422, /: invalid character U\+200B \(at position 2\)$/],
    ['POST', `?fieldManager=${'%C3%A4'.repeat(65)}`, 422, / fieldManager: Too long: may not be more than 128 bytes$/],
    ['DELETE', '/o1?propagationPolicy=', 422, /Unsupported value: ""/],
    ['DELETE', '/o1?propagationPolicy=Orphan&orphanDependents=0', 422, /cannot be both set/],
  ];
  for (const [method, rest, status, message] of refused)
    it(`${method} ${rest} is ${status}`, async () => {
      const body = method === 'POST' ? { metadata: { name: 'refused' } } : undefined;
      const answer = await api.request(method, `${base}${rest}`, body);
      assert.equal(answer.status, status);
      if (typeof message === 'string') assert.equal(answer.json.message, message);
      else assert.match(answer.json.message, message);
    });
});
