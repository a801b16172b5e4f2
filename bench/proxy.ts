/**
 * `npm run bench -- proxy [mode] [services …]`: the service proxy with real rules in a network namespace of its own, and an API within the
 * process. Services have two endpoints each. Reported per number of services: the full load, one Service more and one endpoint changed (from
 * the write in the API until the kernel has it, with the CPU time of this process and of the programs it ran), the longest turn of the event
 * loop, memory, and the time of a new connection to the last Service.
 */
import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import { type Exec, execFile } from '#agent/host/exec.ts';
import { execSysctl } from '#agent/host/sysctl.ts';
import { backends, type ProxyMode } from '#agent/proxy/backends.ts';
import { endpoint, service, slice } from '#agent/proxy/objects.testing.ts';
import { createProxy } from '#agent/proxy/proxy.ts';
import type { EndpointSlice, Node, Service } from '#api/types.generated.ts';
import { FakeApi } from '#client/api.testing.ts';
import { sleep, systemClock } from '#client/clock.ts';
import { createInformers } from '#client/informers.ts';
import { createLeftOutReporter } from '#client/left-out.ts';
import { createClient } from '#client/rest-client.ts';

const namespace = `tbench-${process.pid}`;
const exec: Exec = (argv, options) => execFile(['ip', 'netns', 'exec', namespace, ...argv], options);
const http = [{ name: 'http', port: 80 }];
const target = [{ name: 'http', port: 8080 }];

/** After two minimum sync periods without a change, the proxy writes the next two changes at once (sync-runner.ts). */
const idleMs = 2500;

const last = (index: number): string => `${(index >> 8) & 255}.${index & 255}`;
const key = (index: number): string => `ns${index % 50}/service-${index}`;
const clusterIp = (index: number): string => `10.${96 + (index >> 16)}.${last(index)}`;
const serviceOf = (index: number): Service => service(key(index), clusterIp(index), http);
const sliceOf = (index: number, second = `10.${210 + (index >> 16)}.${last(index)}`): EndpointSlice =>
  slice(key(index), target, [endpoint(`10.${200 + (index >> 16)}.${last(index)}`, 'here'), endpoint(second, 'there')]);

const node: Node = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'here', uid: 'uid-here', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: {},
};

/** CPU seconds of this process, and of the programs that it has waited for. */
function cpuSeconds(): { own: number; programs: number } {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ') ?? [];
  const ticks = (...at: number[]): number => at.reduce((sum, index) => sum + Number(fields[index]), 0) / 100;
  return { own: ticks(11, 12), programs: ticks(13, 14) };
}

/**
 * Measures the longest turn of the event loop in CPU time, so that other programs on the machine do not count. @returns ends the measurement; the
 * result is in milliseconds
 */
function longestTurn(): () => number {
  const cpuMs = (): number => Object.values(process.threadCpuUsage()).reduce((sum, value) => sum + value, 0) / 1000;
  let longest = 0;
  let beforeMs = cpuMs();
  const timer = setInterval(() => {
    longest = Math.max(longest, cpuMs() - beforeMs);
    beforeMs = cpuMs();
  }, 1);
  return () => {
    clearInterval(timer);
    return longest;
  };
}

/** Runs `work`, and says how long it took, what CPU time that cost and for how long the event loop stood at most. */
async function measured(what: string, work: () => Promise<void>): Promise<void> {
  const stall = longestTurn();
  const before = cpuSeconds();
  const startMs = performance.now();
  await work();
  const tookMs = performance.now() - startMs;
  const after = cpuSeconds();
  const cpu = `cpu ${(after.own - before.own).toFixed(2)} s + programs ${(after.programs - before.programs).toFixed(2)} s`;
  console.log(`  ${what.padEnd(18)} ${tookMs.toFixed(0).padStart(7)} ms   ${cpu}   longest turn ${stall().toFixed(0)} ms`);
}

