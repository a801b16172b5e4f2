/**
 * Machines that join with a bootstrap token, against a real `tinker server`, and against servers that lie: what was got so far is kept, and
 * nobody is trusted who has not signed with the token and the pinned CA.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createSecureServer, type Http2SecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import { type AddressInfo } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { type JoinOptions, joinCluster } from '#agent/credentials/join.ts';
import { createNodeCredentials, type NodeCredentials } from '#agent/credentials/node-credentials.ts';
import { withDefaults } from '#agent/kubelet/options.ts';
import { createKubeletAuth } from '#agent/kubelet/server/auth/create-kubelet-auth.ts';
import { type ServerDeps, serveKubelet } from '#agent/kubelet/server/server.ts';
import { agentContext, agentUsers } from '#api/agent-users.ts';
import type { CertificateSigningRequest } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { systemClock } from '#client/clock.ts';
import { createHttpTransport, type HttpTransport } from '#client/http-transport.ts';
import { kubeconfigText, loadKubeconfig } from '#client/kubeconfig.ts';
import { createClient } from '#client/rest-client.ts';
import { createAuthority, issueCertificate } from '#control/pki/certificates.ts';
import { freePort } from '#test/free-port.ts';
import { ServerProcess } from './server-process.ts';

const run = promisify(execFile);
const program = fileURLToPath(new URL('../../cli/tinker.ts', import.meta.url));
const log = pino({ level: process.env['TEST_LOG'] ?? 'silent' });
const clock = systemClock;
const scratch = mkdtempSync(join(tmpdir(), 'tinker-join-'));
const csrs = 'certificatesigningrequests.certificates.k8s.io';
const stop = new AbortController();
const stops: (() => unknown)[] = [];
after(async () => {
  stop.abort();
  for (const end of stops.reverse()) await end();
  rmSync(scratch, { recursive: true });
});

/** An address that a Service can have: not of the loopback. */
const address = Object.values(networkInterfaces())
  .flatMap((list) => list ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

let server: ServerProcess;
let admin: Client;
let adminFile: string;
before(async () => {
  assert.ok(address !== undefined, 'this machine has no address besides the loopback');
  server = await ServerProcess.start(['--bind-address=0.0.0.0', `--advertise-address=${address}`]);
  admin = createClient(server.transport, { userAgent: 'admin' });
  adminFile = join(scratch, 'admin.conf');
  writeFileSync(adminFile, kubeconfigText({ ...server.kubeconfig, cert: server.kubeconfig.cert, key: server.kubeconfig.key }));
  stops.push(() => server.stop());
});

const tinker = async (...argv: string[]): Promise<string> =>
  (await run(process.execPath, ['--no-warnings', program, ...argv, `--kubeconfig=${adminFile}`])).stdout.trim();

let nodes = 0;
/** A machine with nothing but what `token create --print-join-command` prints. */
function aMachine(token: string, hash: string, more: Partial<JoinOptions['discovery']> & { timeout?: number } = {}) {
  const nodeName = `joined-${nodes++}`;
  const folder = join(scratch, nodeName);
  const { timeout = 30_000, ...discovery } = more;
  const options: JoinOptions = {
    nodeName,
    kubeconfig: join(folder, 'kubelet.conf'),
    certDir: join(folder, 'pki'),
    timeoutMs: timeout,
    discovery: { endpoint: `${address}:${server.port}`, token, caCertHashes: [hash], timeoutMs: 1_000, ...discovery },
  };
  return { options, join: () => joinCluster(options, { clock, log, signal: stop.signal }), folder, nodeName };
}

const pinOf = (pem: string): string => {
  const key = new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' });
  return `sha256:${createHash('sha256').update(key).digest('hex')}`;
};

/** Who somebody is to the API server. */
async function whoIs(
  transport: HttpTransport,
): Promise<{ username?: string; groups?: string[]; extra?: Record<string, string[]> }> {
  const body = JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' });
  const answer = await transport({
    method: 'POST',
    path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(body),
  });
  const chunks: Uint8Array[] = [];
  for await (const chunk of answer.body) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString()).status.userInfo;
}

