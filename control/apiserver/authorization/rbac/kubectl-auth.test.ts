/** The commands of kubectl about roles and permissions: real kubectl against a server with Node authorization and RBAC. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '#client/clock.ts';
import { kubeconfigText } from '#client/kubeconfig.ts';
import { createAuthority, issueCertificate } from '#control/pki/certificates.ts';
import { startTestServer, type TestServer } from '../../api-server.testing.ts';
import { listen } from '../../serving/listener.ts';
import { silentLog } from '../../serving/server-log.ts';
import { bootstrapRoles } from './bootstrap-roles.ts';
import { defaultPolicy } from './policy/default-policy.ts';

const binary = fileURLToPath(new URL('../../../../bin/kubectl', import.meta.url));

describe('kubectl, about rights', () => {
  let api: TestServer;
  let folder = '';
  const stop = new AbortController();
  let running: Promise<void>;

  before(async () => {
    const now = Date.now();
    const ca = await createAuthority(now);
    const server = await issueCertificate(ca, { commonName: 'kube-apiserver', usage: 'server', ipAddresses: ['127.0.0.1'] }, now);
    api = await startTestServer({ modes: ['Node', 'RBAC'], namespaces: ['default', 'kube-system', 'kube-public'] });
    await bootstrapRoles(api.client, defaultPolicy(), systemClock, silentLog, stop.signal);
    const options = { host: '127.0.0.1', port: 0, certificate: server.certificate, key: server.key, clientCa: ca.certificate };
    const listener = await listen(api.server, { ...options, graceMs: 1000 }, silentLog);
    running = listener.run(stop.signal);
    folder = await mkdtemp(join(tmpdir(), 'kubectl-auth-'));
    for (const [userName, organizations] of [
      ['admin', ['system:masters']],
      ['jane', ['devs']],
    ] as const) {
      const { certificate: cert, key } = await issueCertificate(
        ca,
        { commonName: userName, organizations, usage: 'client' },
        now,
      );
      const url = `https://127.0.0.1:${listener.port}`;
      await writeFile(join(folder, userName), kubeconfigText({ server: url, ca: ca.certificate, cert, key, userName }));
    }
  });

  after(async () => {
    stop.abort();
    await running;
    await api.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** stdout and stderr together. */
  function kubectl(user: string, args: string, stdin = ''): Promise<string> {
    return new Promise((resolve) => {
      const env = { ...process.env, HOME: folder, KUBECONFIG: join(folder, user) };
      const child = execFile(binary, args.split(' '), { env, timeout: 240_000 }, (_error, out, err) => resolve(out + err));
      child.stdin?.end(stdin);
    });
  }

  const reconciled = JSON.stringify({
    apiVersion: 'v1',
    kind: 'List',
    items: [
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'Role',
        metadata: { name: 'reader', namespace: 'default' },
        rules: [{ verbs: ['list'], apiGroups: [''], resources: ['secrets'] }],
      },
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'RoleBinding',
        metadata: { name: 'devs', namespace: 'default' },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'devs' }],
      },
    ],
  });

  const steps: [what: string, user: string, args: string, expected: RegExp, stdin?: string][] = [
    ['tells who one is', 'jane', 'auth whoami', /Username +jane\nGroups +\[devs system:authenticated\]\n/],
    [
      'refuses',
      'jane',
      'get pods',
      /Error from server \(Forbidden\): pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"/,
    ],
    ['says no', 'jane', 'auth can-i list pods', /^no\n/],
    [
      'makes a role',
      'admin',
      'create role reader --verb=get,list --resource=pods,pods/log,deployments.apps',
      /^role.rbac.authorization.k8s.io\/reader created/,
    ],
    [
      'makes a binding',
      'admin',
      'create rolebinding jane --role=reader --user=jane --serviceaccount=default:bot',
      /^rolebinding.rbac.authorization.k8s.io\/jane created/,
    ],
    ['says yes', 'jane', 'auth can-i list pods', /^yes\n/],
    ['says yes of a subresource', 'jane', 'auth can-i get pods --subresource=log', /^yes\n/],
    ['says no of another', 'jane', 'auth can-i create pods --subresource=exec', /^no\n/],
    ['says no of another namespace', 'jane', 'auth can-i list pods -n kube-system', /^no\n/],
    [
      'says what a role allows an account',
      'admin',
      'auth can-i list deployments.apps --as=system:serviceaccount:default:bot',
      /^yes\n/,
    ],
    ['lists what one may', 'jane', 'auth can-i --list', /pods\/log +\[\] +\[\] +\[get list\]\n/],
    ['lists the paths that one may', 'jane', 'auth can-i --list', /\[\/healthz\] +\[\] +\[get\]\n/],
    [
      'makes a cluster role',
      'admin',
      'create clusterrole health --verb=get --non-resource-url=/metrics',
      /^clusterrole.rbac.authorization.k8s.io\/health created/,
    ],
    [
      'makes a cluster role that collects others',
      'admin',
      'create clusterrole all --aggregation-rule=part-of=all',
      /^clusterrole.rbac.authorization.k8s.io\/all created/,
    ],
    [
      'makes a cluster role binding',
      'admin',
      'create clusterrolebinding health --clusterrole=health --group=devs',
      /^clusterrolebinding.rbac.authorization.k8s.io\/health created/,
    ],
    ['says yes of a path', 'jane', 'auth can-i get /metrics', /^yes\n/],
    ['says no of another path', 'jane', 'auth can-i get /logs', /^no\n/],
    [
      'reconciles',
      'admin',
      'auth reconcile -f -',
      /role.rbac.authorization.k8s.io\/reader reconciled\n[\s\S]*rolebinding.rbac.authorization.k8s.io\/devs reconciled/,
      reconciled,
    ],
    [
      'has added what was missing, and kept the rest',
      'admin',
      'get role reader -o jsonpath={.rules[*].resources}',
      /^(?=.*"pods")(?=.*"secrets")/,
    ],
    [
      'gives no more than one has',
      'jane',
      'create role more --verb=get --resource=secrets',
      /roles.rbac.authorization.k8s.io is forbidden: User "jane" cannot create resource "roles"/,
    ],
    [
      'shows bindings',
      'admin',
      'get rolebinding jane -o wide',
      /^NAME +ROLE +AGE +USERS +GROUPS +SERVICEACCOUNTS\njane +Role\/reader +\S+ +jane +default\/bot\n$/,
    ],
    ['shows roles', 'admin', 'get role reader', /^NAME +CREATED AT\nreader +20\d\d-/],
    ['describes a role', 'admin', 'describe clusterrole health', /Non-Resource URLs[\s\S]*\[\/metrics\] +\[\] +\[get\]/],
    [
      'sets subjects',
      'admin',
      'set subject rolebinding jane --user=joe',
      /^rolebinding.rbac.authorization.k8s.io\/jane subjects updated/,
    ],
  ];
  for (const [what, user, args, expected, stdin] of steps) {
    it(what, async () => {
      assert.match(await kubectl(user, args, stdin), expected);
    });
  }
});
