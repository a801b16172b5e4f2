/** Names of Services as programs in pods resolve them. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { ExecError } from '#agent/host/exec.ts';
import type { Pod } from '#api/types.generated.ts';
import { until } from '#lab/until.ts';
import { busybox, type Cluster, isReady } from './cluster.ts';

const ns = 'dns';
const other = 'dns-other';
const clients = [
  [ns, 'client-1'],
  [ns, 'client-2'],
  [other, 'stranger'],
] as const;

export function dnsSuite(cluster: () => Cluster): void {
  describe('names of Services', () => {
    const sleeper = 'trap exit TERM; sleep 3600 & wait';
    const on = (node: string): Record<string, unknown> => ({ nodeSelector: { 'kubernetes.io/hostname': node } });
    const ports = [{ name: 'http', port: 80, targetPort: 8080 }];
    let servers: Pod[];
    let clusterIp: string;
    const get = (namespace: string, pod: string, name: string): Promise<string> =>
      cluster().exec(namespace, pod, ['wget', '-qO-', `http://${name}/`]);
    /** busybox' nslookup asks for exactly this name. It fails when the name does not exist. */
    const lookup = async (namespace: string, pod: string, name: string, type = 'a'): Promise<string> => {
      try {
        return await cluster().exec(namespace, pod, ['nslookup', `-type=${type}`, name]);
      } catch (error) {
        if (error instanceof ExecError) return error.result.stdout;
        throw error;
      }
    };
    const addresses = (answer: string): string[] =>
      [...answer.matchAll(/^Address: (\d+\.\d+\.\d+\.\d+)$/gm)].map(([, ip]) => ip as string).sort();

    before(async () => {
      await cluster().namespace(ns);
      await cluster().namespace(other);
      const template = {
        metadata: { labels: { app: 'web' } },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [{ name: 'web', image: 'tinkernetes/web:1', ports: [{ name: 'http', containerPort: 8080 }] }],
        },
      };
      const service = (name: string, spec: object): object => ({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name, namespace: ns },
        spec: { selector: { app: 'web' }, ports, ...spec },
      });
      await cluster().apply(
        {
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          metadata: { name: 'web', namespace: ns },
          spec: { replicas: 2, selector: { matchLabels: { app: 'web' } }, template },
        },
        service('web', {}),
        service('headless', { clusterIP: 'None' }),
        {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name: 'elsewhere', namespace: ns },
          spec: { type: 'ExternalName', externalName: 'web.dns.svc.cluster.local' },
        },
        busybox(ns, 'client-1', sleeper, on('worker-1')),
        busybox(ns, 'client-2', sleeper, on('worker-2')),
        busybox(other, 'stranger', sleeper, on('worker-2')),
      );
      servers = await cluster().untilReadyPods(ns, 'app=web', 2);
      for (const [namespace, name] of clients) await cluster().untilPod(namespace, name, 'Ready', isReady);
      for (const { status } of servers)
        await until('its server listens', () => get(ns, 'client-1', `${status?.podIP}:8080`), { timeoutMs: 60_000 });
      clusterIp = await cluster().kubectl(['-n', ns, 'get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}']);
    });

    it('are searched as /etc/resolv.conf says', async () => {
      for (const [namespace, pod] of clients) {
        const text = await cluster().exec(namespace, pod, ['cat', '/etc/resolv.conf']);
        assert.match(
          text,
          new RegExp(`^search ${namespace}\\.svc\\.cluster\\.local svc\\.cluster\\.local cluster\\.local( |$)`, 'm'),
        );
        assert.deepEqual(text.match(/^nameserver .*$/gm), [`nameserver ${cluster().lab.clusterDns}`]);
        assert.match(text, /^options ndots:5$/m);
      }
    });

    it('resolve in short and long form, from pods on both nodes', async () => {
      for (const pod of ['client-1', 'client-2']) {
        for (const name of ['web', 'web.dns', 'web.dns.svc', 'web.dns.svc.cluster.local', 'web.dns.svc.cluster.local.']) {
          const answer = await until(`${name} answers ${pod}`, () => get(ns, pod, name), { timeoutMs: 60_000 });
          assert.match(answer, /^Hello from web-/, `${pod} asks ${name}`);
        }
      }
    });

    it('resolve from another namespace only with the name of their own namespace', async () => {
      assert.match(await get(other, 'stranger', 'web.dns'), /^Hello from web-/);
      await assert.rejects(get(other, 'stranger', 'web'), /bad address 'web'/);
    });

    it('resolve to the ClusterIP, and back to the name', async () => {
      assert.deepEqual(addresses(await lookup(ns, 'client-1', 'web.dns.svc.cluster.local')), [clusterIp]);
      assert.match(
        await lookup(ns, 'client-1', `${clusterIp.split('.').reverse().join('.')}.in-addr.arpa`, 'ptr'),
        /name = web\.dns\.svc\.cluster\.local/,
      );
      assert.deepEqual(addresses(await lookup(ns, 'client-1', 'kubernetes.default.svc.cluster.local')), [
        await cluster().kubectl(['get', 'service', 'kubernetes', '-o', 'jsonpath={.spec.clusterIP}']),
      ]);
    });

    it('resolve to every ready pod when the Service is headless', async () => {
      const ips = servers.map(({ status }) => status?.podIP).sort();
      for (const pod of ['client-1', 'client-2']) {
        await until(
          'both addresses are answered',
          async () => addresses(await lookup(ns, pod, 'headless.dns.svc.cluster.local')).join() === ips.join(),
          { timeoutMs: 60_000 },
        );
      }
      const srv = await lookup(ns, 'client-1', '_http._tcp.headless.dns.svc.cluster.local', 'srv');
      assert.equal([...srv.matchAll(/service = \d+ \d+ 8080 \S+\.headless\.dns\.svc\.cluster\.local/g)].length, 2, srv);
    });

    it('resolve to another name when the Service is an ExternalName', async () => {
      assert.match(await get(ns, 'client-1', 'elsewhere'), /^Hello from web-/);
      assert.match(
        await lookup(ns, 'client-1', 'elsewhere.dns.svc.cluster.local', 'cname'),
        /canonical name = web\.dns\.svc\.cluster\.local/,
      );
    });

    it('that do not exist are answered at once with NXDOMAIN', async () => {
      for (const name of ['nobody.dns.svc.cluster.local', 'web.nowhere.svc.cluster.local', 'cluster.example.cluster.local']) {
        assert.match(await lookup(ns, 'client-2', name), new RegExp(`can't find ${name.replaceAll('.', '\\.')}: NXDOMAIN`));
      }
      await assert.rejects(get(ns, 'client-2', 'nobody'), /bad address 'nobody'/);
    });

    it('resolve for a new Service, and not after its deletion', async () => {
      await cluster().kubectl(['-n', ns, 'expose', 'deployment', 'web', '--name=late', '--port=80', '--target-port=8080']);
      await until('late answers', () => get(ns, 'client-2', 'late'), { timeoutMs: 60_000 });
      await cluster().kubectl(['-n', ns, 'delete', 'service', 'late']);
      await until('late is gone', async () => /NXDOMAIN/.test(await lookup(ns, 'client-2', 'late.dns.svc.cluster.local')), {
        timeoutMs: 60_000,
      });
    });
  });
}