async function userOf(kubeconfig: string, user: string) {
  const transport = createHttpTransport(loadKubeconfig(kubeconfig, agentContext(user)));
  try {
    return await whoIs(transport);
  } finally {
    transport.close();
  }
}

async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (let turn = 0; turn < 300; turn++) {
    const found = await look();
    if (found !== undefined) return found;
    await delay(100);
  }
  throw new Error(`it never came: ${what}`);
}

describe('a machine that joins', () => {
  let token: string;
  let hash: string;
  before(async () => {
    const command = await tinker('token', 'create', '--print-join-command', '--description=for the test');
    const found = /^tinker agent --join (\S+) --token (\S+) --discovery-token-ca-cert-hash (sha256:[0-9a-f]{64})$/.exec(command);
    assert.ok(found !== null, command);
    [token = '', hash = ''] = found.slice(2);
    assert.equal(hash, pinOf(server.kubeconfig.ca ?? ''));
  });

  it('gets a certificate for each of its users, by the token alone, and joins once', async () => {
    const machine = aMachine(token, hash);
    await machine.join();
    const { kubeconfig, certDir } = machine.options;
    const kubelet = await userOf(kubeconfig, `system:node:${machine.nodeName}`);
    assert.deepEqual(
      [kubelet.username, kubelet.groups],
      [`system:node:${machine.nodeName}`, ['system:nodes', 'system:authenticated']],
    );
    for (const user of Object.values(agentUsers)) assert.equal((await userOf(kubeconfig, user)).username, user);
    const current = join(certDir, 'kubelet-client-current.pem');
    assert.ok(lstatSync(current).isSymbolicLink());
    assert.equal(statSync(current).mode & 0o777, 0o600);
    assert.equal(statSync(kubeconfig).mode & 0o777, 0o600);
    assert.match(readFileSync(kubeconfig, 'utf8'), new RegExp(`client-certificate: ${current}`));
    const left = readdirSync(certDir).filter((name) => name.includes('tmp') || name.includes('bootstrap'));
    assert.deepEqual(left, [], 'neither keys without certificates nor the token stay');
    // Another start asks nobody: the token may have ended.
    await aMachineAgain(machine.options, { token: 'zzzzzz.0123456789abcdef' });
    // The request says by whom and why it was approved.
    const { items } = await admin.resource(csrs).list();
    const ours = items.filter(({ spec }) => spec.username === `system:bootstrap:${token.slice(0, 6)}`);
    assert.equal(ours.length, 1 + Object.values(agentUsers).length);
    assert.ok(ours.every(({ status }) => status?.conditions?.[0]?.reason === 'AutoApproved'));
  });

  const aMachineAgain = (options: JoinOptions, discovery: Partial<JoinOptions['discovery']>): Promise<void> =>
    joinCluster({ ...options, discovery: { ...options.discovery, ...discovery } }, { clock, log, signal: stop.signal });

  it('asks anew where its certificates cannot be used any more', async () => {
    const machine = aMachine(token, hash);
    await machine.join();
    writeFileSync(join(machine.options.certDir, 'kube-proxy-client-current.pem'), 'garbage');
    await machine.join();
    assert.equal((await userOf(machine.options.kubeconfig, 'system:kube-proxy')).username, 'system:kube-proxy');
  });

  it('may not take the name of a node that is ready', async () => {
    const machine = aMachine(token, hash);
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: machine.nodeName } };
    await admin.resource('nodes').create(node as never);
    const conditions = [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }];
    await admin
      .resource('nodes')
      .patch({ name: machine.nodeName }, { type: 'merge', body: { status: { conditions } } }, { subresource: 'status' });
    await assert.rejects(machine.join(), /a Node with name "joined-\d+" and status "Ready" already exists in the cluster/);
  });

  it('renews, and its connections show the new certificate', async () => {
    const machine = aMachine(token, hash);
    await machine.join();
    const { kubeconfig, certDir, nodeName } = machine.options;
    const user = `system:node:${nodeName}`;
    // An empty store: what the kubeconfig names is replaced at once.
    const options = {
      nodeName,
      nodeIp: '127.0.0.1',
      kubeconfig,
      tlsCertFile: undefined,
      tlsKeyFile: undefined,
      credentials: { certDir: join(certDir, 'next'), bootstrapKubeconfig: undefined, rotateClients: true, rotateServing: false },
    };
    const ended = new AbortController();
    const credentials = createNodeCredentials(options, { clock, random: Math.random, log, signal: ended.signal });
    const transports = new Map<string, HttpTransport>();
    for (const [name, context] of [
      ['kubelet', user],
      ['proxy', 'system:kube-proxy'],
      ['network', 'tinkernetes:node-network'],
      ['dns', 'tinkernetes:cluster-dns'],
    ] as const) {
      const transport = createHttpTransport({
        ...loadKubeconfig(kubeconfig, agentContext(context)),
        clientCertificate: credentials.certificateOf(name),
      });
      transports.set(name, transport);
      stops.push(() => transport.close());
      credentials.used(name, createClient(transport, { userAgent: name }), transport);
    }
    const credential = async (name: string) => {
      const { username, extra } = await whoIs(transports.get(name) as HttpTransport);
      return [username, extra?.['authentication.kubernetes.io/credential-id']?.[0]];
    };
    const before = await credential('proxy');
    const running = credentials.run(ended.signal);
    const renewed = await until('a new certificate of the proxy', async () => {
      const now = await credential('proxy');
      return now[1] === before[1] ? undefined : now;
    });
    assert.equal(renewed[0], before[0]);
    await until('a new certificate of the kubelet', () =>
      existsSync(join(certDir, 'next/kubelet-client-current.pem')) ? true : undefined,
    );
    assert.equal((await credential('kubelet'))[0], user);
    ended.abort();
    await running;
  });

  it('goes on where all certificates are given: a part that ended would end the agent', async () => {
    const machine = aMachine(token, hash);
    await machine.join();
    const { kubeconfig, certDir, nodeName } = machine.options;
    const current = join(certDir, 'kubelet-client-current.pem');
    const ended = new AbortController();
    const given = { certDir, bootstrapKubeconfig: undefined, rotateClients: false, rotateServing: false };
    const credentials = createNodeCredentials(
      { nodeName, nodeIp: '127.0.0.1', kubeconfig, tlsCertFile: current, tlsKeyFile: current, credentials: given },
      { clock, random: Math.random, log, signal: ended.signal },
    );
    assert.ok(credentials.serving().current() !== undefined);
    let hasEnded = false;
    const running = credentials.run(ended.signal).then(() => (hasEnded = true));
    await delay(50);
    assert.ok(!hasEnded);
    ended.abort();
    await running;
  });

  it('serves with a certificate that somebody approves, to those whom the API server lets', async () => {
    const machine = aMachine(token, hash);
    await machine.join();
    const { kubeconfig, certDir, nodeName } = machine.options;
    const port = await freePort();
    const config = loadKubeconfig(kubeconfig);
    const transport = createHttpTransport(config);
    stops.push(() => transport.close());
    const client = createClient(transport, { userAgent: 'kubelet' });
    const ended = new AbortController();
    const credentials: NodeCredentials = createNodeCredentials(
      {
        nodeName,
        nodeIp: address ?? '',
        kubeconfig,
        tlsCertFile: undefined,
        tlsKeyFile: undefined,
        credentials: { certDir, bootstrapKubeconfig: undefined, rotateClients: false, rotateServing: true },
      },
      { clock, random: Math.random, log, signal: ended.signal },
    );
    credentials.used('kubelet', client, transport);
    const certificate = credentials.serving();
    const running = credentials.run(ended.signal);
    const serving = { certificate, clientCa: config.ca ?? '' };
    const options = withDefaults({ nodeName, nodeIps: [address ?? ''], serving, clusterDns: [] });
    const auth = createKubeletAuth({ client, clock, random: Math.random, log }, options);
    const deps = { log, clock, nodeName, startedMs: Date.now(), auth, configuration: {} } as unknown as ServerDeps;
    const kubelet = serveKubelet(deps, { ...serving, address: address ?? '', port }, ended.signal);
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName } };
    await client.resource('nodes').create(node as never);
    const status = {
      addresses: [
        { type: 'InternalIP', address },
        { type: 'Hostname', address: nodeName },
      ],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
    };
    await client
      .resource('nodes')
      .patch({ name: nodeName }, { type: 'merge', body: { status } as never }, { subresource: 'status' });
    const healthz = (): Promise<{ status: number; text: string }> =>
      server.request('GET', `/api/v1/nodes/${nodeName}/proxy/healthz`);
    const request = await until('the request for a serving certificate', async () => {
      const { items } = await admin.resource(csrs).list();
      return items.find(({ spec }) => spec.signerName === 'kubernetes.io/kubelet-serving');
    });
    assert.equal(request.status?.conditions, undefined, 'nobody approves it by itself');
    assert.equal((await healthz()).status, 503, 'no handshake succeeds before there is a certificate');
    await approve(request, 'Approved');
    await until('the serving certificate', () => certificate.current());
    const answer = await healthz();
    assert.deepEqual([answer.status, answer.text], [200, 'ok'], 'the API server trusts it');

    // Who sends what: straight to the kubelet.
    const ask = async (path: string, authorization?: string) => {
      const answer = await fetchFrom({ port, ca: config.ca ?? '' }, path, authorization);
      return `${answer.status} ${answer.text.trim()}`;
    };
    const accountToken = async (name: string): Promise<string> => {
      await admin
        .resource('serviceaccounts')
        .create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: 'default' } });
      const { status: issued } = await admin.createToken({ namespace: 'default', name }, { spec: { audiences: [] } } as never);
      return `Bearer ${issued?.token ?? ''}`;
    };
    const reader = await accountToken('reader');
    assert.equal(await ask('/configz'), '401 Unauthorized');
    assert.equal(await ask('/configz', 'Bearer x'), '401 Unauthorized');
    const forbidden = '403 Forbidden (user=system:serviceaccount:default:reader, verb=get, resource=nodes, subresource(s)=';
    assert.equal(await ask('/configz', reader), `${forbidden}[configz proxy])`);
    assert.equal(await ask('/logs/', reader), `${forbidden}[log])`);
    const rbac = { apiVersion: 'rbac.authorization.k8s.io/v1' };
    const rules = [{ apiGroups: [''], resources: ['nodes/configz'], verbs: ['get'] }];
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'configz' };
    const subjects = [{ kind: 'ServiceAccount', name: 'another', namespace: 'default' }];
    await admin
      .resource('clusterroles.rbac.authorization.k8s.io')
      .create({ ...rbac, kind: 'ClusterRole', metadata: { name: 'configz' }, rules } as never);
    await admin
      .resource('clusterrolebindings.rbac.authorization.k8s.io')
      .create({ ...rbac, kind: 'ClusterRoleBinding', metadata: { name: 'configz' }, roleRef, subjects } as never);
    const another = await accountToken('another');
    assert.equal(await ask('/configz', another), '200 {"kubeletconfig":{}}');
    assert.equal(
      await ask('/pods', another),
      '403 Forbidden (user=system:serviceaccount:default:another, verb=get, resource=nodes, subresource(s)=[pods proxy])',
    );
    ended.abort();
    await Promise.all([running, kubelet]);
  });
});

