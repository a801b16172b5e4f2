import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readDescriptions } from '#api/schema/descriptions.ts';
import { createOpenApi } from '#api/schema/openapi.ts';
import { createAuthority, issueCertificate } from '#control/pki/certificates.ts';
import { startTestServer, type TestServer } from './api-server.testing.ts';
import { bootstrapOnce } from './bootstrap.ts';
import type { KindCatalog } from './catalog.ts';
import { openApiRoute } from './discovery/openapi-route.ts';
import { listen } from './serving/listener.ts';
import { silentLog } from './serving/server-log.ts';

const binary = fileURLToPath(new URL('../../bin/kubectl', import.meta.url));
const models = fileURLToPath(new URL('../../node_modules/@kubernetes/client-node/dist/gen/models', import.meta.url));
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('real kubectl', () => {
  let api: TestServer;
  let folder = '';
  const stop = new AbortController();
  let running: Promise<void>;

  before(async () => {
    const now = Date.now();
    const ca = await createAuthority(now);
    const server = await issueCertificate(ca, { commonName: 'kube-apiserver', usage: 'server', ipAddresses: ['127.0.0.1'] }, now);
    const user = await issueCertificate(ca, { commonName: 'jane', organizations: ['dev'], usage: 'client' }, now);
    const deps = ({ resources }: KindCatalog) => ({
      openapi: openApiRoute(createOpenApi(resources, 'v1.36.0', () => readDescriptions(models))),
    });
    api = await startTestServer({ deps });
    await bootstrapOnce(api.client, { serviceIp: '10.96.0.1', advertiseAddress: '192.168.77.1', securePort: 6443 });
    await api.request('POST', '/api/v1/namespaces/default/serviceaccounts', {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'default' },
    });
    const options = { host: '127.0.0.1', port: 0, certificate: server.certificate, key: server.key, clientCa: ca.certificate };
    const listener = await listen(api.server, { ...options, graceMs: 1000 }, silentLog);
    running = listener.run(stop.signal);
    folder = await mkdtemp(join(tmpdir(), 'apiserver-kubectl-'));
    const cluster = { server: `https://127.0.0.1:${listener.port}`, 'certificate-authority-data': base64(ca.certificate) };
    const credentials = { 'client-certificate-data': base64(user.certificate), 'client-key-data': base64(user.key) };
    const kubeconfig = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
      clusters: [{ name: 'test', cluster }],
      users: [{ name: 'test', user: credentials }],
    };
    await writeFile(join(folder, 'config'), JSON.stringify(kubeconfig));
  });

  after(async () => {
    stop.abort();
    await running;
    await api.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** stdout and stderr together, as a user sees them. */
  function kubectl(args: string, stdin = ''): Promise<string> {
    return new Promise((resolve) => {
      const env = { ...process.env, HOME: folder, KUBECONFIG: join(folder, 'config') };
      const child = execFile(binary, args.split(' '), { env, timeout: 240_000 }, (_error, out, err) => resolve(out + err));
      child.stdin?.end(stdin);
    });
  }

  const manifest = (replicas: number): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: busybox}]}
