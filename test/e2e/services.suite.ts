/** Services as packets meet them: from pods, from nodes, from outside, over TCP and UDP, with and without endpoints. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { ExecError, execFile } from '#agent/host/exec.ts';
import type { Pod } from '#api/types.generated.ts';
import { findBusybox } from '#lab/images/busybox.ts';
import { until } from '#lab/until.ts';
import { busybox, type Cluster, isReady } from './cluster.ts';

const ns = 'services';
/** Below 30086, from where on the server assigns random node ports. */
const nodePort = 30010;

/** Serves the pod's name and the client's address on port 8080, another page on 9090, and the first one over UDP on 5300. */
const serverCommand = `
mkdir -p /tmp/www/cgi-bin /tmp/admin
cat > /tmp/www/cgi-bin/index.cgi <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
echo "$HOSTNAME saw $REMOTE_ADDR"
END
chmod +x /tmp/www/cgi-bin/index.cgi
echo "the admin page" > /tmp/admin/index.html
httpd -p 9090 -h /tmp/admin
/e2e/udp serve 5300 &
exec httpd -f -p 8080 -h /tmp/www`;

export function serviceSuite(cluster: () => Cluster): void {
  describe('Services', () => {
    const tools = (): Record<string, unknown> => ({ volumes: [{ name: 'e2e', hostPath: { path: cluster().scratch } }] });
    const on = (node: string): Record<string, unknown> => ({ nodeSelector: { 'kubernetes.io/hostname': node }, ...tools() });
    const mounts = { volumeMounts: [{ name: 'e2e', mountPath: '/e2e', readOnly: true }] };
    const ports = [
      { name: 'http', containerPort: 8080 },
      { name: 'admin', containerPort: 9090 },
      { name: 'echo', containerPort: 5300, protocol: 'UDP' },
    ];
    const server = (
      name: string,
      node: string,
      app: string,
      container: Record<string, unknown> = {},
    ): Record<string, unknown> => {
      const pod = busybox(ns, name, serverCommand, on(node), { ports, ...mounts, ...container });
      return { ...pod, metadata: { name, namespace: ns, labels: { app } } };
    };
    const service = async (name: string, spec: Record<string, unknown>): Promise<string> => {
      await cluster().apply({ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: ns }, spec });
      return (await cluster().kubectl(['-n', ns, 'get', 'service', name, '-o', 'jsonpath={.spec.clusterIP}'])).trim();
    };
    const ask = (pod: string, address: string): Promise<string> =>
      cluster().exec(ns, pod, ['wget', '-qO-', `http://${address}/`]);
    /** Sends many requests from one pod. Resolves to the number of answers of each server. */
    const askOften = async (pod: string, address: string): Promise<Map<string, number>> => {
      const script = `i=0; while [ $i -lt 30 ]; do wget -qO- http://${address}/ || exit 1; i=$((i+1)); done`;
      const answers = (await cluster().exec(ns, pod, ['sh', '-c', script])).trim().split('\n');
      return Map.groupBy(answers, (line) => line.split(' ')[0] ?? '')
        .entries()
        .reduce((sum, [name, lines]) => sum.set(name, lines.length), new Map<string, number>());
    };
    /** Resolves to the error of the request. It shows whether the connection was rejected or the request timed out. */
    const failure = async (run: Promise<unknown>): Promise<string> => {
      try {
        return `no failure, but: ${await run}`;
      } catch (error) {
        if (error instanceof ExecError) return error.result.stderr;
        if (error instanceof TypeError) return `${(error.cause as NodeJS.ErrnoException | undefined)?.code}`;
        throw error;
      }
    };
    const untilAnswers = (pod: string, address: string): Promise<string> =>
      until(`${address} answers ${pod}`, () => ask(pod, address), { timeoutMs: 60_000 });
    const pods: Record<string, Pod> = {};
    const ipOf = (name: string): string => pods[name]?.status?.podIP ?? assert.fail(`${name} has no IP`);
    let clusterIp: string;

    before(async () => {
      await cluster().namespace(ns);
      await execFile(['gcc', '-O2', '-static', '-o', join(cluster().scratch, 'udp'), new URL('udp.c', import.meta.url).pathname]);
      await cluster().apply(
        server('web-1', 'worker-1', 'web'),
        server('web-2', 'worker-2', 'web'),
        busybox(ns, 'client-1', 'trap exit TERM; sleep 3600 & wait', on('worker-1'), mounts),
        busybox(ns, 'client-2', 'trap exit TERM; sleep 3600 & wait', on('worker-2'), mounts),
      );
      clusterIp = await service('web', {
        type: 'NodePort',
        selector: { app: 'web' },
        ports: [
          { name: 'http', port: 80, targetPort: 'http', nodePort },
          { name: 'admin', port: 81, targetPort: 9090 },
          { name: 'echo', port: 53, targetPort: 'echo', protocol: 'UDP' },
        ],
      });
      for (const name of ['web-1', 'web-2', 'client-1', 'client-2'])
        pods[name] = await cluster().untilPod(ns, name, 'Ready', isReady);
      for (const name of ['web-1', 'web-2']) await untilAnswers('client-1', `${ipOf(name)}:8080`);
      for (const client of ['client-1', 'client-2']) await untilAnswers(client, clusterIp);
    });

    it('answer requests with a timeout, as tutorials send them', async (t) => {
      const { version, note } = await findBusybox({ exec: execFile });
      if (note !== undefined) return t.skip(`the images have busybox ${version}: ${note}`);
      for (const limit of [['-T', '5'], ['-T5'], ['--timeout=5'], ['--timeout', '5']])
        assert.match(await cluster().exec(ns, 'client-1', ['wget', ...limit, '-qO-', `http://${clusterIp}/`]), /^web-\d saw /);
    });

    it('do not allow changing the lab’s images: its registry accepts no pushes from pods and nodes', async () => {
      const registry = new URL(cluster().lab.registry);
      const { hostname, port } = registry;
      const repository = '/v2/library/busybox';
      const requests = [
        ['POST', `${repository}/blobs/uploads/`],
        ['PUT', `${repository}/manifests/latest`],
        ['DELETE', `${repository}/manifests/latest`],
        ['POST', '/v2/mine/blobs/uploads/'],
      ];
      for (const [method, path] of requests) {
        const text = `${method} ${path} HTTP/1.1\\r\\nHost: registry\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n`;
        const script = `printf '${text}' | nc -w 5 ${hostname} ${port} | head -n 1`;
        const answers = [
          await cluster().exec(ns, 'client-1', ['sh', '-c', script]),
          await cluster().onWorker(0, ['busybox', 'sh', '-c', script]),
        ];
        for (const answer of answers) assert.match(answer, /^HTTP\/1.1 4\d\d /, `${method} ${path}`);
      }
      assert.equal((await fetch(`${registry.origin}${repository}/tags/list`)).status, 200);
    });

    it('have Endpoints and an EndpointSlice with their ready pods', async () => {
      const endpoints = await until(
        'both pods are endpoints',
        async () => {
          const one = await cluster().client.resource('endpoints').get({ namespace: ns, name: 'web' });
          return one.subsets?.[0]?.addresses?.length === 2 ? one : undefined;
        },
        { timeoutMs: 60_000 },
      );
      const address = (name: string): object => ({
        ip: ipOf(name),
        nodeName: `worker-${name.at(-1)}`,
        targetRef: { kind: 'Pod', namespace: ns, name, uid: pods[name]?.metadata.uid },
      });
      const byIp = (a: { ip: string }, b: { ip: string }): number => (a.ip < b.ip ? -1 : 1);
      assert.deepEqual(
        endpoints.subsets?.[0]?.addresses?.sort(byIp),
        [address('web-1'), address('web-2')].sort(byIp as (a: object, b: object) => number),
      );
      const portNumbers = endpoints.subsets?.[0]?.ports?.map(({ name, port, protocol }) => `${name} ${port}/${protocol}`).sort();
      assert.deepEqual(portNumbers, ['admin 9090/TCP', 'echo 5300/UDP', 'http 8080/TCP']);

      const { items } = await cluster()
        .client.resource('endpointslices.discovery.k8s.io')
        .list({ namespace: ns, labelSelector: 'kubernetes.io/service-name=web' });
      assert.equal(items.length, 1);
      assert.equal(items[0]?.addressType, 'IPv4');
      assert.equal(items[0]?.metadata.labels?.['endpointslice.kubernetes.io/managed-by'], 'endpointslice-controller.k8s.io');
      assert.deepEqual(items[0]?.endpoints?.map(({ addresses }) => addresses[0]).sort(), [ipOf('web-1'), ipOf('web-2')].sort());
      for (const { conditions } of items[0]?.endpoints ?? [])
        assert.deepEqual(conditions, { ready: true, serving: true, terminating: false });
    });

    it('answer on their ClusterIP from pods on both nodes, from every endpoint', async () => {
      for (const client of ['client-1', 'client-2']) {
        const answers = await askOften(client, clusterIp);
        assert.deepEqual([...answers.keys()].sort(), ['web-1', 'web-2']);
      }
    });

    it('answer on every port: by name, by number, and by UDP', async () => {
      assert.equal(await ask('client-1', `${clusterIp}:81`), 'the admin page\n');
      const seen = new Set<string>();
      await until(
        'both servers answer by UDP',
        async () => {
          seen.add(await cluster().exec(ns, 'client-1', ['/e2e/udp', 'ask', clusterIp, '53']));
          return seen.size === 2;
        },
        { timeoutMs: 60_000 },
      );
      assert.deepEqual([...seen].sort(), [`web-1 saw ${ipOf('client-1')}\n`, `web-2 saw ${ipOf('client-1')}\n`]);
    });

    it('answer the nodes themselves', async () => {
      for (const index of [0, 1]) {
        const answers = new Set<string | undefined>();
        await until(
          `both servers answer worker ${index + 1}`,
          async () => {
            answers.add((await cluster().onWorker(index, ['busybox', 'wget', '-qO-', `http://${clusterIp}/`])).split(' ')[0]);
            return answers.size === 2;
          },
          { timeoutMs: 60_000 },
        );
        assert.deepEqual([...answers].sort(), ['web-1', 'web-2']);
      }
    });

    it('answer on their NodePort of every node, whichever node has the endpoint', async () => {
      for (const { ip } of cluster().lab.hosts) {
        const answers = new Set<string | undefined>();
        await until(
          `both servers answer on ${ip}:${nodePort}`,
          async () => {
            const answer = await fetch(`http://${ip}:${nodePort}/`, {
              headers: { connection: 'close' },
              signal: AbortSignal.timeout(30_000),
            });
            answers.add((await answer.text()).split(' ')[0]);
            return answers.size === 2;
          },
          { timeoutMs: 60_000 },
        );
        assert.deepEqual([...answers].sort(), ['web-1', 'web-2']);
      }
    });

    it('stay on the node and keep the client’s address when their traffic policy is Local', async () => {
      const port = 30012;
      await cluster().apply(server('local', 'worker-2', 'local'));
      await cluster().untilPod(ns, 'local', 'Ready', isReady);
      await service('local', {
        type: 'NodePort',
        externalTrafficPolicy: 'Local',
        selector: { app: 'local' },
        ports: [{ port: 80, targetPort: 8080, nodePort: port }],
      });
      const [without, withIt] = cluster().lab.hosts;
      const get = async (ip = ''): Promise<string> =>
        (await fetch(`http://${ip}:${port}/`, { signal: AbortSignal.timeout(2000) })).text();
      const answer = await until('the node with the pod answers', () => get(withIt?.ip), { timeoutMs: 60_000 });
      assert.ok(answer.startsWith('local saw ') && answer.includes(cluster().lab.hostIp), answer);
      const failure = (): Promise<string> =>
        get(without?.ip).then(
          (text) => text,
          (error: Error) => error.name,
        );
      await until('a node without the pod drops what it is asked', async () => (await failure()) === 'TimeoutError', {
        timeoutMs: 60_000,
      });
    });

    it('keep the client’s address: pods reach pods of the other node without NAT, also through a Service', async () => {
      for (const [client, other] of [
        ['client-1', 'web-2'],
        ['client-2', 'web-1'],
      ] as const) {
        const direct = await ask(client, `${ipOf(other)}:8080`);
        assert.ok(
          direct.startsWith(`${other} saw `) && direct.includes(ipOf(client)),
          `${client} (${ipOf(client)}) was told: ${direct}`,
        );
        const through = await until(
          `${other} answers`,
          async () => {
            const answer = await ask(client, clusterIp);
            return answer.startsWith(other) ? answer : undefined;
          },
          { timeoutMs: 60_000 },
        );
        assert.ok(through.includes(ipOf(client)), `${client} (${ipOf(client)}) was told: ${through}`);
      }
    });

    it('reach the pod that sends the request', async () => {
      await cluster().apply(server('alone', 'worker-1', 'alone'));
      await cluster().untilPod(ns, 'alone', 'Ready', isReady);
      const ip = await service('alone', { selector: { app: 'alone' }, ports: [{ port: 80, targetPort: 8080 }] });
      assert.match(await untilAnswers('alone', ip), /^alone saw /);
    });

    it('send no traffic to pods that are not Ready, and do once they are', async () => {
      const readinessProbe = {
        exec: { command: ['test', '-e', '/tmp/ready'] },
        periodSeconds: 1,
        timeoutSeconds: 30,
        failureThreshold: 1,
      };
      const ip = await service('gated', { selector: { app: 'gated' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }] });
      await cluster().apply(server('gated-1', 'worker-1', 'gated', { readinessProbe }));
      await cluster().apply(server('gated-2', 'worker-2', 'gated', { readinessProbe }));
      await cluster().untilEvent(ns, 'Unhealthy', 'gated-2', /^Readiness probe failed: /);
      await cluster().exec(ns, 'gated-1', ['touch', '/tmp/ready']);
      await cluster().untilPod(ns, 'gated-1', 'Ready', isReady);
      await untilAnswers('client-1', ip);
      assert.deepEqual(await askOften('client-1', ip), new Map([['gated-1', 30]]));
      const subset = (await cluster().client.resource('endpoints').get({ namespace: ns, name: 'gated' })).subsets?.[0];
      assert.deepEqual(
        [subset?.addresses?.[0]?.targetRef?.name, subset?.notReadyAddresses?.[0]?.targetRef?.name],
        ['gated-1', 'gated-2'],
      );

      await cluster().exec(ns, 'gated-2', ['touch', '/tmp/ready']);
      await until('the second pod gets traffic', async () => (await askOften('client-1', ip)).size === 2, { timeoutMs: 60_000 });
      await cluster().exec(ns, 'gated-1', ['rm', '/tmp/ready']);
      await until('the first pod gets none', async () => (await askOften('client-1', ip)).get('gated-2') === 30, {
        timeoutMs: 60_000,
      });
    });

    it('reject at once when they have no endpoints', async () => {
      const port = 30011;
      const ip = await service('empty', {
        type: 'NodePort',
        selector: { app: 'nobody' },
        ports: [{ port: 80, targetPort: 8080, nodePort: port }],
      });
      for (const client of ['client-1', 'client-2']) {
        await until(`${client} is refused`, async () => /Connection refused/.test(await failure(ask(client, ip))), {
          timeoutMs: 60_000,
        });
      }
      for (const host of cluster().lab.hosts) {
        await until(`${host.name} refuses`, async () => (await failure(fetch(`http://${host.ip}:${port}/`))) === 'ECONNREFUSED', {
          timeoutMs: 60_000,
        });
      }
      const udp = await service('empty-udp', { selector: { app: 'nobody' }, ports: [{ port: 53, protocol: 'UDP' }] });
      await until(
        'UDP is refused',
        async () => /Connection refused/.test(await failure(cluster().exec(ns, 'client-1', ['/e2e/udp', 'ask', udp, '53']))),
        { timeoutMs: 60_000 },
      );
    });

    it('keep a client at its endpoint with session affinity', async () => {
      const ip = await service('sticky', {
        selector: { app: 'web' },
        sessionAffinity: 'ClientIP',
        ports: [{ name: 'http', port: 80, targetPort: 'http' }],
      });
      await untilAnswers('client-1', ip);
      assert.deepEqual([...(await askOften('client-1', ip)).values()], [30]);
    });

    it('have upstream’s chains and comments', async () => {
      const chain = (prefix: string, ...parts: string[]): string =>
        `KUBE-${prefix}-${base32(createHash('sha256').update(parts.join('')).digest()).slice(0, 16)}`;
      const svc = chain('SVC', `${ns}/web:http`, 'tcp');
      for (const index of [0, 1]) {
        const rules = await cluster().onWorker(index, ['iptables-save', '-t', 'nat']);
        const expected = [
          `-A KUBE-SERVICES -d ${clusterIp}/32 -p tcp -m comment --comment "${ns}/web:http cluster IP" -m tcp --dport 80 -j ${svc}`,
          `-A KUBE-SERVICES -d ${clusterIp}/32 -p udp -m comment --comment "${ns}/web:echo cluster IP" -m udp --dport 53 -j ${chain('SVC', `${ns}/web:echo`, 'udp')}`,
          ...['web-1', 'web-2'].flatMap((name) => {
            const endpoint = `${ipOf(name)}:8080`;
            const sep = chain('SEP', `${ns}/web:http`, 'tcp', endpoint);
            return [
              `-A ${sep} -s ${ipOf(name)}/32 -m comment --comment "${ns}/web:http" -j KUBE-MARK-MASQ`,
              `-A ${sep} -p tcp -m comment --comment "${ns}/web:http" -m tcp -j DNAT --to-destination ${endpoint}`,
            ];
          }),
        ];
        for (const rule of expected)
          assert.ok(
            rules.includes(`${rule}\n`),
            `worker ${index + 1} has no rule ${rule}; it has\n${rules
              .split('\n')
              .filter((line) => line.includes(`${ns}/web`))
              .join('\n')}`,
          );
        assert.match(
          rules,
          new RegExp(
            `-A ${svc} -m comment --comment "${ns}/web:http -> ${ipOf('web-1')}:8080" .*-j ${chain('SEP', `${ns}/web:http`, 'tcp', `${ipOf('web-1')}:8080`)}`,
          ),
        );
        assert.match(
          rules,
          new RegExp(`-A KUBE-NODEPORTS .*-p tcp -m comment --comment "${ns}/web:http" -m tcp --dport ${nodePort} -j KUBE-EXT-`),
        );
      }
    });

    it('leave no rule when they are deleted', async () => {
      await cluster().kubectl(['-n', ns, 'delete', 'service', 'sticky', 'gated']);
      for (const index of [0, 1]) {
        await until(
          'their rules are gone',
          async () => !/"services\/(sticky|gated)/.test(await cluster().onWorker(index, ['iptables-save'])),
          { timeoutMs: 60_000 },
        );
      }
      assert.match(await ask('client-1', clusterIp), /^web-[12] saw /);
    });
  });
}

/** Base32 of RFC 4648, as Go's encoding/base32 writes it. */
function base32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{5}/g) ?? []).map((group) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(group, 2)]).join('');
}
