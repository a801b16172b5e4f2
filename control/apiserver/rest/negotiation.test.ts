import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { decodeProtobuf, decodeRaw, encodeProtobuf, openEnvelope } from '#api/codec/protobuf.ts';
import { admin, startTestServer, type TestServer } from '../api-server.testing.ts';
import { inProcessTransport } from '../in-process-transport.ts';
import { servedResources } from '../kinds/served-resources.testing.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const protobuf = 'application/vnd.kubernetes.protobuf';
const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';
const partial = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io';

describe('content negotiation', () => {
  let api: TestServer;
  before(async () => {
    api = await startTestServer();
    await api.request('POST', maps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'a', labels: { x: 'y' } },
      data: { k: 'v' },
    });
  });
  after(() => api.stop());

  async function bytes(path: string, accept: string): Promise<{ status: number; type: string | undefined; body: Buffer }> {
    const response = await inProcessTransport(api.server, admin)({ method: 'GET', path, headers: { accept } });
    const chunks: Uint8Array[] = [];
    for await (const chunk of response.body) chunks.push(chunk);
    return { status: response.status, type: response.headers['content-type'], body: Buffer.concat(chunks) };
  }

  it('takes and gives protobuf: objects, lists, Status', async () => {
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'pb' }, data: { k: 'v' } };
    const body = encodeProtobuf(object, 'core/v1.ConfigMap', object);
    assert.equal((await api.request('POST', maps, body, { 'content-type': protobuf })).status, 201);
    const one = await bytes(`${maps}/pb`, protobuf);
    assert.equal(one.type, protobuf);
    const decoded = decodeProtobuf(one.body);
    assert.equal(decoded.kind, 'ConfigMap');
    assert.deepEqual(decoded.object['data'], { k: 'v' });
    const list = decodeProtobuf((await bytes(maps, protobuf)).body);
    assert.equal(list.kind, 'ConfigMapList');
    assert.equal((list.object['items'] as unknown[]).length, 2);
    const missing = decodeProtobuf((await bytes(`${maps}/none`, protobuf)).body);
    assert.deepEqual([missing.kind, missing.object['code']], ['Status', 404]);
  });

  it('takes and gives YAML', async () => {
    const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yaml\ndata:\n  k: "yes"\n';
    assert.equal((await api.request('POST', maps, yaml, { 'content-type': 'application/yaml' })).status, 201);
    const { text, headers } = await api.request('GET', `${maps}/yaml`, undefined, { accept: 'application/yaml' });
    assert.equal(headers['content-type'], 'application/yaml');
    assert.match(text, /^apiVersion: v1\ndata:\n {2}k: "yes"\nkind: ConfigMap\nmetadata:\n {2}creationTimestamp: "2/);
  });

  it('turns lists and objects into Tables', async () => {
    const { json } = await api.request('GET', maps, undefined, { accept: `${table},application/json` });
    assert.deepEqual([json.kind, json.apiVersion], ['Table', 'meta.k8s.io/v1']);
    assert.deepEqual(
      json.columnDefinitions.slice(0, 2).map(({ name }: { name: string }) => name),
      ['Name', 'Data'],
    );
    assert.equal(json.rows[0]?.object.kind, 'PartialObjectMetadata');
    assert.equal(
      (await api.request('GET', `${maps}?includeObject=Object`, undefined, { accept: table })).json.rows[0]?.object.kind,
      'ConfigMap',
    );
    assert.equal(
      (await api.request('GET', `${maps}?includeObject=None`, undefined, { accept: table })).json.rows[0]?.object,
      null,
    );
    assert.equal((await api.request('GET', `${maps}/a`, undefined, { accept: table })).json.rows.length, 1);
    const wrong = await api.request('GET', `${maps}?includeObject=Some`, undefined, { accept: table });
    assert.deepEqual([wrong.status, wrong.json.message], [400, 'unrecognized includeObject value: "Some"']);
  });

  it('reduces to metadata, in JSON and protobuf', async () => {
    const { json } = await api.request('GET', `${maps}/a`, undefined, { accept: partial });
    assert.deepEqual([json.kind, json.metadata.labels, json.data], ['PartialObjectMetadata', { x: 'y' }, undefined]);
    const list = await api.request('GET', maps, undefined, { accept: partial.replace('Metadata;', 'MetadataList;') });
    assert.equal(list.json.kind, 'PartialObjectMetadataList');
    const accept = `${protobuf};as=PartialObjectMetadataList;v=v1;g=meta.k8s.io`;
    assert.equal(decodeProtobuf((await bytes(maps, accept)).body).kind, 'PartialObjectMetadataList');
  });

  for (const [what, accept, status, type] of [
    ['the first that fits', 'text/html, application/yaml;q=0.9, */*;q=0.1', 200, 'application/yaml'],
    ['406 when nothing fits', 'text/html', 406, 'application/json'],
    ['406 for a conversion that does not exist', 'application/json;as=Nothing;v=v1;g=meta.k8s.io', 406, 'application/json'],
    [
      'plain JSON where the conversion is optional',
      'application/json;as=Nothing;v=v1;g=meta.k8s.io,application/json',
      200,
      'application/json',
    ],
  ] as [string, string, number, string][]) {
    it(`answers with ${what}`, async () => {
      const answer = await bytes(`${maps}/a`, accept);
      assert.deepEqual([answer.status, answer.type], [status, type]);
    });
  }

  it('refuses bodies in unknown formats and beyond 3 MiB', async () => {
    const unknown = await api.request('POST', maps, 'x', { 'content-type': 'text/plain' });
    assert.equal(unknown.status, 415);
    assert.match(
      unknown.json.message,
      /^the body of the request was in an unknown format - accepted media types include: application\/json/,
    );
    const large = await api.request('POST', maps, Buffer.alloc(3 * 1024 * 1024 + 1, 0x20));
    assert.deepEqual([large.status, large.json.message], [413, 'Request entity too large: limit is 3145728']);
  });

  it('refuses protobuf that is none', async () => {
    const { status, json } = await api.request('POST', maps, Buffer.from('k8s\0garbage'), { 'content-type': protobuf });
    assert.deepEqual([status, json.reason], [400, 'BadRequest']);
  });

  it('indents when asked to, and for curl', async () => {
    assert.match((await api.request('GET', `${maps}/a?pretty=true`)).text, /^\{\n {2}"kind": "ConfigMap"/);
    assert.match((await api.request('GET', `${maps}/a`, undefined, { 'user-agent': 'curl/8' })).text, /^\{\n {2}"/);
    assert.match((await api.request('GET', `${maps}/a`)).text, /^\{"kind":"ConfigMap","apiVersion":"v1",/);
  });

  it('compresses large answers for those who can read them', async () => {
    await api.request('POST', maps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'large' },
      data: { x: 'y'.repeat(200_000) },
    });
    const transport = inProcessTransport(api.server, admin);
    const zipped = await transport({ method: 'GET', path: `${maps}/large`, headers: { 'accept-encoding': 'gzip' } });
    assert.equal(zipped.headers['content-encoding'], 'gzip');
    const plain = await transport({ method: 'GET', path: `${maps}/large`, headers: {} });
    assert.equal(plain.headers['content-encoding'], undefined);
  });
});

describe('paths', () => {
  let api: TestServer;
  before(async () => {
    api = await startTestServer();
  });
  after(() => api.stop());

  async function raw(path: string, accept: string): Promise<{ status: number; headers: Record<string, string>; body: Buffer }> {
    const { status, headers, body } = await inProcessTransport(api.server, admin)({ method: 'GET', path, headers: { accept } });
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    return { status, headers, body: Buffer.concat(chunks) };
  }

  for (const path of [
    '/nothing',
    '/api/v2',
    '/apis/none.example.com',
    '/apis/none.example.com/v1',
    '/apis/none.example.com/v1/things',
    '/api/v1/things',
    '/api/v1/namespaces/default/nodes/x',
  ]) {
    it(`${path} is plain "404 page not found"`, async () => {
      const { status, text, headers } = await api.request('GET', path);
      assert.deepEqual([status, text], [404, '404 page not found\n']);
      assert.match(headers['content-type'] ?? '', /^text\/plain/);
    });
  }

  for (const [method, path] of [
    ['POST', `${maps}/x`],
    ['PUT', maps],
    ['DELETE', '/api/v1/configmaps'],
    ['DELETE', '/api/v1/namespaces'],
    ['GET', '/api/v1/namespaces/default/pods/x/eviction'],
    ['OPTIONS', maps],
  ] as const) {
    it(`${method} ${path} is 405`, async () => {
      const { status, json } = await api.request(method, path);
      assert.deepEqual([status, json.reason], [405, 'MethodNotAllowed']);
    });
  }

  it('custom resource definitions are answered in every form', async () => {
    const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    const { json } = await api.request('GET', path);
    assert.deepEqual([json.kind, json.items], ['CustomResourceDefinitionList', []]);
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
    assert.deepEqual((await api.request('GET', path, undefined, { accept })).json.rows, []);
    assert.equal(decodeProtobuf((await raw(path, protobuf)).body).kind, 'CustomResourceDefinitionList');
    const one = await api.request('GET', `${path}/things.example.com`);
    assert.deepEqual(
      [one.status, one.json.message],
      [404, 'customresourcedefinitions.apiextensions.k8s.io "things.example.com" not found'],
    );
  });

  it('discovery names groups, versions, resources and their subresources', async () => {
    const core = (await api.request('GET', '/api/v1')).json;
    assert.equal(core.kind, 'APIResourceList');
    const byName = new Map(core.resources.map((one: { name: string }) => [one.name, one]));
    assert.deepEqual(byName.get('pods'), {
      name: 'pods',
      singularName: 'pod',
      namespaced: true,
      kind: 'Pod',
      verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
      shortNames: ['po'],
      categories: ['all'],
      storageVersionHash: 'xPOwRZ+Yhw8=',
    });
    assert.ok(byName.has('pods/exec'));
    const groups = (await api.request('GET', '/apis')).json.groups.map(({ name }: { name: string }) => name);
    assert.deepEqual(groups.slice(0, 2), ['apiregistration.k8s.io', 'apps']);
    assert.equal((await api.request('GET', '/apis/apps')).json.preferredVersion.groupVersion, 'apps/v1');
  });

  const aggregated = (type: string, version = 'v2') => `${type};g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;

  for (const path of ['/api', '/apis']) {
    it(`aggregated discovery of ${path} comes with an ETag`, async () => {
      const accept = `${aggregated('application/json')},application/json`;
      const { json, headers } = await api.request('GET', path, undefined, { accept });
      assert.equal(json.apiVersion, 'apidiscovery.k8s.io/v2');
      assert.equal(headers['content-type'], aggregated('application/json'));
      assert.equal(headers['cache-control'], 'public');
      const again = await api.request('GET', path, undefined, { accept, 'if-none-match': headers['etag'] ?? '' });
      assert.deepEqual([again.status, again.text], [304, '']);
    });

    it(`aggregated discovery of ${path} says the same in protobuf, under the same ETag`, async () => {
      const { json, headers } = await api.request('GET', path, undefined, { accept: aggregated('application/json') });
      const answer = await raw(path, aggregated(protobuf));
      assert.deepEqual([answer.headers['content-type'], answer.headers['etag']], [aggregated(protobuf), headers['etag']]);
      assert.deepEqual(decodeProtobuf(answer.body).object, json);
    });
  }

  it('v2beta1 of aggregated discovery is gone, as upstream: the next that the client accepts is taken', async () => {
    const beta = aggregated('application/json', 'v2beta1');
    const { json } = await api.request('GET', '/apis', undefined, { accept: `${beta},application/json` });
    assert.equal(json.kind, 'APIGroupList');
    assert.equal((await api.request('GET', '/apis', undefined, { accept: beta })).status, 406);
  });

  for (const path of ['/apis', '/apis/apps', '/apis/apps/v1', '/api/v1', '/apis/events.k8s.io']) {
    it(`${path} says the same in JSON, YAML and protobuf`, async () => {
      const { json } = await api.request('GET', path);
      const answer = await raw(path, protobuf);
      assert.deepEqual([answer.status, answer.headers['content-type']], [200, protobuf]);
      const { apiVersion, kind, object } = decodeProtobuf(answer.body);
      assert.deepEqual([apiVersion, kind], ['v1', json.kind]);
      assert.deepEqual(object, json);
      assert.deepEqual(parse((await raw(path, 'application/yaml')).body.toString()), json);
    });
  }

  it('/api has no apiVersion in JSON, and an empty one in protobuf, as upstream', async () => {
    const { json } = await api.request('GET', '/api');
    assert.deepEqual([json.kind, json.apiVersion], ['APIVersions', undefined]);
    const { apiVersion, kind, raw: message } = openEnvelope((await raw('/api', protobuf)).body);
    assert.deepEqual([apiVersion, kind], ['', 'APIVersions']);
    assert.deepEqual({ kind, ...decodeRaw('meta/v1.APIVersions', message) }, json);
  });

  it('discovery is indented for curl', async () => {
    assert.match((await api.request('GET', '/api/v1', undefined, { 'user-agent': 'curl/8' })).text, /^\{\n {2}"kind"/);
  });

  it('no path answers 500, whatever is accepted', { timeout: 240_000 }, async () => {
    const { json } = await api.request('GET', '/');
    const listed = (json as unknown as { paths: string[] }).paths.filter((path) => path !== '/metrics');
    const named = [...listed, '/apis/apps', '/apis/apps/v1', '/.well-known/openid-configuration', '/openid/v1/jwks', '/none'];
    const kinds = servedResources()
      .all()
      .filter(({ announced }) => announced)
      .flatMap(({ group, version, plural, subresources }) => {
        const base = `${group === '' ? '/api' : `/apis/${group}`}/${version}/${plural}`;
        return [base, `${base}/x`, ...subresources.map(({ name }) => `${base}/x/${name}`)];
      });
    const conversions = ['', ';as=Table;v=v1;g=meta.k8s.io', ';as=PartialObjectMetadataList;v=v1;g=meta.k8s.io', ';stream=watch'];
    const types = ['application/json', 'application/yaml', protobuf, 'application/cbor', 'text/html', '*/*', 'a', ';', ',', ''];
    const accepts = [...types.flatMap((type) => conversions.map((more) => type + more)), aggregated(protobuf), aggregated('*/*')];
    for (const path of [...named, ...kinds]) {
      for (const accept of accepts) {
        const { status } = await raw(path, accept);
        assert.ok(status < 500, `GET ${path} with Accept: ${accept} answered ${status}`);
      }
    }
  });

  it('health tells each check', async () => {
    assert.equal((await api.request('GET', '/healthz')).text, 'ok');
    assert.match((await api.request('GET', '/readyz?verbose')).text, /^\[\+\]ping ok\n[\s\S]*readyz check passed\n$/);
    assert.equal((await api.request('GET', '/livez/etcd')).text, 'ok');
    assert.equal((await api.request('GET', '/livez/none')).status, 404);
    assert.match((await api.request('GET', '/readyz?verbose&exclude=etcd')).text, /\[\+\]etcd excluded: ok/);
  });

  it('version says API level 1.36 and our own version', async () => {
    const { json } = await api.request('GET', '/version');
    assert.deepEqual([json.major, json.minor, json.gitVersion], ['1', '36', 'v1.36.0+tinkernetes0.1.0']);
  });

  it('metrics do not grow with what clients make up', async () => {
    await api.request('GET', '/apis/made.up/v1/inventions');
    await api.request('GET', '/api/v1/namespaces/default/pods/x/invention');
    await api.request('INVENT', '/api/v1/namespaces/default/pods/x');
    const { text } = await api.request('GET', '/metrics');
    assert.doesNotMatch(text, /invent|made\.up/i);
    assert.match(text, /resource="unknown"/);
  });

  it('metrics count requests', async () => {
    assert.match(
      (await api.request('GET', '/metrics')).text,
      /apiserver_request_total\{verb="CREATE",group="",version="v1",resource="namespaces"/,
    );
  });
});
