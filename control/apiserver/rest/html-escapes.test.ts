import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { admin, startTestServer, type TestServer } from '../api-server.testing.ts';
import { inProcessTransport } from '../in-process-transport.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const text = 'if a < b && b > c \u2028\u2029 end';
const escaped = '"if a \\u003c b \\u0026\\u0026 b \\u003e c \\u2028\\u2029 end"';
/** Large enough to be read and written in steps. */
const filler = Object.fromEntries(Array.from({ length: 3_000 }, (_, index) => [`k${index}`, 'some text of a key']));
const configMap = (name: string, data: Record<string, string> = {}): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, annotations: { text } },
  data: { text, ...data },
});

describe('characters that Go escapes in JSON', () => {
  let api: TestServer;
  before(async () => {
    api = await startTestServer();
    for (const object of [configMap('small'), configMap('large', filler)])
      assert.equal((await api.request('POST', maps, object)).status, 201);
  });
  after(() => api.stop());

  const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  const partial = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io';
  const partialList = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io';
  const answers: [what: string, method: string, path: string, accept?: string | undefined, body?: object][] = [
    ['an object', 'GET', `${maps}/small`],
    ['a large object', 'GET', `${maps}/large`],
    ['a list', 'GET', maps],
    ['an indented object', 'GET', `${maps}/small?pretty=true`],
    ['an indented list', 'GET', `${maps}?pretty=true`],
    ['a table', 'GET', `${maps}?includeObject=Object`, table],
    ['metadata', 'GET', `${maps}/small`, partial],
    ['a list of metadata', 'GET', maps, partialList],
    ['a watch', 'GET', `${maps}?watch=true&timeoutSeconds=1&resourceVersion=0`],
    ['a watch of tables', 'GET', `${maps}?watch=true&timeoutSeconds=1&resourceVersion=0&includeObject=Object`, table],
    ['a dry run', 'POST', `${maps}?dryRun=All`, undefined, configMap('dry')],
    ['a dry run of a large object', 'POST', `${maps}?dryRun=All`, undefined, configMap('dry-large', filler)],
    ['an object that is created', 'POST', maps, undefined, configMap('created')],
    ['a large object that is created', 'POST', maps, undefined, configMap('created-large', filler)],
    ['an object that is updated', 'PUT', `${maps}/small`, undefined, configMap('small', { other: 'x' })],
    ['a large object that is updated', 'PUT', `${maps}/large`, undefined, configMap('large', { ...filler, other: 'x' })],
  ];
  for (const [what, method, path, accept = 'application/json', body] of answers)
    it(`${what}: escaped`, async () => {
      const answer = await request(method, path, accept, body);
      assert.ok(answer.includes(escaped), answer.slice(0, 500));
      assert.doesNotMatch(answer, /[<>&\u2028\u2029]/);
    });

  it('errors: escaped', async () => {
    const { text: answer, json } = await api.request('POST', maps, configMap('a<b>&c'));
    assert.match(answer, /a\\u003cb\\u003e\\u0026c/);
    assert.match(json.message, /^ConfigMap "a<b>&c" is invalid/);
  });

  it('the store: escaped, as upstream stores JSON', async () => {
    const values = await stored();
    assert.ok(values.length >= 2);
    for (const value of values) {
      assert.ok(value.includes(escaped));
      assert.doesNotMatch(value, /[<>&]/);
    }
  });

  it('YAML: as it is', async () => {
    const answer = await request('GET', `${maps}/small`, 'application/yaml');
    assert.match(answer, /a < b && b > c/);
    assert.equal(parse(answer).data.text, text);
  });

  async function request(method: string, path: string, accept: string, body?: object): Promise<string> {
    const response = await inProcessTransport(
      api.server,
      admin,
    )({
      method,
      path,
      headers: { accept, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }),
    });
    assert.ok(response.status < 300, `${response.status}`);
    const chunks: Uint8Array[] = [];
    for await (const chunk of response.body) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  }

  async function stored(): Promise<string[]> {
    const { entries } = await api.store.range({ prefix: '/registry/configmaps/default/' });
    return entries.map(({ value }) => Buffer.from(value).toString());
  }
});