async function approve(request: CertificateSigningRequest, type: 'Approved' | 'Denied'): Promise<void> {
  const condition = { type, status: 'True', reason: 'ByTheTest', message: 'said the test' };
  await admin.resource(csrs).update({ ...request, status: { conditions: [condition] } }, { subresource: 'approval' });
}

async function fetchFrom(target: { port: number; ca: string }, path: string, authorization?: string) {
  const { request } = await import('node:https');
  return await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const headers = authorization === undefined ? {} : { authorization };
    const sent = request({ host: address, port: target.port, ca: target.ca, path, headers, agent: false }, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    sent.on('error', reject);
    sent.end();
  });
}

describe('what keeps a machine from joining', () => {
  const good = 'abcdef.0123456789abcdef';
  let hash: string;
  before(async () => {
    hash = pinOf(server.kubeconfig.ca ?? '');
    assert.equal(await tinker('token', 'create', good, '--ttl=0'), good);
    // The signer has to see it.
    await until('the signature', async () => {
      const map = await admin.resource('configmaps').get({ namespace: 'kube-public', name: 'cluster-info' });
      return map.data?.['jws-kubeconfig-abcdef'];
    });
  });

  it('is told: the hash of another CA', async () => {
    const machine = aMachine(good, `sha256:${'0'.repeat(64)}`);
    await assert.rejects(
      machine.join(),
      /cluster CA found in cluster-info ConfigMap is invalid: none of the public keys \["sha256:[0-9a-f]{64}"\] are pinned/,
    );
    assert.ok(!existsSync(machine.folder), 'nothing was written');
  });
  it('is told: a hash that is none', () =>
    assert.rejects(aMachine(good, 'md5:1').join(), /invalid discovery token CA certificate hash: "md5:1"/));
  it('is told: a token that is none', () =>
    assert.rejects(aMachine('nope', hash).join(), /not of the form abcdef\.0123456789abcdef/));
  it('is told: a token that nobody knows', () =>
    assert.rejects(
      aMachine('zzzzzz.0123456789abcdef', hash).join(),
      /could not find a JWS signature .* token ID "zzzzzz": the token is unknown or has expired/,
    ));
  it('is told: a token with another secret', () =>
    assert.rejects(
      aMachine('abcdef.fedcba9876543210', hash).join(),
      /failed to verify JWS signature of received cluster info object/,
    ));
  it('is told: a token that has expired', async () => {
    const token = 'expire.0123456789abcdef';
    await tinker('token', 'create', token, '--ttl=1s');
    await delay(1_100);
    await assert.rejects(aMachine(token, hash).join(), /the token is unknown or has expired/);
  });
  it('is told: nobody listens', () =>
    assert.rejects(
      aMachine(good, hash, { endpoint: '127.0.0.1:1' }).join(),
      /failed to request the cluster-info ConfigMap: .*ECONNREFUSED/,
    ));

  it('is told: the folder of the keys cannot be written', async () => {
    const machine = aMachine(good, hash);
    writeFileSync(machine.folder, 'a file');
    machine.options.kubeconfig = join(scratch, 'elsewhere.conf');
    await assert.rejects(machine.join(), /joined-\d+\/pki cannot be written to: /);
  });

  it('is told: a request that is denied, and the next start may ask again', async () => {
    await withoutApproval(async () => {
      const machine = aMachine(good, hash);
      const joining = machine.join();
      const failed = assert.rejects(
        joining,
        /certificate signing request node-csr-\S+ is denied, reason: ByTheTest, message: said the test/,
      );
      await approve(await requestOf(machine.nodeName), 'Denied');
      await failed;
    });
  });

  it('is told: an approval that never comes; then the same key and request lead to the certificate', async () => {
    const machine = aMachine(good, hash, { timeout: 1_500 });
    await withoutApproval(async () => {
      await assert.rejects(
        machine.join(),
        /node-csr-\S+ was not approved and issued within 1\.5 s: kubectl certificate approve node-csr-/,
      );
      const pending = join(machine.options.certDir, 'kubelet-client.key.tmp');
      assert.equal(statSync(pending).mode & 0o777, 0o600);
      const request = await requestOf(machine.nodeName);
      await approve(request, 'Approved');
      const again = { ...machine.options, timeoutMs: 30_000 };
      const joining = joinCluster(again, { clock, log, signal: stop.signal });
      // The kubelet's certificate is there; those of the other parts are not approved by anybody.
      await until('the first certificate', () =>
        existsSync(join(again.certDir, 'kubelet-client-current.pem')) ? true : undefined,
      );
      assert.equal((await requestsOf(machine.nodeName)).length, 1, 'there is one request');
      for (const user of Object.values(agentUsers)) await approve(await pendingOf(user), 'Approved');
      await joining;
    });
    assert.equal((await userOf(machine.options.kubeconfig, 'system:kube-proxy')).username, 'system:kube-proxy');
  });

  /** Nobody approves requests of tokens meanwhile. */
  async function withoutApproval(body: () => Promise<void>): Promise<void> {
    const bindings = admin.resource('clusterrolebindings.rbac.authorization.k8s.io');
    const names = ['kubeadm:node-autoapprove-bootstrap', 'tinkernetes:agentclient'];
    const kept = await Promise.all(names.map((name) => bindings.get({ name })));
    for (const name of names) await bindings.delete({ name });
    try {
      await body();
    } finally {
      for (const { metadata, ...rest } of kept) await bindings.create({ ...rest, metadata: { name: metadata.name } } as never);
    }
  }

  async function requestsOf(nodeName: string): Promise<CertificateSigningRequest[]> {
    const { parseCertificateRequest } = await import('#api/x509/certificate-request.ts');
    const { items } = await admin.resource(csrs).list();
    return items.filter(({ spec }) => parseCertificateRequest(spec.request).subject.commonName === `system:node:${nodeName}`);
  }
  const requestOf = (nodeName: string): Promise<CertificateSigningRequest> =>
    until(`a request of ${nodeName}`, async () => (await requestsOf(nodeName))[0]);
  const pendingOf = (user: string): Promise<CertificateSigningRequest> =>
    until(`a request of ${user}`, async () => {
      const { parseCertificateRequest } = await import('#api/x509/certificate-request.ts');
      const { items } = await admin.resource(csrs).list();
      return items.find(
        ({ spec, status }) =>
          status?.conditions === undefined && parseCertificateRequest(spec.request).subject.commonName === user,
      );
    });
});

