import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import { connect as connectTcp } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { pino } from 'pino';
import { createOpenApi } from '#api/schema/openapi.ts';
import { systemClock } from '#client/clock.ts';
import { createInformers } from '#client/informers.ts';
import { createAuthority, issueCertificate } from '#control/pki/certificates.ts';
import { until as untilWithin } from '#lab/until.ts';
import { type Loose, startTestServer, type TestServer } from '../api-server.testing.ts';
import { openApiRoute } from '../discovery/openapi-route.ts';
import { backend } from '../proxy/proxy.testing.ts';
import { silentLog } from '../serving/server-log.ts';
import { Aggregation } from './aggregation.ts';
import { runAggregation } from './run-aggregation.ts';

const group = 'wardle.example.com';
const root = `/apis/${group}/v1alpha1`;
const address = '10.9.0.1';
const services = '/apis/apiregistration.k8s.io/v1/apiservices';

const until = <T>(what: string, ask: () => Promise<T>) => untilWithin(what, ask, { timeoutMs: 60_000, everyMs: 20 });

const openApiV2 = {
  swagger: '2.0',
  info: { title: 'wardle', version: '1' },
  paths: {
    [`${root}/namespaces/{namespace}/flunders`]: {
      get: {
        tags: ['wardle'],
        operationId: 'list',
        produces: ['application/json'],
        responses: { 200: { description: 'OK', schema: { $ref: '#/definitions/wardle.Flunder' } } },
      },
      parameters: [{ name: 'namespace', in: 'path', required: true, type: 'string', uniqueItems: true }],
    },
    '/apis/other.example.com/v1/things': {},
  },
  definitions: {
    'wardle.Flunder': {
      type: 'object',
      properties: { spec: { $ref: '#/definitions/wardle.Spec' } },
      'x-kubernetes-group-version-kind': [{ group, version: 'v1alpha1', kind: 'Flunder' }],
    },
    'wardle.Spec': { type: 'object', properties: { reference: { type: 'string' } } },
    'wardle.Unused': { type: 'object' },
  },
};

const resourceList = {
  kind: 'APIResourceList',
  groupVersion: `${group}/v1alpha1`,
  resources: [
    { name: 'flunders', singularName: 'flunder', namespaced: true, kind: 'Flunder', verbs: ['get', 'list'], shortNames: ['fl'] },
    { name: 'flunders/status', singularName: '', namespaced: true, kind: 'Flunder', verbs: ['get'] },
  ],
};

