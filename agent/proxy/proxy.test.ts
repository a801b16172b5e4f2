/** Tests the whole proxy against an API: objects that are created there become rules in a real kernel. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { type Exec, execFile } from '#agent/host/exec.ts';
import { execSysctl } from '#agent/host/sysctl.ts';
import { triggerTimeAnnotation } from '#api/service-labels.ts';
import type { Node } from '#api/types.generated.ts';
import { FakeApi } from '#client/api.testing.ts';
import { FakeClock } from '#client/clock.ts';
import { createInformers } from '#client/informers.ts';
import { createLeftOutReporter } from '#client/left-out.ts';
import { createClient } from '#client/rest-client.ts';
import { until } from '#lab/until.ts';
import { allProxyMetrics } from './metrics.ts';
import { endpoint, service, slice } from './objects.testing.ts';
import { createProxy, type Proxy } from './proxy.ts';

const namespace = `tprox-${process.pid}-proxy`;
const http = [{ name: 'http', port: 80 }];
const node: Node = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'here', uid: 'uid-here', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: {},
};

/** Runs programs inside the namespace, and reports when an iptables-restore has ended. */
function watchedExec(): { exec: Exec; restored(): Promise<void> } {
  let waiting: (() => void)[] = [];
  let unseen = 0;
  return {
    exec: async (argv, options) => {
      const result = await execFile(['ip', 'netns', 'exec', namespace, ...argv], options);
      if (argv[0] === 'iptables-restore') {
        if (waiting.length === 0) unseen++;
        for (const resolve of waiting.splice(0)) resolve();
      }
      return result;
    },
    restored() {
      if (unseen > 0) {
        unseen--;
        return Promise.resolve();
      }
      return new Promise((resolve) => {
        waiting = [...waiting, resolve];
      });
    },
  };
}

describe('createProxy', () => {
  const clock = new FakeClock();
  const api = new FakeApi();
  const client = createClient(api.transport, { userAgent: 'kube-proxy' });
  const log = pino({ level: 'silent' });
  const { exec, restored } = watchedExec();
  const abort = new AbortController();
  let proxy: Proxy;
  let running: Promise<unknown>;
  /** The proxy hears of changes and runs real programs in its own time, and sets its timers after that: the fake clock goes on until then. */
  const advanceUntil = async (event: Promise<unknown>): Promise<void> => {
    let done = false;
    const flagged = event.finally(() => {
      done = true;
    });
    while (!done) await clock.advance(100);
    await flagged;
  };
  const nat = async (): Promise<string> => (await exec(['iptables-save', '-t', 'nat'])).stdout;

  before(async () => {
    await execFile(['ip', 'netns', 'add', namespace]);
    await exec(['nft', 'add table ip kube-proxy; add table ip6 kube-proxy; add table ip somebody']);
    await client.resource('nodes').create(node);
    await client.resource('services').create(service('default/web', '10.96.0.10', http));
    await client
      .resource('endpointslices.discovery.k8s.io')
      .create(slice('default/web', [{ name: 'http', port: 8080 }], [endpoint('10.244.1.1')]));
    const informers = createInformers({ client, clock, log });
    proxy = createProxy(
      {
        services: informers.informer('services'),
        endpointSlices: informers.informer('endpointslices.discovery.k8s.io'),
        nodes: informers.informer('nodes'),
        exec,
        sysctl: execSysctl(exec),
        clock,
        log,
        events: { event: () => undefined },
        leftOut: createLeftOutReporter({ events: { event: () => undefined }, log }),
      },
      { nodeName: 'here', nodeIps: ['192.168.0.2'], clusterCidr: '10.244.0.0/16', healthzBindAddress: '' },
    );
    running = Promise.all([informers.run(abort.signal), proxy.run(abort.signal)]);
  });
  after(async () => {
    abort.abort();
    await running;
    await execFile(['ip', 'netns', 'del', namespace]);
  });

  it('writes the rules of the objects that exist at the start', async () => {
    await restored();
    assert.match(await nat(), /-A KUBE-SERVICES -d 10\.96\.0\.10\/32 -p tcp .*--dport 80 -j KUBE-SVC-/);
    assert.match(await nat(), /--to-destination 10\.244\.1\.1:8080/);
    assert.equal(await execSysctl(exec).get('net.ipv4.conf.all.route_localnet'), 1);
  });

  it('removes what another mode has left, and nothing of others', async () => {
    const list = async (): Promise<string> => (await exec(['nft', 'list', 'tables'])).stdout;
    await advanceUntil(
      until('the tables of the other mode to go', async () => !(await list()).includes('kube-proxy'), { timeoutMs: 60_000 }),
    );
    assert.match(await list(), /table ip somebody/);
  });

  it('measures the time from the change of a pod to the rules', async () => {
    const again = restored();
    const timed = slice('default/web', [{ name: 'http', port: 8080 }], [endpoint('10.244.1.2')], 'b');
    timed.metadata.annotations = { [triggerTimeAnnotation]: new Date(clock.now()).toISOString() };
    await client.resource('endpointslices.discovery.k8s.io').create(timed);
    await advanceUntil(again);
    assert.match(await nat(), /--to-destination 10\.244\.1\.2:8080/);
  });

  it('follows a change, after the minimum sync period', async () => {
    const again = restored();
    await client.resource('services').create(service('default/other', '10.96.0.11', http));
    await advanceUntil(again);
    assert.match((await exec(['iptables-save', '-t', 'filter'])).stdout, /default\/other:http has no endpoints/);
    assert.equal(proxy.history().at(-1)?.mode, 'partial');
  });

  it('counts its work under upstream’s names', async () => {
    const registry = new Registry();
    for (const metric of allProxyMetrics) registry.registerMetric(metric);
    const text = await registry.metrics();
    for (const line of [
      /^kubeproxy_sync_proxy_rules_duration_seconds_count\{ip_family="IPv4"\} [2-9]/m,
      /^kubeproxy_sync_full_proxy_rules_duration_seconds_count\{ip_family="IPv4"\} 1/m,
      /^kubeproxy_sync_partial_proxy_rules_duration_seconds_count\{ip_family="IPv4"\} [1-9]/m,
      /^kubeproxy_sync_proxy_rules_last_timestamp_seconds\{ip_family="IPv4"\} \d/m,
      /^kubeproxy_sync_proxy_rules_service_changes_total [2-9]/m,
      /^kubeproxy_network_programming_duration_seconds_count\{ip_family="IPv4"\} 1/m,
    ])
      assert.match(text, line);
    // What is counted is what the kernel holds.
    for (const table of ['nat', 'filter']) {
      const rules = (await exec(['iptables-save', '-t', table])).stdout.split('\n').filter((line) => line.startsWith('-A KUBE-'));
      assert.match(
        text,
        new RegExp(`^kubeproxy_sync_proxy_rules_iptables_total\\{table="${table}",ip_family="IPv4"\\} ${rules.length}$`, 'm'),
      );
    }
  });

  it('writes everything anew after another program has flushed the tables', async () => {
    await exec(['iptables', '-t', 'nat', '-F']);
    const again = restored();
    await clock.advance(30_000);
    await advanceUntil(again);
    assert.match(await nat(), /-A PREROUTING .*-j KUBE-SERVICES/);
    assert.match(await nat(), /--to-destination 10\.244\.1\.1:8080/);
    assert.equal(proxy.history().at(-1)?.mode, 'full');
  });
});