async function bench(mode: ProxyMode, count: number): Promise<void> {
  console.log(`${mode}, ${count} services of two endpoints`);
  const api = new FakeApi();
  const client = createClient(api.transport, { userAgent: 'bench' });
  const abort = new AbortController();
  const log = pino({ level: 'silent' });
  const informers = createInformers({ client, clock: systemClock, log });
  await client.resource('nodes').create(node);
  for (let index = 0; index < count; index++) {
    await client.resource('services').create(serviceOf(index));
    await client.resource('endpointslices.discovery.k8s.io').create(sliceOf(index));
  }
  const events = { event: () => undefined };
  const proxy = createProxy(
    {
      services: informers.informer('services'),
      endpointSlices: informers.informer('endpointslices.discovery.k8s.io'),
      nodes: informers.informer('nodes'),
      exec,
      sysctl: execSysctl(exec),
      clock: systemClock,
      log,
      events,
      leftOut: createLeftOutReporter({ events, log }),
    },
    { mode, nodeName: 'here', nodeIps: ['192.168.9.1'], clusterCidr: '10.128.0.0/9', healthzBindAddress: '' },
  );
  const running = Promise.all([informers.run(abort.signal), proxy.run(abort.signal)]);
  /** Resolves when the rules have as many services and endpoints. */
  const written = async (services: number, syncs: number): Promise<void> => {
    for (;;) {
      const record = proxy.history().at(-1);
      if (record?.error !== undefined) throw new Error(record.error);
      if (record?.services === services && proxy.history().length > syncs) return;
      await sleep(systemClock, 2);
    }
  };
  try {
    await measured('full load', () => written(count, 0));
    // The first connection is made before the others are changed. It also waits until the proxy is idle.
    const packet = await exec([
      process.execPath,
      new URL('./proxy/first-packet.ts', import.meta.url).pathname,
      clusterIp(count - 1),
      '80',
    ]);
    console.log(`  new connection     ${Number(packet.stdout).toFixed(2).padStart(7)} ms`);
    const syncs = (): number => proxy.history().length;
    for (const round of [1, 2]) {
      await sleep(systemClock, idleMs);
      const before = syncs();
      await measured('one service more', async () => {
        await client.resource('services').create(serviceOf(count + round));
        await client.resource('endpointslices.discovery.k8s.io').create(sliceOf(count + round));
        await written(count + round, before);
        // The Service may have come to the rules before its slice.
        while (proxy.history().at(-1)?.endpoints !== 2 * (count + round)) await sleep(systemClock, 2);
      });
      await sleep(systemClock, idleMs);
      const again = syncs();
      await measured('one endpoint', async () => {
        const slices = client.resource('endpointslices.discovery.k8s.io');
        const changed = sliceOf(5, `10.230.0.${round}`);
        const now = await slices.get({ namespace: 'ns5', name: changed.metadata.name });
        await slices.update({ ...changed, metadata: now.metadata });
        await written(count + round, again);
      });
    }
    globalThis.gc?.();
    console.log(`  memory             ${(process.memoryUsage().rss / 1e6).toFixed(0).padStart(7)} MB (with the API's objects)`);
  } finally {
    abort.abort();
    await running;
    await backends[mode](
      { exec, sysctl: execSysctl(exec), clock: systemClock, warn: console.error },
      { family: 'IPv4' },
    ).remove();
  }
}

const [first = '', ...rest] = process.argv.slice(3);
const modes = (Object.keys(backends) as ProxyMode[]).filter((mode) => !(first in backends) || mode === first);
const counts = (first in backends ? rest : [first, ...rest]).filter((text) => text !== '').map(Number);
await execFile(['ip', 'netns', 'add', namespace]);
try {
  await exec(['ip', 'link', 'set', 'lo', 'up']);
  // Every endpoint is this namespace itself, and the addresses of services have a route.
  for (const range of ['10.200.0.0/14', '10.208.0.0/12', '10.224.0.0/11'])
    await exec(['ip', 'route', 'add', 'local', range, 'dev', 'lo']);
  await exec(['ip', 'link', 'add', 'out', 'type', 'veth', 'peer', 'name', 'far']);
  await exec(['ip', 'addr', 'add', '192.168.9.1/24', 'dev', 'out']);
  for (const link of ['far', 'out']) await exec(['ip', 'link', 'set', link, 'up']);
  await exec(['ip', 'route', 'add', 'default', 'via', '192.168.9.2', 'dev', 'out']);
  for (const mode of modes)
    for (const count of counts.length > 0 ? counts : [100, 1000, 5000, 10_000, ...(mode === 'iptables' ? [] : [30_000])])
      await bench(mode, count);
} finally {
  await execFile(['ip', 'netns', 'del', namespace]);
}