describe('servers that lie to a machine that joins', () => {
  const good = 'abcdef.0123456789abcdef';
  type Answer = (request: Http2ServerRequest, response: Http2ServerResponse) => void;
  let answer: Answer = () => undefined;
  let liar: Http2SecureServer;
  let endpoint: string;
  let info: object;
  before(async () => {
    const authority = await createAuthority(Date.now(), 'liar');
    const serving = await issueCertificate(
      authority,
      { commonName: 'x', usage: 'server', ipAddresses: ['127.0.0.1'] },
      Date.now(),
    );
    liar = createSecureServer({ cert: serving.certificate, key: serving.key }, (request, response) => {
      response.stream.on('error', () => undefined);
      answer(request, response);
    });
    liar.on('sessionError', () => undefined);
    await new Promise<void>((resolve) => liar.listen(0, '127.0.0.1', resolve));
    endpoint = `127.0.0.1:${(liar.address() as AddressInfo).port}`;
    stops.push(() => liar.close());
    info = await admin.resource('configmaps').get({ namespace: 'kube-public', name: 'cluster-info' });
  });
  const json =
    (value: unknown): Answer =>
    (_request, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(value));
    };
  const hash = (): string => pinOf(server.kubeconfig.ca ?? '');
  const endless: Answer = (_request, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    };
    response.on('drain', more);
    more();
  };

  const cases: [what: string, answer: () => Answer, expected: RegExp][] = [
    ['with what the true server has signed', () => json(info), /failed to request the cluster-info ConfigMap: .*certificate/],
    ['with an endless body', () => endless, /its answer is larger than \d+ bytes/],
    ['with no body, ever', () => (_request, response) => void response.writeHead(200), /no whole answer within/],
    ['with nothing, ever', () => () => undefined, /no whole answer within/],
    ['with text', () => (_request, response) => void response.end('{'), /failed to request the cluster-info ConfigMap/],
    ['with another object', () => json([1, null]), /could not find a JWS signature/],
    ['with data that is none', () => json({ data: 7 }), /did not answer with a ConfigMap/],
    [
      'with a request to come again in a week',
      () => (_request, response) => void response.writeHead(503, { 'retry-after': '604800' }).end(),
      /answered with the status 503/,
    ],
    [
      'with a signature by nobody',
      () => json({ data: { kubeconfig: 'x', 'jws-kubeconfig-abcdef': '..' } }),
      /failed to verify JWS signature/,
    ],
    [
      'with a signature that is a number',
      () => json({ data: { kubeconfig: 'x', 'jws-kubeconfig-abcdef': 7 } }),
      /failed to verify JWS signature/,
    ],
    [
      'with a signature that needs no key',
      () => {
        const none = Buffer.from('{"alg":"none","kid":"abcdef"}').toString('base64url');
        return json({ data: { kubeconfig: 'x', 'jws-kubeconfig-abcdef': `${none}..` } });
      },
      /failed to verify JWS signature/,
    ],
    [
      'without a kubeconfig',
      () => json({ data: { 'jws-kubeconfig-abcdef': '..' } }),
      /there is no kubeconfig key in the cluster-info ConfigMap/,
    ],
  ];
  for (const [what, made, expected] of cases)
    it(`${what}`, async () => {
      answer = made();
      const before = process.memoryUsage().rss;
      const machine = aMachine(good, hash(), { endpoint });
      await assert.rejects(machine.join(), expected);
      assert.ok(!existsSync(machine.folder), 'nothing was written');
      assert.ok(process.memoryUsage().rss - before < 200 << 20);
    });
});

