/** Webhooks that are asked by a real server over real HTTPS. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { createAuthority, issueCertificate, type KeyPair } from '#control/pki/certificates.ts';
import { admin, startTestServer, type TestAnswer, type TestServer } from '../../api-server.testing.ts';
import { startBackend } from '../../authentication/https.testing.ts';

interface Review {
  apiVersion: string;
  request: {
    uid: string;
    kind: object;
    resource: object;
    requestKind: object;
    requestResource: object;
    subResource?: string;
    name?: string;
    namespace?: string;
    operation: string;
    userInfo: { username: string };
    object: {
      metadata: { name: string; labels?: Record<string, string> };
      spec?: Record<string, unknown>;
      data?: Record<string, string>;
    } | null;
    oldObject: object | null;
    dryRun: boolean;
  };
}

type Answer = Record<string, unknown> | 'hang' | 'close' | number | { text: string } | { redirect: string };
type Handler = (review: Review) => Answer;

const patchOf = (...operations: object[]): Record<string, unknown> => ({
  allowed: true,
  patchType: 'JSONPatch',
  patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
});

describe('admission webhooks', { timeout: 180_000 }, () => {
  let ca: KeyPair;
  let api: TestServer;
  let hook: { url: string; close(): Promise<void> };
  const handlers = new Map<string, Handler>();
  const asked: { path: string; review: Review; query: string }[] = [];

  before(async () => {
    ca = await createAuthority(Date.now());
    const pair = await issueCertificate(ca, { commonName: 'hook', usage: 'server', dnsNames: ['localhost'] }, Date.now());
    hook = await startBackend((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const review = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Review;
        const [path = '', query = ''] = (request.url ?? '').split('?');
        asked.push({ path, review, query });
        const answer = handlers.get(path)?.(review) ?? 404;
        if (answer === 'hang') return;
        if (answer === 'close') request.socket.destroy();
        else if (typeof answer === 'number') response.writeHead(answer).end();
        else if ('redirect' in answer) response.writeHead(307, { location: String(answer.redirect) }).end();
        else if ('text' in answer) response.end(answer['text']);
        else
          response.end(
            JSON.stringify({
              kind: 'AdmissionReview',
              apiVersion: review.apiVersion,
              response: { uid: review.request.uid, ...answer },
            }),
          );
      });
    }, pair);
    api = await startTestServer({ admissionPlugins: { enable: [], disable: ['ServiceAccount'] } });
  });
  after(async () => {
    await api.stop();
    await hook.close();
  });
  afterEach(async () => {
    for (const plural of ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'])
      await api.request('DELETE', `/apis/admissionregistration.k8s.io/v1/${plural}`);
    handlers.clear();
    asked.length = 0;
  });

  const rule = (...resources: string[]): object => ({ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources });
  /** Registers a webhook that the handler answers. */
  async function register(kind: 'Mutating' | 'Validating', name: string, handler: Handler, more: object = {}): Promise<void> {
    handlers.set(`/${name}`, handler);
    const url = `${hook.url.replace('127.0.0.1', 'localhost')}/${name}`;
    const webhook = {
      name: `${name}.example.com`,
      admissionReviewVersions: ['v1'],
      sideEffects: 'None',
      clientConfig: { url, caBundle: Buffer.from(ca.certificate).toString('base64') },
      rules: [rule('configmaps')],
      ...more,
    };
    const answer = await api.request('POST', `/apis/admissionregistration.k8s.io/v1/${kind.toLowerCase()}webhookconfigurations`, {
      kind: `${kind}WebhookConfiguration`,
      apiVersion: 'admissionregistration.k8s.io/v1',
      metadata: { name },
      webhooks: [webhook],
    });
    assert.equal(answer.status, 201, answer.text);
  }
  const configMaps = '/api/v1/namespaces/default/configmaps';
  let made = 0;
  const create = (more: object = {}, query = ''): Promise<TestAnswer> =>
    api.request('POST', `${configMaps}${query}`, {
      kind: 'ConfigMap',
      apiVersion: 'v1',
      metadata: { name: `c-${made++}`, labels: { app: 'web' } },
      data: { a: '1' },
      ...more,
    });

  it('are told of a request as upstream tells them', async () => {
    await register('Validating', 'look', () => ({ allowed: true }), { timeoutSeconds: 3 });
    const { json, status } = await create();
    assert.equal(status, 201);
    const [{ review, query } = assert.fail('it was not asked')] = asked;
    const { request } = review;
    assert.equal(query, 'timeout=3s');
    assert.equal(review.apiVersion, 'admission.k8s.io/v1');
    assert.deepEqual(request.kind, { group: '', version: 'v1', kind: 'ConfigMap' });
    assert.deepEqual(request.requestKind, request.kind);
    assert.deepEqual(request.resource, { group: '', version: 'v1', resource: 'configmaps' });
    assert.deepEqual(
      [request.operation, request.name, request.namespace, request.dryRun],
      ['CREATE', json.metadata.name, 'default', false],
    );
    assert.equal(request.userInfo.username, admin.name);
    assert.deepEqual([request.object?.data, request.oldObject], [{ a: '1' }, null]);
    await api.request(
      'PATCH',
      `${configMaps}/${json.metadata.name}`,
      { data: { b: '2' } },
      { 'content-type': 'application/merge-patch+json' },
    );
    await api.request('DELETE', `${configMaps}/${json.metadata.name}`);
    assert.deepEqual(
      asked.map(({ review: { request: r } }) => [r.operation, r.object?.data, (r.oldObject as typeof r.object)?.data]),
      [
        ['CREATE', { a: '1' }, undefined],
        ['UPDATE', { a: '1', b: '2' }, { a: '1' }],
        ['DELETE', undefined, { a: '1', b: '2' }],
      ],
    );
  });

  it('refuse in their own words, with their code', async () => {
    await register('Validating', 'deny', ({ request }) => {
      if (request.object?.data?.['a'] === '2') return { allowed: false };
      return { allowed: false, status: { message: 'not today', code: 403, reason: 'Forbidden' } };
    });
    const { json, status } = await create();
    assert.deepEqual(
      [status, json.reason, json.message],
      [403, 'Forbidden', 'admission webhook "deny.example.com" denied the request: not today'],
    );
    const other = await create({ data: { a: '2' } });
    assert.deepEqual(
      [other.status, other.json.message],
      [400, 'admission webhook "deny.example.com" denied the request without explanation'],
    );
  });

  it('change objects, which get their defaults and are checked afterwards', async () => {
    await register('Mutating', 'label', () =>
      patchOf({ op: 'add', path: '/metadata/labels/by', value: 'hook' }, { op: 'add', path: '/data/b', value: '2' }),
    );
    const { json } = await create();
    assert.deepEqual(
      [json.data, json.metadata.labels],
      [
        { a: '1', b: '2' },
        { app: 'web', by: 'hook' },
      ],
    );
    handlers.set('/label', () => patchOf({ op: 'add', path: '/metadata/labels/bad', value: 'no/label value' }));
    assert.equal((await create()).status, 422);
    handlers.set('/label', () => patchOf({ op: 'add', path: '/data', value: 'no map' }));
    assert.equal((await create()).status, 500);
    handlers.set('/label', () => patchOf({ op: 'remove', path: '/nothing/there' }));
    assert.equal((await create()).status, 500);
  });

  it('are asked again, once, when others have changed what they saw', async () => {
    let calls = 0;
    await register(
      'Mutating',
      'a-first',
      ({ request }) => {
        calls++;
        return request.object?.data?.['b'] === undefined
          ? { allowed: true }
          : patchOf({ op: 'add', path: '/data/seen', value: String(calls) });
      },
      { reinvocationPolicy: 'IfNeeded' },
    );
    let others = 0;
    await register('Mutating', 'b-second', () => {
      others++;
      return patchOf({ op: 'add', path: '/data/b', value: '2' });
    });
    const { json } = await create();
    assert.deepEqual([json.data, calls, others], [{ a: '1', b: '2', seen: '2' }, 2, 1]);
  });

  it('are chosen by rules, selectors and conditions', async () => {
    await register('Validating', 'pods', () => ({ allowed: false }), { rules: [rule('pods', 'configmaps/status')] });
    await register('Validating', 'cluster', () => ({ allowed: false }), { rules: [{ ...rule('*'), scope: 'Cluster' }] });
    await register('Validating', 'others', () => ({ allowed: false }), { objectSelector: { matchLabels: { app: 'db' } } });
    await register('Validating', 'space', () => ({ allowed: false }), { namespaceSelector: { matchLabels: { checked: 'yes' } } });
    await register('Validating', 'conditions', () => ({ allowed: false }), {
      matchConditions: [
        { name: 'dry', expression: 'request.dryRun' },
        { name: 'named', expression: 'object.metadata.name.startsWith("c-") && request.userInfo.username != ""' },
      ],
    });
    await register('Validating', 'allowed', () => ({ allowed: false }), {
      matchConditions: [
        { name: 'may', expression: "!authorizer.group('').resource('secrets').namespace('default').check('get').allowed()" },
      ],
    });
    assert.equal((await create()).status, 201);
    assert.equal(asked.length, 0);
    assert.match((await create({}, '?dryRun=All')).json.message, /"conditions\.example\.com" denied/);
    const labelled = await create({ metadata: { name: 'db', labels: { app: 'db' } } });
    assert.match(labelled.json.message, /"others\.example\.com" denied/);
    await api.request(
      'PATCH',
      '/api/v1/namespaces/default',
      { metadata: { labels: { checked: 'yes' } } },
      { 'content-type': 'application/merge-patch+json' },
    );
    // Of the cluster, so it is refused itself.
    assert.match((await api.request('GET', '/api/v1/namespaces/default')).text, /"name":"default"/);
  });

  it('whose condition cannot be told refuse, unless another condition is not met', async () => {
    const broken = { name: 'broken', expression: 'object.data.nothing == "x"' };
    await register('Validating', 'broken', () => ({ allowed: true }), { matchConditions: [broken] });
    const { status, json } = await create();
    assert.equal(status, 403);
    assert.match(json.message, /resulted in error: no such key: nothing/);
    await register('Validating', 'settled', () => ({ allowed: false }), {
      matchConditions: [broken, { name: 'no', expression: 'false' }],
    });
    assert.doesNotMatch((await create()).json.message, /settled/);
  });

  it('without side effects on a dry run are asked, others are refused', async () => {
    await register('Validating', 'quiet', ({ request }) => ({ allowed: !request.dryRun }), { sideEffects: 'NoneOnDryRun' });
    assert.equal((await create({}, '?dryRun=All')).status, 400);
    assert.equal((await create()).status, 201);
  });

  const failures: [what: string, answer: Answer, message: RegExp][] = [
    ['nothing in time', 'hang', /context deadline exceeded/],
    ['a closed connection', 'close', /EOF|socket hang up/],
    ['a status of 404', 404, /the server could not find the requested resource/],
    ['a status of 500', 500, /an error on the server/],
    ['no JSON', { text: '<html>' }, /failed to call webhook/],
    ['no response', { text: '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}' }, /webhook response was absent/],
    ['another uid', { uid: 'x', allowed: true }, /expected response\.uid=/],
    [
      'a patch of a validating webhook',
      { allowed: true, patch: 'W10=', patchType: 'JSONPatch' },
      /validating webhook may not return response\.patch/,
    ],
    ['a redirect', { redirect: 'https://localhost/other' }, /the server rejected our request/],
    ['megabytes', { text: 'x'.repeat(9 << 20) }, /larger than|context deadline exceeded/],
    ['deep JSON', { text: '['.repeat(100_000) }, /failed to call webhook/],
  ];
  for (const [what, answer, message] of failures)
    it(`that answer with ${what} fail the request, or do not matter, as their policy says`, async () => {
      await register('Validating', 'bad', () => answer, { timeoutSeconds: 1 });
      const { status, json } = await create();
      assert.equal(status, 500);
      assert.match(json.message, /^Internal error occurred: failed calling webhook "bad\.example\.com": /);
      assert.match(json.message, message);
      await api.request('DELETE', '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/bad');
      await register('Validating', 'bad', () => answer, { timeoutSeconds: 1, failurePolicy: 'Ignore' });
      assert.equal((await create()).status, 201);
      assert.match(
        (await api.request('GET', '/metrics')).text,
        /apiserver_admission_webhook_fail_open_count\{name="bad\.example\.com",type="validating"\} [1-9]/,
      );
      assert.match(
        (await api.request('GET', '/metrics')).text,
        /apiserver_admission_webhook_rejection_count\{name="bad\.example\.com",type="validating",operation="CREATE",error_type="calling_webhook_error",rejection_code="500"\} [1-9]/,
      );
    });

  it('are believed only with a certificate of their CA, and are not looked for at addresses of this machine', async () => {
    const url = hook.url.replace('127.0.0.1', 'localhost');
    const other = await createAuthority(Date.now());
    await register('Validating', 'other', () => ({ allowed: true }), {
      clientConfig: { url, caBundle: Buffer.from(other.certificate).toString('base64') },
    });
    assert.match(
      (await create()).json.message,
      /tls: failed to verify certificate: x509: certificate signed by unknown authority/,
    );
    for (const address of ['127.0.0.1', '169.254.169.254', '[::1]', '0.0.0.0']) {
      await api.request('DELETE', '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations');
      await register('Validating', 'near', () => ({ allowed: true }), { clientConfig: { url: `https://${address}/x` } });
      assert.match((await create()).json.message, /is not allowed/);
    }
    await api.request('DELETE', '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations');
    await register('Validating', 'gone', () => ({ allowed: true }), {
      clientConfig: { service: { name: 'gone', namespace: 'default' } },
    });
    assert.match(
      (await create()).json.message,
      /Post "https:\/\/gone\.default\.svc:443\/\?timeout=10s": service "gone" not found/,
    );
  });

  it('cannot hold up their own configuration', async () => {
    await register('Mutating', 'all', () => ({ allowed: false }), { rules: [rule('*/*')] });
    await register('Validating', 'all', () => ({ allowed: false }), { rules: [rule('*/*')] });
    const path = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/all';
    assert.equal((await api.request('DELETE', path)).status, 200);
    assert.equal(asked.length, 0);
  });

  it('see subresources', async () => {
    await register('Validating', 'evictions', () => ({ allowed: false, status: { message: 'stay' } }), {
      rules: [{ ...rule('pods/eviction'), operations: ['CREATE'] }],
    });
    const pod = { kind: 'Pod', apiVersion: 'v1', metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const pods = '/api/v1/namespaces/default/pods';
    const made = await api.request('POST', pods, pod);
    assert.equal(made.status, 201, made.text);
    const { json } = await api.request('POST', `${pods}/p/eviction`, {
      kind: 'Eviction',
      apiVersion: 'policy/v1',
      metadata: { name: 'p' },
    });
    assert.match(json.message, /denied the request: stay/);
    const { request } = asked[0]?.review ?? assert.fail('it was not asked');
    assert.deepEqual(
      [request.operation, request.subResource, request.kind, request.resource],
      [
        'CREATE',
        'eviction',
        { group: 'policy', version: 'v1', kind: 'Eviction' },
        { group: '', version: 'v1', resource: 'pods' },
      ],
    );
  });

  it('see the version that their rules name, when they ask for what is equivalent', async () => {
    await register(
      'Mutating',
      'v1',
      ({ request }) =>
        patchOf({ op: 'replace', path: '/spec/maxReplicas', value: Number(request.object?.spec?.['maxReplicas']) + 1 }),
      {
        rules: [
          { operations: ['CREATE'], apiGroups: ['autoscaling'], apiVersions: ['v1'], resources: ['horizontalpodautoscalers'] },
        ],
      },
    );
    const { json, status } = await api.request('POST', '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers', {
      kind: 'HorizontalPodAutoscaler',
      apiVersion: 'autoscaling/v2',
      metadata: { name: 'h' },
      spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' } },
    });
    assert.equal(status, 201, json.message);
    const { request } = asked[0]?.review ?? assert.fail('it was not asked');
    assert.deepEqual(
      [request.kind, request.requestKind],
      [
        { group: 'autoscaling', version: 'v1', kind: 'HorizontalPodAutoscaler' },
        { group: 'autoscaling', version: 'v2', kind: 'HorizontalPodAutoscaler' },
      ],
    );
    assert.equal((json.spec as unknown as { maxReplicas: number }).maxReplicas, 4);
  });
});
