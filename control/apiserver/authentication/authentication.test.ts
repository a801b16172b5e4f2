/** Authentication over HTTPS: client certificates, a token file, authenticating proxies, anonymous requests. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createAuthority, issueCertificate, type KeyPair } from '#control/pki/certificates.ts';
import { silentLog } from '../serving/server-log.ts';
import { bearer, type HttpsRequest, type HttpsServer, startHttpsServer, type WhoAmI } from './https.testing.ts';
import { tokenFile } from './token-file.ts';

const authenticated = 'system:authenticated';

describe('authentication', () => {
  let server: HttpsServer;
  let folder = '';
  let proxyCa: KeyPair;
  const shown: Record<string, KeyPair> = {};

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'authentication-test-'));
    const path = join(folder, 'tokens.csv');
    writeFileSync(path, 'secret-of-jane,jane,u1,"dev,ops"\nsecret-of-joe,joe,u2\n"with ""quotes""",quoted,u3,a\n');
    const now = Date.now();
    proxyCa = await createAuthority(now, 'front-proxy-ca');
    server = await startHttpsServer(
      {
        tokenFile: tokenFile(path, silentLog),
        requestHeader: {
          clientCa: proxyCa.certificate,
          allowedNames: ['front-proxy'],
          usernameHeaders: ['X-Remote-User', 'X-Other-User'],
          uidHeaders: ['X-Remote-Uid'],
          groupHeaders: ['X-Remote-Group'],
          extraHeaderPrefixes: ['X-Remote-Extra-'],
        },
      },
      { modes: ['RBAC'] },
    );
    shown['jane'] = await server.client('jane', ['dev', 'ops']);
    shown['masters'] = await server.client('root', ['system:masters']);
    const stranger = await createAuthority(now);
    shown['stranger'] = await issueCertificate(
      stranger,
      { commonName: 'root', organizations: ['system:masters'], usage: 'client' },
      now,
    );
    shown['server'] = await issueCertificate(server.ca, { commonName: 'root', usage: 'server' }, now);
    shown['expired'] = await issueCertificate(server.ca, { commonName: 'old', usage: 'client' }, now - 400 * 24 * 3600_000);
    shown['proxy'] = await issueCertificate(proxyCa, { commonName: 'front-proxy', usage: 'client' }, now);
    shown['other proxy'] = await issueCertificate(proxyCa, { commonName: 'someone', usage: 'client' }, now);
    const kubernetes = { kind: 'ClusterRoleBinding', apiVersion: 'rbac.authorization.k8s.io/v1' };
    const subjects = [{ kind: 'Group', apiGroup: 'rbac.authorization.k8s.io', name: authenticated }];
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'asks' };
    const rules = [{ verbs: ['create'], apiGroups: ['authentication.k8s.io'], resources: ['*'] }];
    const rbac = '/apis/rbac.authorization.k8s.io/v1';
    await server.api.request('POST', `${rbac}/clusterroles`, {
      ...kubernetes,
      kind: 'ClusterRole',
      metadata: { name: 'asks' },
      rules,
    });
    await server.api.request('POST', `${rbac}/clusterrolebindings`, {
      ...kubernetes,
      metadata: { name: 'asks' },
      subjects,
      roleRef,
    });
  });

  after(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  const headers = (more: Record<string, string | string[]>): HttpsRequest => ({ headers: more });
  const jane = { status: 201, username: 'jane', groups: ['dev', 'ops', authenticated] };
  const fromProxy = {
    'X-Remote-User': 'mary',
    'X-Remote-Group': ['cn=a,ou=b', 'c'],
    'X-Remote-Uid': '7',
    'X-Remote-Extra-Scopes%2fA': ['x', 'y'],
  };
  const cases: [name: string, as: string | undefined, request: HttpsRequest, expected: Partial<WhoAmI>][] = [
    ['a certificate', 'jane', {}, jane],
    ['a certificate of another CA', 'stranger', {}, { status: 401 }],
    ['a certificate of a server', 'server', {}, { status: 401 }],
    ['a certificate that has expired', 'expired', {}, { status: 401 }],
    ['a token of the file', undefined, bearer('secret-of-jane'), { ...jane, uid: 'u1' }],
    [
      'a token without groups',
      undefined,
      bearer('secret-of-joe'),
      { status: 201, username: 'joe', uid: 'u2', groups: [authenticated] },
    ],
    [
      'the scheme in other letters, with space around it',
      undefined,
      headers({ authorization: '  bEARER secret-of-joe  ' }),
      { status: 201, username: 'joe' },
    ],
    [
      'a token with words behind it',
      undefined,
      headers({ authorization: 'Bearer secret-of-joe x' }),
      { status: 201, username: 'joe' },
    ],
    ['a token that nobody knows', undefined, bearer('secret-of-jan'), { status: 401 }],
    ['half a JWT', undefined, bearer('e30.e30.'), { status: 401 }],
    ['an empty token', undefined, headers({ authorization: 'Bearer ' }), { status: 403 }],
    ['another scheme', undefined, headers({ authorization: 'Basic amFuZTpqYW5l' }), { status: 403 }],
    ['nothing', undefined, {}, { status: 403 }],
    ['a good certificate and a bad token', 'jane', bearer('wrong'), jane],
    ['a bad certificate and a good token', 'stranger', bearer('secret-of-jane'), { ...jane, uid: 'u1' }],
    [
      'a proxy',
      'proxy',
      headers(fromProxy),
      { status: 201, username: 'mary', uid: '7', groups: ['cn=a,ou=b', 'c', authenticated], extra: { 'scopes/a': ['x', 'y'] } },
    ],
    [
      'a proxy, by its second header',
      'proxy',
      headers({ 'X-Other-User': 'mary' }),
      { status: 201, username: 'mary', groups: [authenticated] },
    ],
    [
      'a proxy, of a name beyond ASCII',
      'proxy',
      headers({ 'X-Remote-User': Buffer.from('jürgen').toString('latin1') }),
      { status: 201, username: 'jürgen' },
    ],
    [
      'a proxy that says nobody is known',
      'proxy',
      headers({ 'X-Remote-User': 'system:anonymous', 'X-Remote-Group': 'system:unauthenticated' }),
      { status: 403 },
    ],
    ['a proxy that says nothing', 'proxy', {}, { status: 401 }],
    ['a proxy of a name that is not allowed', 'other proxy', headers(fromProxy), { status: 401 }],
    ['what a proxy would say, without its certificate', undefined, headers(fromProxy), { status: 403 }],
    ['what a proxy would say, with a certificate of the cluster', 'jane', headers(fromProxy), jane],
    [
      'what a proxy would say, with a token',
      undefined,
      headers({ ...fromProxy, authorization: 'Bearer secret-of-joe' }),
      { status: 201, username: 'joe' },
    ],
  ];
  for (const [name, as, request, expected] of cases)
    it(`knows the sender by ${name}`, async () => {
      const certificate = as === undefined ? undefined : shown[as];
      const found = await server.whoAmI({ ...request, ...(certificate === undefined ? {} : { as: certificate }) });
      for (const [key, value] of Object.entries(expected)) assert.deepEqual(found[key as keyof WhoAmI], value, key);
    });

  it('says no more than Unauthorized, as a Status', async () => {
    const { status, text, headers: got } = await server.send('/api/v1/namespaces', bearer('wrong'));
    assert.deepEqual(
      [status, JSON.parse(text)],
      [
        401,
        {
          kind: 'Status',
          apiVersion: 'v1',
          metadata: {},
          status: 'Failure',
          message: 'Unauthorized',
          reason: 'Unauthorized',
          code: 401,
        },
      ],
    );
    assert.match(String(got['audit-id']), /./);
  });

  it('keeps groups apart that impersonation names one by one, commas and all', async () => {
    const request = {
      as: shown['masters'] as KeyPair,
      headers: { 'Impersonate-User': 'ann', 'Impersonate-Group': ['cn=a,ou=b', authenticated] },
    };
    assert.deepEqual((await server.whoAmI(request)).groups, ['cn=a,ou=b', authenticated]);
  });

  for (const [headers, user] of [
    [{ 'Impersonate-Group': ['a', 'b,c'] }, 'UID:"", Groups:[]string{"a", "b,c"}, Extra:map[string][]string(nil)'],
    [{ 'Impersonate-Uid': '7' }, 'UID:"7", Groups:[]string(nil), Extra:map[string][]string(nil)'],
    [
      { 'Impersonate-Extra-%zz': ['1', '2'], 'Impersonate-Extra-A%2Fb': '3' },
      'UID:"", Groups:[]string(nil), Extra:map[string][]string{"%zz":[]string{"1", "2"}, "a/b":[]string{"3"}}',
    ],
  ] as const)
    it(`refuses to impersonate nobody: ${user}`, async () => {
      const answer = await server.send('/version', { as: shown['masters'] as KeyPair, headers: headers as never });
      const { message } = JSON.parse(answer.text) as { message: string };
      const expected = `requested &user.DefaultInfo{Name:"", ${user}} without impersonating a user name`;
      assert.deepEqual([answer.status, message], [400, expected]);
    });

  it('counts what it finds, under upstream names, and logs no secret', async () => {
    const { text } = await server.send('/metrics', { as: shown['masters'] as KeyPair });
    for (const line of [
      /^authentication_attempts\{result="success"\} \d+$/m,
      /^authentication_attempts\{result="error"\} \d+$/m,
      /^authenticated_user_requests\{username="other"\} \d+$/m,
      /^authentication_duration_seconds_count\{result="success"\} \d+$/m,
      /^apiserver_client_certificate_expiration_seconds_count \d+$/m,
    ])
      assert.match(text, line);
    assert.ok(server.logged.some((line) => line.includes('could not be authenticated')));
    assert.doesNotMatch(server.logged.join('\n'), /secret-of/);
  });

  it('answers a TokenReview with the same authenticators', async () => {
    const review = async (token: string, audiences?: string[]): Promise<unknown> => {
      const body = {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token, ...(audiences === undefined ? {} : { audiences }) },
      };
      const path = '/apis/authentication.k8s.io/v1/tokenreviews';
      const { text } = await server.send(path, { method: 'POST', as: shown['masters'] as KeyPair, body });
      return (JSON.parse(text) as { status: unknown }).status;
    };
    const issuer = 'https://kubernetes.default.svc.cluster.local';
    assert.deepEqual(await review('secret-of-jane'), {
      authenticated: true,
      user: { username: 'jane', uid: 'u1', groups: ['dev', 'ops', authenticated] },
      audiences: [issuer],
    });
    assert.deepEqual(await review('secret-of-jane', ['other']), { user: {}, error: 'invalid bearer token' });
    assert.deepEqual(await review('secret-of-jane', ['other', issuer]), {
      authenticated: true,
      user: { username: 'jane', uid: 'u1', groups: ['dev', 'ops', authenticated] },
      audiences: [issuer],
    });
    assert.deepEqual(await review('wrong'), { user: {}, error: 'invalid bearer token' });
  });
});

describe('--anonymous-auth=false', () => {
  it('lets nobody in who does not say who they are', async () => {
    const server = await startHttpsServer({ anonymous: false }, { modes: ['RBAC'] });
    try {
      for (const path of ['/healthz', '/version', '/api']) assert.equal((await server.send(path)).status, 401, path);
      assert.equal((await server.send('/version', { as: await server.client('x', ['system:masters']) })).status, 200);
    } finally {
      await server.stop();
    }
  });
});

describe('--token-auth-file', () => {
  for (const [name, text, expected] of [
    [
      'too few columns',
      'a,b,c\nd,e\n',
      /token file '.*' must have at least 3 columns \(token, user name, user uid\), found 2 on line 2/,
    ],
    ['a quote within a field', 'a,b,c\nx"y,b,c\n', /parse error on line 2: bare " in non-quoted field/],
    ['a quote that does not end', 'a,b,"c\n\n', /parse error on line 1: extraneous or missing " in quoted-field/],
    ['no file at all', undefined, /token file '.*' cannot be read: ENOENT/],
  ] as const)
    it(`says which file and line has ${name}`, () => {
      const folder = mkdtempSync(join(tmpdir(), 'token-file-test-'));
      try {
        const path = join(folder, 'tokens.csv');
        if (text !== undefined) writeFileSync(path, text);
        assert.throws(() => tokenFile(path, silentLog), { name: 'TokenFileError', message: expected });
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
});