describe('tinker token', () => {
  it('creates, lists and deletes', async () => {
    assert.match(
      await tinker('token', 'create', 'listed.0123456789abcdef', '--ttl=2h', '--description=two words'),
      /^listed\.0123456789abcdef$/,
    );
    const list = await tinker('token', 'list');
    assert.match(list, /^TOKEN +TTL +EXPIRES +USAGES +DESCRIPTION +EXTRA GROUPS\n/);
    assert.match(
      list,
      /^listed\.0123456789abcdef +1h +\d{4}-\S+Z +authentication,signing +two words +system:bootstrappers:kubeadm:default-node-token$/m,
    );
    await assert.rejects(tinker('token', 'create', 'listed.aaaaaaaaaaaaaaaa'), /a token with id "listed" already exists/);
    assert.equal(await tinker('token', 'delete', 'listed'), 'bootstrap token "listed" deleted');
    await assert.rejects(tinker('token', 'delete', 'listed.0123456789abcdef'), /there is no bootstrap token "listed"/);
    assert.doesNotMatch(await tinker('token', 'list'), /listed/);
  });
  const wrong: [string[], RegExp][] = [
    [['create', 'short.token'], /not of the form/],
    [['create', '--usages=x'], /--usages x: give some of signing,authentication/],
    [['create', '--groups=system:masters'], /--groups system:masters: give names that begin with system:bootstrappers:/],
    [['delete', 'UPPER1'], /UPPER1: give a token of the form/],
  ];
  for (const [argv, expected] of wrong) it(`refuses ${argv.join(' ')}`, () => assert.rejects(tinker('token', ...argv), expected));
});
