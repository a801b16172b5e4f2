/** What upstream's conformance tests assert of kubectl, and does not need containers. Source: kubernetes `test/e2e/kubectl/kubectl.go`. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import type { Pod } from '#api/types.generated.ts';
import type { World } from '#control/controllers/cluster.testing.ts';
import { type Background, type Kubectl, startWorldWithKubectl } from '#control/controllers/kubectl.testing.ts';

const httpd = 'registry.k8s.io/e2e-test-images/httpd:2.4.38-4';
const busybox = 'registry.k8s.io/e2e-test-images/busybox:1.37.0-1';

let world: World;
let kubectl: Kubectl;
before(async () => {
  ({ world, kubectl } = await startWorldWithKubectl('n1', 'n2'));
});
after(async () => {
  await kubectl.stop();
  await world.stop();
});

const controller = (name: string, replicas: number, labels: Record<string, string> = { app: name }): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'ReplicationController',
    metadata: { name, labels },
    spec: {
      replicas,
      selector: labels,
      template: { metadata: { labels }, spec: { containers: [{ name, image: httpd, ports: [{ containerPort: 6379 }] }] } },
    },
  });
const podsOf = async (selector: string): Promise<Pod[]> =>
  (await world.client.resource('pods').list({ namespace: 'default', labelSelector: selector })).items;
const running = (selector: string, count: number): Promise<unknown> =>
  world.until(`${count} pods of ${selector} run`, async () => {
    const pods = await podsOf(selector);
    return pods.length === count && pods.every(({ status }) => status?.phase === 'Running');
  });

describe('kubectl', () => {
  it('api-versions has v1', async () => {
    assert.ok((await kubectl.run('api-versions')).split('\n').includes('v1'));
  });

  it('cluster-info names the control plane', async () => {
    assert.match(await kubectl.run('cluster-info'), /Kubernetes control plane.* is running at .*https:\/\/127\.0\.0\.1/);
  });

  it('version prints all of both sides', async () => {
    const version = await kubectl.run('version');
    for (const part of [/Client Version: v1\.\d+/, /Kustomize Version: v/, /Server Version: v1\.\d+/])
      assert.match(version, part);
    const { clientVersion, serverVersion } = JSON.parse(await kubectl.run('version -o json')) as Record<
      string,
      Record<string, string>
    >;
    for (const side of [clientVersion, serverVersion])
      for (const field of ['major', 'minor', 'gitVersion', 'goVersion', 'platform'])
        assert.ok((side?.[field] ?? '') !== '', field);
  });

  it('starts the parts of an application, and takes them away again', async () => {
    const parts = ['frontend', 'agnhost-primary', 'agnhost-replica'].flatMap((name) => {
      const labels = { app: 'guestbook', tier: name };
      const spec = {
        replicas: name === 'frontend' ? 3 : 1,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'server', image: httpd }] } },
      };
      return [
        { apiVersion: 'v1', kind: 'Service', metadata: { name, labels }, spec: { ports: [{ port: 80 }], selector: labels } },
        { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name }, spec },
      ];
    });
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: parts });
    assert.match(await kubectl.run('create -f -', list), /deployment\.apps\/frontend created/);
    await running('app=guestbook,tier=frontend', 3);
    await world.until('the front has addresses', async () => {
      const slices = await world.client.resource('endpointslices.discovery.k8s.io').list({
        namespace: 'default',
        labelSelector: 'kubernetes.io/service-name=frontend',
      });
      return (
        slices.items.flatMap(({ endpoints }) => endpoints ?? []).filter(({ conditions }) => conditions?.ready === true).length ===
        3
      );
    });
    await kubectl.run('delete --grace-period=0 --force -f -', list);
    await world.until('nothing is left', async () => (await podsOf('app=guestbook')).length === 0);
    assert.match(await kubectl.run('get deployments,services -l app=guestbook'), /No resources found/);
  });

  it('makes a ReplicationController, scales it down and up, and deletes it', async () => {
    await kubectl.run('create -f -', controller('update-demo', 2, { name: 'update-demo' }));
    await running('name=update-demo', 2);
    assert.match(await kubectl.run('scale rc update-demo --replicas=1 --timeout=5m'), /scaled/);
    await running('name=update-demo', 1);
    assert.match(await kubectl.run('scale rc update-demo --replicas=2 --timeout=5m'), /scaled/);
    await running('name=update-demo', 2);
    const images = await kubectl.run([
      ...'get pods -l name=update-demo -o template'.split(' '),
      '--template={{range .items}}{{range .spec.containers}}{{.image}} {{end}}{{end}}',
    ]);
    assert.equal(images.trim(), `${httpd} ${httpd}`);
    await kubectl.run('delete --grace-period=0 --force -f -', controller('update-demo', 2, { name: 'update-demo' }));
    await world.until('no pods', async () => (await podsOf('name=update-demo')).length === 0);
  });

  it('describe tells what matters of pods, controllers, services, nodes and namespaces', async () => {
    await kubectl.run('create -f -', controller('primary', 1));
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'primary', labels: { app: 'primary' } } };
    await kubectl.run(
      'create -f -',
      JSON.stringify({ ...service, spec: { ports: [{ port: 6379, targetPort: 6379 }], selector: { app: 'primary' } } }),
    );
    await running('app=primary', 1);
    const [pod] = await podsOf('app=primary');
    const expected: [what: string, words: (string | RegExp)[]][] = [
      [
        `pod ${pod?.metadata.name}`,
        [
          'Name:',
          'Namespace:',
          'Node:',
          'Labels:',
          'app=primary',
          'Annotations:',
          'Status:',
          'IP:',
          'Controlled By:',
          'ReplicationController/primary',
          'Image:',
          'QoS Class:',
        ],
      ],
      [
        'rc primary',
        [
          'Name:',
          'primary',
          'Namespace:',
          'Selector:',
          'Labels:',
          'Annotations:',
          'Replicas:',
          '1 current',
          '1 desired',
          'Pods Status:',
          '1 Running',
          'Pod Template:',
          'Image:',
          'Events:',
        ],
      ],
      [
        'service primary',
        [
          'Name:',
          'Namespace:',
          'Labels:',
          'Annotations:',
          'Selector:',
          'Type:',
          'ClusterIP',
          'IP:',
          'Port:',
          '<unset>',
          '6379/TCP',
          'Endpoints:',
          'Session Affinity:',
        ],
      ],
      [
        'node n1',
        [
          'Name:',
          'Labels:',
          'Annotations:',
          'CreationTimestamp:',
          'Conditions:',
          'LastHeartbeatTime',
          'LastTransitionTime',
          'Addresses:',
          'System Info:',
          'Kubelet Version:',
          'Non-terminated Pods:',
        ],
      ],
      ['namespace default', ['Name:', 'default', 'Labels:', 'Annotations:', 'Status:', 'Active']],
    ];
    for (const [what, words] of expected) {
      const text = await kubectl.run(`describe ${what}`);
      for (const word of words) assert.ok(text.includes(String(word)), `describe ${what}: ${word} in\n${text}`);
    }
  });

  it('expose makes services for a controller, and for such a service', async () => {
    for (const [source, name, port] of [
      ['rc primary', 'rm2', 1234],
      ['service rm2', 'rm3', 2345],
    ] as const) {
      await kubectl.run(`expose ${source} --name=${name} --port=${port} --target-port=6379`);
      const { spec } = await world.client.resource('services').get({ namespace: 'default', name });
      assert.deepEqual(
        [spec.ports?.map((one) => [one.port, one.targetPort]), spec.selector],
        [[[port, 6379]], { app: 'primary' }],
      );
      await world.until('it has an endpoint', async () => {
        const labelSelector = `kubernetes.io/service-name=${name}`;
        const { items } = await world.client
          .resource('endpointslices.discovery.k8s.io')
          .list({ namespace: 'default', labelSelector });
        return items.some(({ endpoints = [], ports = [] }) => endpoints.length === 1 && ports?.[0]?.port === 6379);
      });
    }
  });

  it('patch adds an annotation to each pod of a controller', async () => {
    const pods = await podsOf('app=primary');
    for (const { metadata } of pods)
      await kubectl.run(['patch', 'pod', metadata.name, '-p', '{"metadata":{"annotations":{"x":"y"}}}']);
    assert.ok((await podsOf('app=primary')).every(({ metadata }) => metadata.annotations?.['x'] === 'y'));
    assert.ok(pods.length > 0);
  });

  it('label adds, shows and removes a label', async () => {
    const [pod] = await podsOf('app=primary');
    const name = pod?.metadata.name ?? '';
    await kubectl.run(`label pods ${name} testing-label=testing-label-value`);
    assert.match(await kubectl.run(`get pod ${name} -L testing-label`), /testing-label-value/);
    await kubectl.run(`label pods ${name} testing-label-`);
    assert.doesNotMatch(await kubectl.run(`get pod ${name} -L testing-label`), /testing-label-value/);
  });

  it('run makes a pod that is not restarted, of the image', async () => {
    await kubectl.run(`run e2e-test-pod --restart=Never --image=${httpd}`);
    const { spec } = await world.client.resource('pods').get({ namespace: 'default', name: 'e2e-test-pod' });
    assert.deepEqual([spec.containers.map(({ image }) => image), spec.restartPolicy], [[httpd], 'Never']);
  });

  it('replace changes the image of a pod', async () => {
    await kubectl.run(`run replaced --image=${httpd} --labels=run=replaced`);
    await running('run=replaced', 1);
    const json = await kubectl.run('get pod replaced -o json');
    assert.match(await kubectl.run('replace -f -', json.replace(httpd, busybox)), /replaced/);
    const { spec } = await world.client.resource('pods').get({ namespace: 'default', name: 'replaced' });
    assert.equal(spec.containers[0]?.image, busybox);
  });

  it('a dry run on the server changes nothing', async () => {
    await kubectl.run(`run tried --image=${httpd} --labels=run=tried`);
    await running('run=tried', 1);
    const patch = JSON.stringify({ spec: { containers: [{ name: 'tried', image: busybox }] } });
    await kubectl.run(['patch', 'pod', 'tried', '-p', patch, '--dry-run=server']);
    const { spec } = await world.client.resource('pods').get({ namespace: 'default', name: 'tried' });
    assert.equal(spec.containers[0]?.image, httpd);
  });

  it('diff finds what a changed Deployment would change', async () => {
    const labels = { app: 'differs' };
    const spec = (image: string): object => ({
      replicas: 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'httpd', image }] } },
    });
    const manifest = (image: string): string =>
      JSON.stringify({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'differs', labels }, spec: spec(image) });
    await kubectl.run('create -f -', manifest(httpd));
    const difference = await kubectl.run('diff -f -', manifest(busybox)).catch(String);
    assert.match(difference, new RegExp(`-.*${httpd.replaceAll('.', '\\.')}`));
    assert.match(difference, new RegExp(`\\+.*${busybox.replaceAll('.', '\\.')}`));
    assert.doesNotMatch(difference, /\n[-+] +replicas/);
  });

  async function startProxy(...args: string[]): Promise<Background> {
    const proxy = kubectl.start(['proxy', ...args]);
    for (let tries = 0; tries < 100 && !proxy.output().includes('Starting to serve on'); tries++)
      await new Promise((resolve) => setTimeout(resolve, 100));
    assert.match(proxy.output(), /Starting to serve on/);
    return proxy;
  }

  it('proxy serves the API on a port that is free', async () => {
    const proxy = await startProxy('-p', '0', '--disable-filter');
    try {
      const address = /127\.0\.0\.1:\d+/.exec(proxy.output())?.[0];
      const answer = (await (await fetch(`http://${address}/api/`)).json()) as { kind: string; versions: string[] };
      assert.deepEqual([answer.kind, answer.versions], ['APIVersions', ['v1']]);
    } finally {
      await proxy.stop();
    }
  });

  it('proxy serves the API on a socket in a folder', async () => {
    const socketPath = join(kubectl.folder, 'proxy.sock');
    const proxy = await startProxy(`--unix-socket=${socketPath}`);
    try {
      const text = await new Promise<string>((resolve, reject) => {
        const asked = request({ socketPath, path: '/api/', headers: { host: 'localhost' } }, (answer) => {
          let body = '';
          answer.on('data', (chunk: Buffer) => {
            body += chunk.toString();
          });
          answer.on('end', () => resolve(body));
        });
        asked.on('error', reject).end();
      });
      assert.equal((parse(text) as { kind: string }).kind, 'APIVersions');
    } finally {
      await proxy.stop();
    }
  });
});
