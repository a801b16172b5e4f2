/**
 * Tests with Kubernetes' own client library for JavaScript, unmodified. Its informers, streams, patches and errors are not our
 * code.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough, type Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { before, describe, it } from 'node:test';
import {
  ApiException,
  AppsV1Api,
  CoreV1Api,
  Exec,
  KubeConfig,
  KubernetesObjectApi,
  Log,
  makeInformer,
  PatchStrategy,
  PortForward,
  type V1Deployment,
  type V1Pod,
  type V1Status,
  Watch,
} from '@kubernetes/client-node';
import { until } from '#lab/until.ts';
import type { Cluster } from './cluster.ts';

const ns = 'client-library';

const pod = (name: string, command: string): V1Pod => ({
  metadata: { name, labels: { app: name } },
  spec: {
    terminationGracePeriodSeconds: 1,
    containers: [{ name: 'main', image: 'busybox', imagePullPolicy: 'IfNotPresent', command: ['sh', '-c', command] }],
  },
});

const deployment = (replicas: number): V1Deployment => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'applied', namespace: ns },
  spec: {
    replicas,
    selector: { matchLabels: { app: 'applied' } },
    template: {
      metadata: { labels: { app: 'applied' } },
      spec: { containers: [{ name: 'web', image: 'tinkernetes/web:1', ports: [{ containerPort: 8080 }] }] },
    },
  },
});

async function rejection(promise: Promise<unknown>): Promise<ApiException<string>> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ApiException, String(error));
  return error as ApiException<string>;
}

export function clientLibrarySuite(cluster: () => Cluster): void {
  describe("Kubernetes' client for JavaScript", () => {
    const config = new KubeConfig();
    let core: CoreV1Api;

    before(async () => {
      config.loadFromFile(cluster().lab.kubeconfig);
      core = config.makeApiClient(CoreV1Api);
      await cluster().namespace(ns);
    });

    it('has an informer that sees objects created, changed and deleted', async () => {
      const list = (): ReturnType<CoreV1Api['listNamespacedConfigMap']> => core.listNamespacedConfigMap({ namespace: ns });
      const informer = makeInformer(config, `/api/v1/namespaces/${ns}/configmaps`, list);
      const seen: string[] = [];
      const note = (what: string) => (object: { metadata?: { name?: string }; data?: Record<string, string> }) => {
        if (object.metadata?.name === 'seen') seen.push(`${what} ${object.data?.['key']}`);
      };
      informer.on('add', note('add'));
      informer.on('update', note('update'));
      informer.on('delete', note('delete'));
      await informer.start();
      try {
        const made = await core.createNamespacedConfigMap({
          namespace: ns,
          body: { metadata: { name: 'seen' }, data: { key: 'one' } },
        });
        assert.ok(made.metadata?.creationTimestamp instanceof Date);
        await core.replaceNamespacedConfigMap({
          name: 'seen',
          namespace: ns,
          body: Object.assign({}, made, { data: { key: 'two' } }),
        });
        const stale = await rejection(core.replaceNamespacedConfigMap({ name: 'seen', namespace: ns, body: made }));
        assert.equal(stale.code, 409);
        assert.match(stale.body, /the object has been modified; please apply your changes to the latest version and try again/);
        await core.deleteNamespacedConfigMap({ name: 'seen', namespace: ns });
        await until('all changes are seen', async () => seen.length === 3, { timeoutMs: 60_000, onTimeout: () => seen.join() });
        assert.deepEqual(seen, ['add one', 'update two', 'delete two']);
        assert.equal(informer.get('seen', ns), undefined);
      } finally {
        await informer.stop();
      }
    });

    it('watches from a revision, and notices when the server closes', async () => {
      const { metadata } = await core.listNamespacedSecret({ namespace: ns });
      await core.createNamespacedSecret({ namespace: ns, body: { metadata: { name: 'watched' }, stringData: { a: 'b' } } });
      const seen: string[] = [];
      const { promise: done, resolve } = Promise.withResolvers<unknown>();
      await new Watch(config).watch(
        `/api/v1/namespaces/${ns}/secrets`,
        { resourceVersion: metadata?.resourceVersion, timeoutSeconds: 1 },
        (phase, { metadata: { name } }) => seen.push(`${phase} ${name}`),
        resolve,
      );
      assert.equal(await done, null, 'the server ended it, and in order');
      assert.deepEqual(seen, ['ADDED watched']);
    });

    it('finds kinds by discovery, applies on the server side, and gets a conflict for the fields of another manager', async () => {
      const objects = KubernetesObjectApi.makeApiClient(config);
      const apply = (spec: V1Deployment, manager: string, force = false): Promise<V1Deployment> =>
        objects.patch(spec, undefined, undefined, manager, force, PatchStrategy.ServerSideApply);
      const made = await apply(deployment(1), 'first');
      assert.equal(made.spec?.strategy?.type, 'RollingUpdate');
      const conflict = await rejection(apply(deployment(2), 'second'));
      assert.equal(conflict.code, 409);
      assert.match(conflict.body, /conflict with \\?"first\\?": \.spec\.replicas/);
      assert.equal((await apply(deployment(2), 'second', true)).spec?.replicas, 2);
      const read = await config.makeApiClient(AppsV1Api).readNamespacedDeployment({ name: 'applied', namespace: ns });
      const owners = (read.metadata?.managedFields ?? []).filter(({ operation, subresource }) => {
        return operation === 'Apply' && subresource === undefined;
      });
      assert.deepEqual(owners.map(({ manager }) => manager).sort(), ['first', 'second']);
      await objects.delete(read, undefined, undefined, 0, undefined, 'Foreground');
      await until(
        'it is gone',
        async () => {
          const error = await objects
            .read({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'applied', namespace: ns } })
            .catch((reason) => reason);
          return error instanceof ApiException && error.code === 404;
        },
        { timeoutMs: 120_000 },
      );
    });

    it('runs programs with output, input and exit status', async () => {
      await core.createNamespacedPod({ namespace: ns, body: pod('shell', 'sleep 600') });
      await cluster().untilPod(ns, 'shell', 'Running', ({ status }) => status?.phase === 'Running');
      const [stdout, stderr, stdin] = [new PassThrough(), new PassThrough(), new PassThrough()];
      const outputs = Promise.all([text(stdout), text(stderr)]);
      const { promise: status, resolve } = Promise.withResolvers<V1Status>();
      const command = ['sh', '-c', 'read word; echo "got $word"; echo oh >&2; exit 7'];
      const socket = await new Exec(config).exec(ns, 'shell', 'main', command, stdout, stderr, stdin, false, resolve);
      stdin.write('hello\n');
      const { reason, details } = await status;
      assert.equal(reason, 'NonZeroExitCode');
      assert.deepEqual(details?.causes, [{ reason: 'ExitCode', message: '7' }]);
      if (socket.readyState !== socket.CLOSED) await once(socket, 'close');
      stdout.end();
      stderr.end();
      assert.deepEqual(await outputs, ['got hello\n', 'oh\n']);
    });

    it('follows logs to their end', { timeout: 300_000 }, async () => {
      await core.createNamespacedPod({
        namespace: ns,
        body: pod('talker', 'for i in 1 2 3; do echo line $i; done; sleep 2; echo end'),
      });
      await cluster().untilPod(ns, 'talker', 'Running', ({ status }) => status?.phase === 'Running');
      const stream = new PassThrough();
      await new Log(config).log(ns, 'talker', 'main', stream, { follow: true });
      assert.equal(await text(stream), 'line 1\nline 2\nline 3\nend\n');
    });

    it('forwards a port', { timeout: 300_000 }, async () => {
      const web = pod('web', '');
      const [container] = web.spec?.containers ?? [];
      assert.ok(container);
      container.image = 'tinkernetes/web:1';
      delete container.command;
      await core.createNamespacedPod({ namespace: ns, body: web });
      await cluster().untilPod(ns, 'web', 'Running', ({ status }) => status?.phase === 'Running');
      const listens = (): Promise<string> => cluster().exec(ns, 'web', ['wget', '-qO-', 'http://127.0.0.1:8080/']);
      await until('its server listens', listens, { timeoutMs: 60_000 });
      const [output, errors, input] = [new PassThrough(), new PassThrough(), new PassThrough()];
      const answer = async (): Promise<string> => {
        const socket = await new PortForward(config).portForward(ns, 'web', [8080], output, errors, input);
        input.write('GET / HTTP/1.0\r\n\r\n');
        try {
          return await firstBytes(output);
        } finally {
          if (typeof socket !== 'function') socket.close();
        }
      };
      assert.match(await answer(), /^HTTP\/1\.[01] 200 OK[^]*Hello from web /);
    });
  });
}

/** Reads until there are a header and a body. */
async function firstBytes(stream: Readable): Promise<string> {
  let all = '';
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    all += String(chunk);
    if (/\r\n\r\n./.test(all)) return all;
  }
  return all;
}
