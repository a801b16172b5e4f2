/** What goes through the API server to nodes, pods and services, with the real kubectl. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { until } from '#lab/until.ts';
import type { Cluster } from './cluster.ts';

export function proxySuite(cluster: () => Cluster): void {
  describe('proxies', () => {
    const ns = 'proxies';
    const kubectl = (args: readonly string[], stdin?: string): Promise<string> =>
      cluster().kubectl(['-n', ns, ...args], stdin === undefined ? {} : { stdin });
    const raw = (path: string): Promise<string> => kubectl(['get', '--raw', path]);

    before(async () => {
      await cluster().namespace(ns);
      const page = '<a href="/other">other</a><img src="/i.png">';
      const script = `mkdir /www && echo '${page}' > /www/index.html && echo "$0 on $(hostname)" > /www/name && exec httpd -f -p 8080 -h /www`;
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'web', labels: { app: 'web' } },
        spec: {
          containers: [
            {
              name: 'web',
              image: 'busybox',
              command: ['sh', '-c', script, 'web'],
              ports: [{ name: 'http', containerPort: 8080 }],
            },
          ],
        },
      };
      const service = {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'web' },
        spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
      };
      await kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [pod, service] }));
      await kubectl(['wait', '--for=condition=Ready', 'pod/web', '--timeout=60s']);
    });

    it('reach a pod and a service from the API server, and rewrite their pages', async () => {
      const base = `/api/v1/namespaces/${ns}`;
      assert.equal(await raw(`${base}/pods/web/proxy/name`), 'web on web\n');
      assert.equal(await raw(`${base}/pods/http:web:8080/proxy/name`), 'web on web\n');
      // The endpoints follow the pod's readiness in their own time.
      const answers = async (): Promise<boolean> =>
        (await raw(`${base}/services/web:http/proxy/name`).catch(() => '')) === 'web on web\n';
      await until('the service has its endpoint', answers, { timeoutMs: 10_000 });
      assert.equal(await raw(`${base}/services/web:80/proxy/name`), 'web on web\n');
      const prefix = `${base}/services/web:http/proxy`;
      assert.equal(await raw(`${prefix}/`), `<a href="${prefix}/other">other</a><img src="${prefix}/i.png">\n`);
    });

    it('reach the kubelet: logs of the node, its configuration, usage', async () => {
      assert.match(await raw('/api/v1/nodes/worker-1/proxy/logs/'), /<a href="pods\/">|<pre>/);
      assert.match(await raw('/api/v1/nodes/worker-1:10250/proxy/configz'), /"kind":"KubeletConfiguration"/);
      assert.match(await raw('/api/v1/nodes/worker-1/proxy/metrics/resource'), /^node_cpu_usage_seconds_total \d/m);
    });

    it('list the health checks of the server', async () => {
      const text = await raw('/healthz?verbose');
      assert.match(text, /\[\+\]poststarthook\/bootstrap-controller ok\n[\s\S]*healthz check passed\n$/);
    });
  });
}