describe('an aggregated server', () => {
  let api: TestServer;
  let remote: { port: number; close(): void };
  let handle = (_request: IncomingMessage, _response: ServerResponse): void => undefined;
  let caBundle = '';
  const network = new Map<string, number>();
  const stopping = new AbortController();
  let running: Promise<void>;

  /** The sample server answers with legacy discovery, OpenAPI v2, and for everything else with the request itself. */
  const usual = (request: IncomingMessage, response: ServerResponse): void => {
    const json = (value: unknown): void => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(value));
    };
    if (request.url === root) return json(resourceList);
    if (request.url === '/openapi/v2') return json(openApiV2);
    if (request.url === '/apis' || request.url?.startsWith('/openapi/') === true) {
      response.statusCode = 404;
      return void response.end();
    }
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => json({ url: request.url, headers: request.headersDistinct, body: Buffer.concat(chunks).toString() }));
  };

  const apiService = (more: Record<string, unknown> = {}) => ({
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name: `v1alpha1.${group}` },
    spec: {
      group,
      version: 'v1alpha1',
      groupPriorityMinimum: 2000,
      versionPriority: 200,
      caBundle,
      service: { namespace: 'default', name: 'sample-api', port: 7443 },
      ...more,
    },
  });

  const condition = (wanted: string): Promise<Loose> =>
    until(wanted, async () => {
      const { json } = await api.request('GET', `${services}/v1alpha1.${group}`);
      const found = json.status?.conditions?.[0] as (Loose & { reason: string }) | undefined;
      return found !== undefined && `${found.status as string} ${found.reason}` === wanted && found;
    });

  /** Waits until discovery shows it. */
  const discovered = (freshness: string): Promise<Loose> =>
    until(`${freshness} discovery`, async () => {
      const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
      const { json } = await api.request('GET', '/apis', undefined, { accept });
      const item = json.items.find(({ metadata }) => metadata.name === group) as { versions?: Loose[] } | undefined;
      const version = item?.versions?.[0] as (Loose & { freshness?: string }) | undefined;
      return version?.freshness === freshness && version;
    });

  before(async () => {
    const now = Date.now();
    const [ca, proxyCa] = [await createAuthority(now), await createAuthority(now, 'front-proxy-ca')];
    const serving = { commonName: 'sample-api', usage: 'server', dnsNames: ['sample-api.default.svc'] } as const;
    const certificate = await issueCertificate(ca, serving, now);
    const identity = await issueCertificate(proxyCa, { commonName: 'front-proxy-client', usage: 'client' }, now);
    caBundle = Buffer.from(ca.certificate).toString('base64');
    handle = usual;
    remote = await backend(
      https.createServer(
        { cert: certificate.certificate, key: certificate.key, ca: proxyCa.certificate, requestCert: true },
        (request, response) => handle(request, response),
      ),
    );
    network.set(`${address}:443`, remote.port);
    const aggregation = new Aggregation(
      {
        identity,
        clock: systemClock,
        random: () => 0,
        // Nothing listens on port 1 of this machine.
        connect: ({ host, port }) => connectTcp({ host: '127.0.0.1', port: network.get(`${host}:${port}`) ?? 1 }),
      },
      silentLog,
    );
    api = await startTestServer({
      namespaces: ['default'],
      deps: (catalog) => ({
        aggregation,
        openapi: openApiRoute(aggregation.openApi(createOpenApi(catalog.resources, 'v1.36.0', () => ({})))),
      }),
    });
    const { client, server } = api;
    const log = pino({ level: 'silent' });
    const informers = createInformers({ client, clock: systemClock, log });
    running = Promise.all([
      informers.run(stopping.signal),
      runAggregation({ aggregation, server, client, informers, clock: systemClock, log }, stopping.signal),
    ]).then(() => undefined);
  });
  after(async () => {
    stopping.abort();
    await running;
    await api.stop();
    remote.close();
  });

  it('is not available without its service, nor without an endpoint; requests get 503 meanwhile', async () => {
    const { status } = await api.request('POST', services, apiService());
    assert.equal(status, 201);
    assert.equal((await condition('False ServiceNotFound')).message, 'service/sample-api in "default" is not present');
    const answer = await api.request('GET', `${root}/namespaces/default/flunders`);
    assert.deepEqual([answer.status, answer.text], [503, 'service unavailable\n']);
    assert.deepEqual((await discovered('Stale')).resources, undefined);
    await api.request('POST', '/api/v1/namespaces/default/services', {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'sample-api' },
      spec: { ports: [{ name: 'https', port: 7443, targetPort: 443 }] },
    });
    await condition('False EndpointsNotFound');
  });

  it('is asked as soon as it has an endpoint, and its resources are discovered', async () => {
    await api.request('POST', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'sample-api-1', labels: { 'kubernetes.io/service-name': 'sample-api' } },
      addressType: 'IPv4',
      ports: [{ name: 'https', port: 443, protocol: 'TCP' }],
      endpoints: [{ addresses: [address], conditions: { ready: true } }],
    });
    assert.equal((await condition('True Passed')).message, 'all checks passed');
    assert.deepEqual((await discovered('Current')).resources, [
      {
        resource: 'flunders',
        responseKind: { group, version: 'v1alpha1', kind: 'Flunder' },
        scope: 'Namespaced',
        singularResource: 'flunder',
        verbs: ['get', 'list'],
        shortNames: ['fl'],
        subresources: [{ subresource: 'status', responseKind: { group, version: 'v1alpha1', kind: 'Flunder' }, verbs: ['get'] }],
      },
    ]);
    const { json } = await api.request('GET', `/apis/${group}`);
    assert.equal(json.preferredVersion.groupVersion, `${group}/v1alpha1`);
    const list = await api.request('GET', root);
    assert.deepEqual(list.json.resources[0]?.name, 'flunders');
  });

  it('gets requests whole, with who sends them, and nobody may pretend to be somebody else', async () => {
    const jane = { name: 'jäne', uid: 'u1', groups: ['a', 'b'], extra: { 'Example.com/x y': ['1', '2'] } };
    const path = `${root}/namespaces/default/flunders?fieldManager=a%2Fb`;
    const { status, json } = await api.as(jane)(
      'POST',
      path,
      { kind: 'Flunder' },
      { 'x-remote-user': 'root', authorization: 'x' },
    );
    assert.equal(status, 200);
    const echo = json as unknown as { url: string; headers: Record<string, string[]>; body: string };
    assert.equal(echo.url, path);
    assert.equal(echo.body, '{"kind":"Flunder"}');
    assert.deepEqual(Buffer.from(echo.headers['x-remote-user']?.[0] ?? '', 'latin1').toString('utf8'), 'jäne');
    assert.deepEqual(echo.headers['x-remote-group'], ['a', 'b']);
    assert.deepEqual(echo.headers['x-remote-uid'], ['u1']);
    assert.deepEqual(echo.headers['x-remote-extra-example.com%2Fx%20y'.toLowerCase()], ['1', '2']);
    assert.equal(echo.headers['authorization'], undefined);
  });

  it('has its part of OpenAPI v2 in ours, v2 and v3', async () => {
    const entry = await until('its document', async () => {
      const { json } = await api.request('GET', '/openapi/v3');
      const { paths } = json as unknown as { paths: Record<string, { serverRelativeURL: string }> };
      return paths[`apis/${group}/v1alpha1`];
    });
    const document = (await api.request('GET', entry.serverRelativeURL)).json as unknown as {
      paths: Record<string, unknown>;
      components: { schemas: Record<string, unknown> };
    };
    assert.deepEqual(Object.keys(document.paths), [`${root}/namespaces/{namespace}/flunders`]);
    assert.deepEqual(Object.keys(document.components.schemas), ['wardle.Flunder', 'wardle.Spec']);
    const v2 = (await api.request('GET', '/openapi/v2')).json as unknown as { definitions: Record<string, unknown> };
    assert.ok('wardle.Flunder' in v2.definitions && 'io.k8s.api.core.v1.Pod' in v2.definitions);
  });

  it('that breaks off, answers rubbish or never costs nobody else anything', async () => {
    handle = (request, response) => {
      if (request.url?.endsWith('/broken') === true) response.destroy();
      else usual(request, response);
    };
    const answer = await api.request('GET', `${root}/namespaces/default/broken`);
    assert.deepEqual([answer.status, answer.text], [503, 'error trying to reach service: EOF\n']);
    assert.equal((await api.request('GET', '/api/v1/namespaces')).status, 200);
    handle = usual;
  });

  it('whose certificate does not come from the CA is not available', async () => {
    const patch = { spec: { caBundle: null } };
    await api.request('PATCH', `${services}/v1alpha1.${group}`, patch, { 'content-type': 'application/merge-patch+json' });
    const { message } = await condition('False FailedDiscoveryCheck');
    assert.equal(
      message,
      `failing or missing response from https://${address}:443${root}: Get "https://${address}:443${root}": tls: failed to verify certificate: x509: certificate signed by unknown authority`,
    );
    // Its known documents are kept.
    assert.equal((await discovered('Stale')).resources?.length, 1);
    const skip = { spec: { insecureSkipTLSVerify: true } };
    await api.request('PATCH', `${services}/v1alpha1.${group}`, skip, { 'content-type': 'application/merge-patch+json' });
    await condition('True Passed');
  });

  it('leaves with its APIService', async () => {
    assert.equal((await api.request('DELETE', `${services}/v1alpha1.${group}`)).status, 200);
    const flunders = `${root}/namespaces/default/flunders`;
    await until('nobody answers', async () => (await api.request('GET', flunders)).status === 404);
    assert.equal((await api.request('GET', `/apis/${group}`)).status, 404);
    const metrics = async (): Promise<string> => (await api.request('GET', '/metrics')).text;
    // The controller removes it asynchronously.
    const gauge = /aggregator_unavailable_apiservice\{name="v1alpha1\.wardle/;
    await until('no gauge', async () => !gauge.test(await metrics()));
    const counter = 'aggregator_unavailable_apiservice_total{name="v1alpha1.wardle.example.com",reason="ServiceNotFound"} 1';
    assert.ok((await metrics()).includes(counter));
  });

  it('is told apart from the groups of this server, which have APIServices of their own', async () => {
    const { json } = await api.request('GET', `${services}/v1.apps`);
    assert.deepEqual(json.spec, { group: 'apps', groupPriorityMinimum: 17_800, version: 'v1', versionPriority: 15 });
    assert.equal(json.metadata.labels?.['kube-aggregator.kubernetes.io/automanaged'], 'onstart');
    assert.equal((json.status.conditions[0] as Loose & { reason: string }).reason, 'Local');
    const core = await api.request('GET', `${services}/v1.`);
    assert.deepEqual(core.json.spec, { groupPriorityMinimum: 18_000, version: 'v1', versionPriority: 1 });
  });

  it('gives way to one of a CustomResourceDefinition, whose APIService comes and goes with it', async () => {
    const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    const names = { plural: 'gadgets', kind: 'Gadget' };
    const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
    const created = await api.request('POST', definitions, {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'gadgets.example.org' },
      spec: { group: 'example.org', scope: 'Namespaced', names, versions: [{ name: 'v1', served: true, storage: true, schema }] },
    });
    assert.equal(created.status, 201);
    const present = async (): Promise<Loose | undefined> => {
      const { status, json } = await api.request('GET', `${services}/v1.example.org`);
      return status === 200 ? json : undefined;
    };
    const found = await until('its APIService', present);
    assert.deepEqual(found.spec, { group: 'example.org', groupPriorityMinimum: 1000, version: 'v1', versionPriority: 100 });
    assert.equal(found.metadata.labels?.['kube-aggregator.kubernetes.io/automanaged'], 'true');
    await api.request('DELETE', `${services}/v1.example.org`);
    await until('another one', async () => {
      const again = await present();
      return again !== undefined && again.metadata.uid !== found.metadata.uid;
    });
    await api.request('DELETE', `${definitions}/gadgets.example.org`);
    await until('its end', async () => (await present()) === undefined);
  });
});
