/** Proxies of the API server to nodes, pods and services, with the real kubectl. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { loadKubeconfig } from '#client/kubeconfig.ts';
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
      await kubectl(['wait', '--for=condition=Ready', 'pod/web', '--timeout=120s']);
    });

    it('reach a pod and a service, and rewrite links in their pages', async () => {
      const base = `/api/v1/namespaces/${ns}`;
      const name = await until('its server listens', () => raw(`${base}/pods/web/proxy/name`), { timeoutMs: 60_000 });
      assert.equal(name, 'web on web\n');
      assert.equal(await raw(`${base}/pods/http:web:8080/proxy/name`), 'web on web\n');
      // The endpoints follow the pod's readiness with a delay.
      const answers = async (): Promise<boolean> =>
        (await raw(`${base}/services/web:http/proxy/name`).catch(() => '')) === 'web on web\n';
      await until('the service has its endpoint', answers, { timeoutMs: 60_000 });
      assert.equal(await raw(`${base}/services/web:80/proxy/name`), 'web on web\n');
      const prefix = `${base}/services/web:http/proxy`;
      assert.equal(await raw(`${prefix}/`), `<a href="${prefix}/other">other</a><img src="${prefix}/i.png">\n`);
    });

    it('reach the kubelet: logs of the node, its configuration, usage', async () => {
      assert.match(await raw('/api/v1/nodes/worker-1/proxy/logs/'), /<a href="pods\/">|<pre>/);
      assert.match(await raw('/api/v1/nodes/worker-1:10250/proxy/configz'), /"kind":"KubeletConfiguration"/);
      assert.match(await raw('/api/v1/nodes/worker-1/proxy/metrics/resource'), /^node_cpu_usage_seconds_total \d/m);
    });

    const connect = (path: string, protocol: string): WebSocket => {
      const { server, ca, cert, key } = loadKubeconfig(cluster().lab.kubeconfig);
      const base = `${server.replace('https', 'wss')}/api/v1/namespaces/${ns}`;
      return new WebSocket(`${base}${path}`, [protocol], {
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
      });
    };

    /** Collects the data of each channel until the server closes. */
    async function channelsOf(socket: WebSocket): Promise<string[]> {
      const channels: Buffer[] = [];
      const isBase64 = socket.protocol.includes('base64');
      const take = (message: Buffer): void => {
        const rest = message.subarray(1);
        const channel = (message[0] ?? 0) - (isBase64 ? 48 : 0);
        const data = isBase64 ? Buffer.from(rest.toString(), 'base64') : rest;
        channels[channel] = Buffer.concat([channels[channel] ?? Buffer.alloc(0), data]);
      };
      socket.on('message', take);
      await once(socket, 'close');
      return Array.from({ length: 5 }, (_, channel) => (channels[channel] ?? '').toString());
    }

    for (const protocol of [
      'channel.k8s.io',
      'base64.channel.k8s.io',
      'v4.channel.k8s.io',
      'v4.base64.channel.k8s.io',
      'v5.channel.k8s.io',
    ])
      it(`carry a command over ${protocol}`, async () => {
        const command = ['sh', '-c', 'read word; echo "got $word"; echo oops >&2; exit 3'];
        const query = command.map((part) => `command=${encodeURIComponent(part)}`).join('&');
        const socket = connect(`/pods/web/exec?${query}&stdin=1&stdout=1&stderr=1`, protocol);
        const open = once(socket, 'open');
        socket.once('open', () => {
          const word = 'hello\n';
          socket.send(protocol.includes('base64') ? `0${Buffer.from(word).toString('base64')}` : Buffer.from(`\0${word}`));
        });
        await open;
        const [, stdout, stderr, status = ''] = await channelsOf(socket);
        assert.deepEqual([socket.protocol, stdout, stderr], [protocol, 'got hello\n', 'oops\n']);
        if (!protocol.startsWith('v')) return assert.match(status, /^command terminated with non-zero exit code/);
        assert.deepEqual(JSON.parse(status).details.causes, [{ reason: 'ExitCode', message: '3' }]);
      });

    for (const protocol of ['v4.channel.k8s.io', 'v4.base64.channel.k8s.io'])
      it(`forward a port over ${protocol}`, async () => {
        const socket = connect('/pods/web/portforward?ports=8080', protocol);
        await once(socket, 'open');
        const ask = 'GET /name HTTP/1.0\r\n\r\n';
        socket.send(protocol.includes('base64') ? `0${Buffer.from(ask).toString('base64')}` : Buffer.from(`\0${ask}`));
        const [data = '', error] = await channelsOf(socket);
        // Both channels begin with the port, lowest byte first.
        assert.equal(error, Buffer.from([0x90, 0x1f]).toString());
        assert.match(data, /web on web\n$/);
      });

    for (const [path, protocol] of [
      ['/pods/web/exec?command=true&stdout=1', 'v9.channel.k8s.io'],
      ['/pods/web/portforward?ports=8080', 'v5.channel.k8s.io'],
    ] as const)
      it(`refuse ${protocol} for ${path.split('?')[0]}`, async () => {
        const [, response] = (await once(connect(path, protocol), 'unexpected-response')) as [unknown, IncomingMessage];
        response.resume();
        assert.equal(response.statusCode, 403);
      });

    it('watch over a WebSocket', async () => {
      const socket = connect('/pods?watch=1&resourceVersion=0&fieldSelector=metadata.name%3Dweb', 'base64.binary.k8s.io');
      const [message, isBinary] = (await once(socket, 'message')) as [Buffer, boolean];
      const { type, object } = JSON.parse(message.toString());
      assert.deepEqual([isBinary, type, object.metadata.name], [false, 'ADDED', 'web']);
      socket.close();
      await once(socket, 'close');
    });

    it('list the health checks of the server', async () => {
      const text = await raw('/healthz?verbose');
      assert.match(text, /\[\+\]poststarthook\/bootstrap-controller ok\n[\s\S]*healthz check passed\n$/);
    });
  });
}