`;

  /** kubectl itself validates a List, with the OpenAPI v2 document. */
  const list = (field: string): string =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'List',
      items: [
        {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name: 'listed' },
          spec: { ports: [{ port: 80, targetPort: 8080 }], [field]: { app: 'web' } },
        },
      ],
    });

  const typedList = (kind: string, field: string): string =>
    JSON.stringify({
      apiVersion: 'v1',
      kind,
      items: ['in-list', 'in-list-2'].map((name) => ({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name },
        [field]: { a: 'b' },
      })),
    });

  const steps: [string, string, RegExp, string?][] = [
    ['creates, from protobuf', 'create configmap a --from-literal=k=v', /^configmap\/a created/],
    ['gets a Table', 'get configmap a', /^NAME +DATA +AGE\na +1 +\d+s\n$/],
    ['gets YAML', 'get configmap a -o yaml', /^apiVersion: v1\ndata:\n {2}k: v\nkind: ConfigMap\n/],
    ['says what exists already', 'create configmap a', /configmaps "a" already exists/],
    ['applies', 'apply -f -', /^deployment.apps\/web created/, manifest(2)],
    ['applies a change', 'apply -f -', /^deployment.apps\/web configured/, manifest(3)],
    ['applies nothing new', 'apply -f -', /^deployment.apps\/web unchanged/, manifest(3)],
    [
      'applies on the server',
      'apply --server-side --force-conflicts -f -',
      /^deployment.apps\/web serverside-applied/,
      manifest(4),
    ],
    [
      'is told of unknown fields',
      'create -f -',
      /strict decoding error: unknown field "spec.replicaz"/,
      manifest(1).replace('replicas:', 'replicaz:'),
    ],
    ['applies a List', 'apply -f -', /^service\/listed created/, list('selector')],
    [
      'knows unknown fields within a List',
      'apply -f -',
      /ValidationError\(Service\.spec\): unknown field "selektor" in io\.k8s\.api\.core\.v1\.ServiceSpec/,
      list('selektor'),
    ],
    [
      'creates from a typed list',
      'create -f -',
      /^configmap\/in-list created\nconfigmap\/in-list-2 created/,
      typedList('ConfigMapList', 'data'),
    ],
    [
      'applies a typed list',
      'apply -f -',
      /^configmap\/in-list configured\nconfigmap\/in-list-2 configured/,
      typedList('ConfigMapList', 'data'),
    ],
    [
      'knows unknown fields within a typed list',
      'apply -f -',
      /ValidationError\(ConfigMapList.items\[0\]\): unknown field "dota" in io.k8s.api.core.v1.ConfigMap/,
      typedList('ConfigMapList', 'dota'),
    ],
    ...['apps/v1 Deploymnt', 'v1 Pot', 'v1 Podlist', 'example.com/v1 Thing', 'apps/v2 Deployment'].flatMap(
      (text): [string, string, RegExp, string][] => {
        const [apiVersion = '', kind = ''] = text.split(' ');
        const unknown = JSON.stringify({ apiVersion, kind, metadata: { name: 'x' } });
        const expected = new RegExp(`no matches for kind "${kind}" in version "${apiVersion}"`);
        return [
          [`does not know ${text}, and says so when it creates`, 'create -f -', expected, unknown],
          [`does not know ${text}, and says so when it applies`, 'apply -f -', expected, unknown],
        ];
      },
    ),
    [
      'lists no definitions of custom resources',
      'get --raw /apis/apiextensions.k8s.io/v1/customresourcedefinitions',
      /^\{"kind":"CustomResourceDefinitionList","apiVersion":"apiextensions.k8s.io\/v1","metadata":\{"resourceVersion":"\d+"\},"items":\[\]\}/,
    ],
    ['scales', 'scale deployment web --replicas=1', /^deployment.apps\/web scaled/],
    ['sees what it scaled', 'get deploy web -o jsonpath={.spec.replicas}', /^1$/],
    ['labels', 'label deploy web tier=front', /labeled/],
    ['patches strategically', 'set image deployment/web c=nginx', /^deployment.apps\/web image updated/],
    ['runs a pod', 'run p --image=busybox', /^pod\/p created/],
    ['lists all namespaces', 'get all -A', /service\/kubernetes/],
    ['describes', 'describe pod p', /^Name: +p\n/],
    ['waits', 'wait --for=jsonpath={.status.phase}=Pending pod/p --timeout=20s', /condition met/],
    ['asks who it is', 'auth whoami', /Username +jane\n/],
    ['asks what it may', 'auth can-i create pods', /^yes/],
    ['makes a token', 'create token default', /^eyJ/],
    ['creates a quota', 'create quota small --hard=secrets=9,limits.cpu=2 --scopes=NotTerminating', /is invalid: spec.scopes/],
    [
      'creates a quota that fits its scope',
      'create quota small --hard=pods=9,limits.cpu=2 --scopes=NotTerminating',
      /^resourcequota\/small created/,
    ],
    ['sees a quota before its use is known', 'get quota small', /^NAME +REQUEST +LIMIT +AGE\nsmall +\d+s\n$/],
    [
      'reports the use of a quota',
      'patch quota small --subresource=status --type=merge -p {"status":{"hard":{"pods":"9","limits.cpu":"2"},"used":{"pods":"3","limits.cpu":"1500m"}}}',
      /^resourcequota\/small patched/,
    ],
    ['gets a quota', 'get resourcequota small', /\nsmall +pods: 3\/9 +limits.cpu: 1500m\/2 +\d+s\n$/],
    [
      'describes a quota',
      'describe quota small',
      /Scopes: +NotTerminating\n[^]*Resource +Used +Hard\n[^]*limits.cpu +1500m +2\npods +3 +9\n/,
    ],
    [
      'is refused by a quota',
      'run q --image=busybox',
      /pods "q" is forbidden: failed quota: small: must specify limits.cpu for: q/,
    ],
    [
      'creates a limit range',
      'create -f -',
      /^limitrange\/bounds created/,
      'apiVersion: v1\nkind: LimitRange\nmetadata: {name: bounds}\nspec: {limits: [{type: Container, max: {cpu: "1"}, min: {cpu: 10m}}]}\n',
    ],
    ['gets a limit range', 'get limits bounds', /^NAME +CREATED AT\nbounds +\d{4}-/],
    ['describes a limit range', 'describe limits bounds', /Container +cpu +10m +1 +1 +1 +-/],
    [
      'describes a namespace with both',
      'describe ns default',
      /Resource Quotas[^]*small[^]*Resource Limits[^]*Container +cpu +10m/,
    ],
    ['deletes both', 'delete quota/small limits/bounds', /resourcequota "small" deleted[^]*limitrange "bounds" deleted/],
    [
      'runs a pod that asks for CPU',
      'create -f -',
      /^pod\/sized created/,
      'apiVersion: v1\nkind: Pod\nmetadata: {name: sized}\nspec: {containers: [{name: c, image: busybox, resources: {requests: {cpu: "1"}}}]}\n',
    ],
    [
      'resizes a pod',
      'patch pod sized --subresource=resize -p {"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"2"}}}]}}',
      /^pod\/sized patched/,
    ],
    ['sees the resize', 'get pod sized --subresource=resize -o jsonpath={.metadata.generation}{..requests.cpu}', /^22$/],
    [
      'is told what a resize may not do',
      'patch pod sized --subresource=resize -p {"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":null}}}]}}',
      /The Pod "sized" is invalid: [^]*spec.containers\[0\].resources.requests: Forbidden: resource requests cannot be removed/,
    ],
    ['explains', 'explain pod.spec.nodeName', /FIELD: nodeName <string>/],
    ['knows the resources', 'api-resources --api-group=apps', /deployments +deploy +apps\/v1 +true +Deployment/],
    ['deletes and waits', 'delete pod p --now', /^pod "p" deleted/],
    ['deletes by label', 'delete deploy -l tier=front', /^deployment.apps "web" deleted/],
    ['says what is not there', 'get pod none', /Error from server \(NotFound\): pods "none" not found/],
    ['tells the versions', 'version', /Server Version: v1\.36\.0\+tinkernetes0\.1\.0/],
  ];
  for (const [what, args, expected, stdin] of steps) {
    it(what, async () => {
      assert.match(await kubectl(args, stdin), expected);
    });
  }
});
