/** Bootstrap tokens, bound tokens, and the ConfigMaps that a new cluster publishes, over HTTPS. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { rfc3339 } from '#api/meta.ts';
import { systemClock } from '#client/clock.ts';
import { createAuthority, type KeyPair } from '#control/pki/certificates.ts';
import { bootstrapRoles } from '../authorization/rbac/bootstrap-roles.ts';
import { defaultPolicy } from '../authorization/rbac/policy/default-policy.ts';
import { publishClusterInfo, publishTrust } from '../bootstrap-config.ts';
import { silentLog } from '../serving/server-log.ts';
import { bearer, type HttpsServer, startHttpsServer } from './https.testing.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('who joins a cluster', () => {
  let server: HttpsServer;
  let admin: KeyPair;
  before(async () => {
    server = await startHttpsServer(
      { bootstrapTokens: true },
      { modes: ['RBAC'], namespaces: ['default', 'kube-system', 'kube-public'] },
    );
    await bootstrapRoles(server.api.client, defaultPolicy(), systemClock, silentLog, new AbortController().signal);
    admin = await server.client('admin', ['system:masters']);
  });
  after(async () => await server.stop());

  const review = async (token: string) => {
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
    const answer = await server.send('/apis/authentication.k8s.io/v1/tokenreviews', { method: 'POST', as: admin, body });
    return (JSON.parse(answer.text) as { status: { authenticated?: boolean; user: { username?: string; groups?: string[] } } })
      .status;
  };

  const good = { 'token-secret': '0123456789abcdef', 'usage-bootstrap-authentication': 'true' };
  const cases: [name: string, id: string, data: Record<string, string>, type?: string | undefined, groups?: string[]][] = [
    ['a token', 'aaaaaa', good, undefined, ['system:bootstrappers', 'system:authenticated']],
    [
      'a token with groups',
      'bbbbbb',
      { ...good, 'auth-extra-groups': 'system:bootstrappers:z,system:bootstrappers:a:b' },
      undefined,
      ['system:bootstrappers', 'system:bootstrappers:a:b', 'system:bootstrappers:z', 'system:authenticated'],
    ],
    [
      'a token that ends later',
      'cccccc',
      { ...good, expiration: rfc3339(Date.now() + 3_600_000) },
      undefined,
      ['system:bootstrappers', 'system:authenticated'],
    ],
    ['a token that has ended', 'dddddd', { ...good, expiration: rfc3339(Date.now() - 1_000) }],
    ['a token whose end cannot be read', 'eeeeee', { ...good, expiration: 'never' }],
    ['a token that is not for this', 'ffffff', { 'token-secret': '0123456789abcdef' }],
    ['a token that is for this with another word', 'gggggg', { ...good, 'usage-bootstrap-authentication': 'yes' }],
    ['a token with a group that may not be', 'hhhhhh', { ...good, 'auth-extra-groups': 'system:masters' }],
    ['another secret', 'iiiiii', { ...good, 'token-secret': '0123456789abcdeg' }],
    ['another ID in the secret', 'jjjjjj', { ...good, 'token-id': 'kkkkkk' }],
    ['a secret of another type', 'llllll', good, 'Opaque'],
  ];
  for (const [name, id, data, type = 'bootstrap.kubernetes.io/token', groups] of cases)
    it(`is ${groups === undefined ? 'nobody' : `system:bootstrap:${id}`} with ${name}`, async () => {
      await server.api.request('POST', '/api/v1/namespaces/kube-system/secrets', {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
        type,
        data: Object.fromEntries(Object.entries({ 'token-id': id, ...data }).map(([key, value]) => [key, base64(value)])),
      });
      const status = await review(`${id}.0123456789abcdef`);
      if (groups === undefined) assert.deepEqual(status, { user: {}, error: 'invalid bearer token' });
      else assert.deepEqual(status.user, { username: `system:bootstrap:${id}`, groups });
    });

  it('reads the cluster-info without credentials, and nothing beside it', async () => {
    const published = { clientCa: server.ca.certificate, requestHeader: undefined, serverUrl: 'https://10.0.0.1:6443' };
    await publishClusterInfo(server.api.client, published);
    const path = '/api/v1/namespaces/kube-public/configmaps';
    const { status, text } = await server.send(`${path}/cluster-info`);
    assert.equal(status, 200);
    const kubeconfig = parse((JSON.parse(text) as { data: { kubeconfig: string } }).data.kubeconfig);
    assert.deepEqual(kubeconfig.clusters, [
      { cluster: { 'certificate-authority-data': base64(server.ca.certificate), server: 'https://10.0.0.1:6443' }, name: '' },
    ]);
    for (const other of [path, `${path}/other`, '/api/v1/namespaces/kube-public/secrets/cluster-info', '/apis', '/metrics'])
      assert.equal((await server.send(other)).status, 403, other);
    for (const open of ['/healthz', '/livez', '/readyz', '/version', '/version/'])
      assert.equal((await server.send(open)).status, 200, open);
    // A right that an administrator has removed is not added again.
    const binding = '/apis/rbac.authorization.k8s.io/v1/namespaces/kube-public/rolebindings/kubeadm:bootstrap-signer-clusterinfo';
    assert.equal((await server.send(binding, { method: 'DELETE', as: admin })).status, 200);
    await publishClusterInfo(server.api.client, { ...published, serverUrl: 'https://10.0.0.2:6443' });
    assert.equal((await server.send(`${path}/cluster-info`)).status, 403);
    const now = await server.send(`${path}/cluster-info`, { as: admin });
    assert.match(now.text, /10\.0\.0\.2/);
  });

  it('finds whom the cluster trusts in extension-apiserver-authentication', async () => {
    const maps = server.api.client.resource('configmaps');
    const where = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };
    const publish = async (requestHeader: Parameters<typeof publishTrust>[1]['requestHeader']) => {
      const config = { clientCa: server.ca.certificate, requestHeader, serverUrl: '' };
      await publishTrust(server.api.client, config, Date.now());
      return (await maps.get(where)).data;
    };
    assert.deepEqual(await publish(undefined), { 'client-ca-file': server.ca.certificate });
    const proxyCa = await createAuthority(Date.now(), 'front-proxy-ca');
    const options = {
      clientCa: proxyCa.certificate,
      allowedNames: ['front-proxy-client'],
      usernameHeaders: ['X-Remote-User'],
      uidHeaders: [],
      groupHeaders: ['X-Remote-Group'],
      extraHeaderPrefixes: ['X-Remote-Extra-'],
    };
    const expected = {
      'client-ca-file': server.ca.certificate,
      'requestheader-allowed-names': '["front-proxy-client"]',
      'requestheader-client-ca-file': proxyCa.certificate,
      'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
      'requestheader-group-headers': '["X-Remote-Group"]',
      'requestheader-username-headers': '["X-Remote-User"]',
    };
    assert.deepEqual(await publish(options), expected);
    // Certificates of another API server with other names are kept. Expired and unreadable ones are removed.
    const old = await createAuthority(Date.now() - 4000 * 24 * 3_600_000);
    const found = await maps.get(where);
    const broken = `${old.certificate}\nx\n-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n${server.ca.certificate}`;
    await maps.update({ ...found, data: { ...found.data, 'client-ca-file': broken } });
    assert.deepEqual(await publish({ ...options, allowedNames: ['b'], uidHeaders: ['X-Remote-Uid'] }), {
      ...expected,
      'requestheader-allowed-names': '["front-proxy-client","b"]',
      'requestheader-uid-headers': '["X-Remote-Uid"]',
    });
    const tracking = { namespace: 'kube-system', name: 'kube-apiserver-legacy-service-account-token-tracking' };
    assert.match((await maps.get(tracking)).data?.['since'] ?? '', /^\d{4}-\d\d-\d\d$/);
  });

  it('is not let in with other tokens of that shape', async () => {
    for (const token of [
      'aaaaaa.0123456789abcde',
      'zzzzzz.0123456789abcdef',
      'AAAAAA.0123456789abcdef',
      'aaaaaa.0123456789abcdef.',
    ])
      assert.equal((await server.whoAmI(bearer(token))).status, 401, token);
  });
});

describe('tokens of service accounts', () => {
  let server: HttpsServer;
  before(async () => {
    server = await startHttpsServer(
      {},
      { modes: ['AlwaysAllow'], tokens: { maxExpirationSeconds: 7200, audiences: ['api', 'other'] } },
    );
    await server.api.request('POST', '/api/v1/namespaces/default/serviceaccounts', {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'a', namespace: 'default' },
    });
  });
  after(async () => await server.stop());
  const ask = async (spec: object, metadata: object = {}) =>
    await server.api.request('POST', '/api/v1/namespaces/default/serviceaccounts/a/token', {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      metadata,
      spec,
    });
  const refused: [spec: object, metadata: object, status: number, message: string][] = [
    [
      { expirationSeconds: 599 },
      {},
      422,
      'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes',
    ],
    [
      { expirationSeconds: 2 ** 32 + 1 },
      {},
      422,
      'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds',
    ],
    [
      {},
      { name: 'b' },
      422,
      'TokenRequest.authentication.k8s.io "a" is invalid: metadata.name: Invalid value: "b": must match the service account name if specified',
    ],
    [
      { boundObjectRef: { apiVersion: 'v1', kind: 'Service', name: 'x' } },
      {},
      400,
      'cannot bind token to object of type /v1, Kind=Service',
    ],
    [
      { boundObjectRef: { apiVersion: 'apps/v1', kind: 'Pod', name: 'x' } },
      {},
      400,
      'cannot bind token to object of type apps/v1, Kind=Pod',
    ],
    [{ boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name: 'x' } }, {}, 404, 'secrets "x" not found'],
  ];
  for (const [spec, metadata, status, message] of refused)
    it(`are not issued for ${JSON.stringify({ ...spec, ...metadata })}`, async () => {
      const answer = await ask(spec, metadata);
      assert.deepEqual([answer.status, answer.json.message], [status, message]);
    });

  it('last no longer than they may, which the answer warns of', async () => {
    const { headers, json } = await ask({ expirationSeconds: 86_400 });
    assert.match(headers['warning'] ?? '', /requested expiration of 86400 seconds shortened to 7200 seconds/);
    assert.deepEqual((json.spec as unknown as { expirationSeconds: number }).expirationSeconds, 7200);
  });

  it('are good for the audiences of the API, and say which token they are', async () => {
    const { json } = await ask({});
    const me = await server.whoAmI(bearer(json.status.token));
    assert.deepEqual(
      [me.username, me.groups],
      ['system:serviceaccount:default:a', ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated']],
    );
    assert.match(me.extra?.['authentication.kubernetes.io/credential-id']?.[0] ?? '', /^JTI=[0-9a-f-]{36}$/);
    const other = await ask({ audiences: ['vault'] });
    assert.equal((await server.whoAmI(bearer(other.json.status.token))).status, 401);
    const review = async (audiences: string[]) => {
      const body = {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token: other.json.status.token, audiences },
      };
      const { text } = await server.send('/apis/authentication.k8s.io/v1/tokenreviews', {
        method: 'POST',
        ...bearer(json.status.token),
        body,
      });
      return (JSON.parse(text) as { status: { authenticated?: boolean; audiences?: string[]; error?: string } }).status;
    };
    assert.deepEqual((await review(['vault', 'x'])).audiences, ['vault']);
    assert.equal((await review(['api'])).error, 'token audiences ["vault"] is invalid for the target audiences ["api"]');
  });

  it('end with the secret that they are bound to', async () => {
    const secrets = '/api/v1/namespaces/default/secrets';
    await server.api.request('POST', secrets, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 's', namespace: 'default' },
    });
    const { json } = await ask({ boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name: 's' } });
    const { token } = json.status;
    assert.equal((await server.whoAmI(bearer(token))).status, 201);
    await server.api.request('DELETE', `${secrets}/s`);
    assert.equal((await server.whoAmI(bearer(token))).status, 401);
    assert.ok(server.logged.some((line) => line.includes('service account token has been invalidated')));
    assert.doesNotMatch(server.logged.join('\n'), new RegExp(token.slice(-40)));
  });

  it('are refused when a byte of them is another', async () => {
    const [header = '', payload = '', signature = ''] = (await ask({})).json.status.token.split('.');
    const changed = `${signature.slice(0, 20)}${signature[20] === 'A' ? 'B' : 'A'}${signature.slice(21)}`;
    const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
    for (const token of [
      `${header}.${payload}.${changed}`,
      `${none}.${payload}.`,
      `${header}.${payload}.`,
      `.${payload}.${signature}`,
    ])
      assert.equal((await server.whoAmI(bearer(token))).status, 401);
  });
});
