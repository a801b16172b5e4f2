/** The informers of Kubernetes' own client library, unmodified, through the end and a new start of a real server. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Cluster, CoreV1Api, KubeConfig, makeInformer, type User, type V1ConfigMap } from '@kubernetes/client-node';
import { until } from '#lab/until.ts';
import { ServerProcess } from './server-process.ts';

const namespace = 'default';
const base64 = (pem: string | Buffer | undefined): string => Buffer.from(pem ?? '').toString('base64');

describe('an informer of the client library', { timeout: 300_000 }, () => {
  let server: ServerProcess;
  const config = new KubeConfig();
  let core: CoreV1Api;

  before(async () => {
    server = await ServerProcess.start();
    const { server: address, ca, cert, key } = server.kubeconfig;
    const cluster: Cluster = { name: 'test', server: address, caData: base64(ca), skipTLSVerify: false };
    const user: User = { name: 'admin', certData: base64(cert), keyData: base64(key) };
    config.loadFromClusterAndUser(cluster, user);
    core = config.makeApiClient(CoreV1Api);
  });
  after(() => server.stop());

  const write = (name: string, value: string): Promise<V1ConfigMap> =>
    core.createNamespacedConfigMap({ namespace, body: { metadata: { name }, data: { value } } });

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    it(`knows what there is after a server that ended by ${signal} has come back`, async () => {
      const informer = makeInformer(config, `/api/v1/namespaces/${namespace}/configmaps`, () =>
        core.listNamespacedConfigMap({ namespace }),
      );
      const seen: string[] = [];
      for (const what of ['add', 'update', 'delete'] as const)
        informer.on(what, ({ metadata, data }) => seen.push(`${what} ${metadata?.name} ${data?.['value']}`));
      let isStopped = false;
      let isWaiting = false;
      // As the library's own examples do it: after an error, begin again. One error may be told twice.
      informer.on('error', () => {
        if (isWaiting || isStopped) return;
        isWaiting = true;
        setTimeout(() => {
          isWaiting = false;
          if (!isStopped) void informer.start().catch(() => undefined);
        }, 200);
      });
      const [kept, changed, gone, made] = ['kept', 'changed', 'gone', 'made'].map(
        (name) => `${name}-${signal.toLowerCase()}`,
      ) as [string, string, string, string];
      for (const name of [kept, changed, gone]) await write(name, '1');
      await informer.start();
      try {
        await until('all are known', async () => informer.get(gone, namespace) !== undefined, { timeoutMs: 60_000 });
        await server.restart(signal);
        await core.replaceNamespacedConfigMap({
          namespace,
          name: changed,
          body: { metadata: { name: changed }, data: { value: '2' } },
        });
        await core.deleteNamespacedConfigMap({ namespace, name: gone });
        await write(made, '1');
        const isTrue = (): boolean =>
          informer.get(changed, namespace)?.data?.['value'] === '2' &&
          informer.get(gone, namespace) === undefined &&
          informer.get(made, namespace) !== undefined &&
          informer.get(kept, namespace) !== undefined;
        await until('the informer knows the truth', async () => isTrue(), {
          timeoutMs: 120_000,
          onTimeout: () => seen.join('\n'),
        });
        await delay(0);
        // Nothing is told twice, and nothing that did not happen.
        assert.deepEqual(
          seen.filter((line) => [kept, changed, gone, made].some((name) => line.includes(` ${name} `))).sort(),
          [
            `add ${kept} 1`,
            `add ${changed} 1`,
            `add ${gone} 1`,
            `add ${made} 1`,
            `update ${changed} 2`,
            `delete ${gone} 1`,
          ].sort(),
        );
      } finally {
        isStopped = true;
        await informer.stop();
      }
    });
  }
});
