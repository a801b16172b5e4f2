/**
 * The node's service proxy (kube-proxy in iptables mode): watches Services and EndpointSlices and keeps the rules in the
 * kernel those of the whole observed state.
 *
 * Watches: Service, EndpointSlice, Node (its own).  Writes: iptables (nat, filter, canary in mangle), conntrack, sysctl.
 * Source: kubernetes.io, "Virtual IPs and Service Proxies".
 */

import { networkInterfaces } from 'node:os';
import type { Logger } from 'pino';
import type { Exec } from '#agent/host/exec.ts';
import type { Sysctl } from '#agent/host/sysctl.ts';
import { zoneLabel } from '#api/node-labels.ts';
import type { EndpointSlice, Node, Service } from '#api/types.generated.ts';
import { type Clock, sleep } from '#client/clock.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import type { Informer } from '#client/informer.ts';
import type { LeftOutReporter } from '#client/left-out.ts';
import { type Applied, createApplier, RestoreError, type RuleApplier } from './apply.ts';
import { cleanStaleFlows } from './conntrack.ts';
import {
  closeServer,
  createHealthServer,
  createHealthTracker,
  createServiceHealthServers,
  healthHandler,
  listen,
} from './health.ts';
import { cidrContains, type IpFamily, parseCidr, parseIp } from './ip.ts';
import { findRefused, Quarantine } from './quarantine.ts';
import { compileRuleset, type Ruleset, type RulesetOptions, renderRuleset } from './ruleset.ts';
import { buildServiceState, healthCheckServices, type ServiceState } from './state.ts';
import { createSyncRunner } from './sync-runner.ts';

export interface ProxyDeps {
  services: Informer<Service>;
  endpointSlices: Informer<EndpointSlice>;
  /** At least this node; others are ignored. */
  nodes: Informer<Node>;
  exec: Exec;
  sysctl: Sysctl;
  clock: Clock;
  log: Logger;
  events: EventRecorder;
  /** Told of the objects that no rules can be made of. */
  leftOut: LeftOutReporter;
}

export interface ProxyOptions {
  nodeName: string;
  /** The node's addresses, one per family at most; they also say which families are served. */
  nodeIps: readonly string[];
  /** `--cluster-cidr`: one, or one per family with a comma. Absent: no masquerading of traffic from outside the pod network. */
  clusterCidr?: string | undefined;
  /** `--healthz-bind-address`. Default `0.0.0.0:10256`; empty: none. */
  healthzBindAddress?: string;
  /** `--iptables-min-sync-period`. Default 1 s. */
  minSyncPeriodMs?: number;
  /** `--iptables-sync-period`: canary check, and retry after a failure. Default 30 s. */
  syncPeriodMs?: number;
  masqueradeAll?: boolean;
  masqueradeBit?: number;
  /** `--iptables-localhost-nodeports`. Default true. */
  localhostNodePorts?: boolean;
  /** `--nodeport-addresses`: ranges whose local addresses take node ports; absent or empty: all. */
  nodePortAddresses?: readonly string[];
}

/** One write of rules, for people who ask what the proxy did and when. */
export interface SyncRecord extends Applied {
  family: IpFamily;
  atMs: number;
  tookMs: number;
  services: number;
  endpoints: number;
  /** Set when the write failed. */
  error?: string;
}

export interface Proxy {
  /** Runs until `signal` aborts; the rules stay, so that a restart interrupts nothing. */
  run(signal: AbortSignal): Promise<void>;
  /** The rules last computed, as `iptables-restore` reads them; empty before the first sync. */
  rules(family?: IpFamily): string;
  /** The last syncs that changed something or failed, oldest first; 100 at most. */
  history(): readonly SyncRecord[];
}

/** Everything is written anew at this interval, in case somebody changed a rule without flushing. */
const fullSyncPeriodMs = 3_600_000;
const historyLength = 100;
const autoscalerTaint = 'ToBeDeletedByClusterAutoscaler';

/** What one address family needs from sync to sync. */
interface FamilyProxy {
  family: IpFamily;
  applier: RuleApplier;
  options: RulesetOptions;
  rules: Ruleset | undefined;
  quarantine: Quarantine;
  udpEndpoints: string;
  lastFullMs: number;
}

export function createProxy(deps: ProxyDeps, options: ProxyOptions): Proxy {
  const { services, endpointSlices, nodes, exec, clock, log, events } = deps;
  const syncPeriodMs = options.syncPeriodMs ?? 30_000;
  const families = options.nodeIps.flatMap((text) => familyProxy(text));
  const tracker = createHealthTracker(clock, 2 * syncPeriodMs);
  const records: SyncRecord[] = [];
  const healthServers = createServiceHealthServers(tracker, { log, clock }, reportHealthServerFailure);
  const runner = createSyncRunner(clock, syncAll, {
    minIntervalMs: options.minSyncPeriodMs ?? 1000,
    retryIntervalMs: syncPeriodMs,
    maxIntervalMs: fullSyncPeriodMs,
  });

  function familyProxy(nodeIpText: string): FamilyProxy[] {
    const ip = parseIp(nodeIpText);
    if (ip === undefined) throw new Error(`proxy: node IP "${nodeIpText}" is not an IP address`);
    const { family } = ip;
    const applier = createApplier({ exec, warn: (message) => log.warn({ family }, message) }, family);
    const cidrs = (options.clusterCidr ?? '').split(',').map(parseCidr);
    return [
      {
        family,
        applier,
        options: {
          nodeIp: ip.address,
          clusterCidr: cidrs.find((cidr) => cidr?.family === family)?.text,
          masqueradeAll: options.masqueradeAll ?? false,
          masqueradeBit: options.masqueradeBit ?? 14,
          localhostNodePorts: options.localhostNodePorts ?? true,
        },
        rules: undefined,
        quarantine: new Quarantine(),
        udpEndpoints: '',
        lastFullMs: 0,
      },
    ];
  }

  function reportHealthServerFailure(service: string, port: number, error: Error): void {
    const [namespace = '', name = ''] = service.split('/');
    const message = `node ${options.nodeName} failed to start healthcheck "${service}" on port ${port}: ${error.message}`;
    events.event({ apiVersion: 'v1', kind: 'Service', namespace, name }, 'Warning', 'FailedToStartServiceHealthcheck', message);
    log.error({ service, port, error: error.message }, 'Failed to start healthcheck');
  }

  const ownNode = (): Node | undefined => nodes.cache.get(options.nodeName);
  const zone = (): string | undefined => ownNode()?.metadata.labels?.[zoneLabel];

  function nodeEligible(): boolean {
    const node = ownNode();
    if (node === undefined || node.metadata.deletionTimestamp !== undefined) return false;
    return !(node.spec.taints ?? []).some(({ key }) => key === autoscalerTaint);
  }

  function request(): void {
    for (const { family } of families) tracker.queued(family);
    runner.request();
  }

  async function syncAll(): Promise<boolean> {
    let ok = true;
    for (const proxy of families) ok = (await syncFamily(proxy)) && ok;
    return ok;
  }

  async function syncFamily(proxy: FamilyProxy): Promise<boolean> {
    const startMs = clock.now();
    if (startMs - proxy.lastFullMs >= fullSyncPeriodMs) {
      proxy.applier.invalidate();
      proxy.quarantine.clear();
    }
    const state = observe(proxy);
    proxy.rules = compile(proxy, state);
    const endpoints = state.ports.reduce((sum, port) => sum + port.endpoints.length, 0);
    const record = { family: proxy.family, atMs: startMs, services: state.ports.length, endpoints };
    try {
      const applied = await proxy.applier.apply(proxy.rules);
      if (applied.mode === 'full') proxy.lastFullMs = clock.now();
      if (applied.mode !== 'unchanged') remember({ ...record, ...applied, tookMs: clock.now() - startMs });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      log.error({ family: proxy.family, error: message }, `Sync failed, retrying in ${syncPeriodMs / 1000}s`);
      remember({ ...record, mode: 'full', chains: 0, tookMs: clock.now() - startMs, error: message });
      return error instanceof RestoreError && (await quarantineRefused(proxy, state)) ? syncFamily(proxy) : false;
    }
    tracker.updated(proxy.family);
    if (proxy === families[0]) await healthServers.sync(healthCheckServices(state));
    await cleanConntrack(proxy, state);
    return true;
  }

  function observe(proxy: FamilyProxy): ServiceState {
    const input = { services: services.cache.list(), endpointSlices: endpointSlices.cache.list() };
    const state = buildServiceState(input, { family: proxy.family, nodeName: options.nodeName, zone: zone() });
    const usable = proxy.quarantine.without(state);
    deps.leftOut.report(`kube-proxy ${proxy.family}`, usable.leftOut);
    return usable;
  }

  const compile = (proxy: FamilyProxy, state: ServiceState): Ruleset =>
    compileRuleset(state, { ...proxy.options, nodePortIps: nodePortIps(proxy.family) });

  /** @returns whether something was found to leave out, without which all may go well */
  async function quarantineRefused(proxy: FamilyProxy, state: ServiceState): Promise<boolean> {
    const refused = await findRefused(state, (part) => proxy.applier.accepts(compile(proxy, part)));
    proxy.quarantine.add(refused);
    return refused.length > 0;
  }

  function remember(record: SyncRecord): void {
    records.push(record);
    if (records.length > historyLength) records.shift();
    if (record.error === undefined) log.info(record, 'service rules written');
  }

  /** Only when endpoints of UDP services changed: listing the table is expensive on a busy node. */
  async function cleanConntrack(proxy: FamilyProxy, state: ServiceState): Promise<void> {
    const udp = state.ports.filter(({ protocol }) => protocol === 'udp');
    const udpEndpoints = JSON.stringify(
      udp.map((port) => [port.id, port.endpoints.map(({ address, serving }) => [address, serving])]),
    );
    if (udpEndpoints === proxy.udpEndpoints) return;
    try {
      const groups = await cleanStaleFlows(exec, state);
      proxy.udpEndpoints = udpEndpoints;
      if (groups > 0) log.info({ family: proxy.family, groups }, 'stale UDP conntrack entries deleted');
    } catch (error) {
      // Tried again with the next change; TCP services do not depend on it.
      log.error(
        { family: proxy.family, error: error instanceof Error ? error.message : String(error) },
        'Failed to clean conntrack entries',
      );
    }
  }

  function nodePortIps(family: IpFamily): string[] | undefined {
    const cidrs = (options.nodePortAddresses ?? []).map(parseCidr).filter((cidr) => cidr?.family === family);
    if (cidrs.length === 0 || cidrs.some((cidr) => cidr?.prefixLength === 0)) return undefined;
    const local = Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address));
    return [...new Set(local)]
      .filter((address) => cidrs.some((cidr) => cidr !== undefined && cidrContains(cidr, address)))
      .sort();
  }

  async function prepareKernel(): Promise<void> {
    const liberal = (await deps.sysctl.get('net.netfilter.nf_conntrack_tcp_be_liberal')) ?? 0;
    for (const proxy of families) {
      proxy.options.dropInvalid = liberal === 0;
      if (proxy.family !== 'IPv4' || proxy.options.localhostNodePorts !== true) continue;
      const setting = 'net.ipv4.conf.all.route_localnet';
      if ((await deps.sysctl.get(setting)) !== 1) await deps.sysctl.set(setting, 1);
    }
  }

  /** Looks every sync period whether somebody has flushed the tables. */
  async function watchCanary(signal: AbortSignal): Promise<void> {
    for (;;) {
      await sleep(clock, syncPeriodMs, signal);
      if (signal.aborted) return;
      for (const { applier, family, lastFullMs } of families) {
        if (lastFullMs === 0 || (await applier.intact())) continue;
        log.warn({ family }, 'iptables rules were flushed, writing them anew');
        applier.invalidate();
        request();
      }
    }
  }

  async function serveHealthz(signal: AbortSignal): Promise<void> {
    const address = options.healthzBindAddress ?? '0.0.0.0:10256';
    if (address === '') return;
    const colon = address.lastIndexOf(':');
    const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
    while (!signal.aborted) {
      const server = createHealthServer('proxy healthz', healthHandler(tracker, nodeEligible), { log, clock });
      try {
        await listen(server, host === '' ? '::' : host, Number(address.slice(colon + 1)));
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        await closeServer(server);
      } catch (error) {
        // Upstream, too, goes on without (--bind-address-hard-fail=false) and tries again after 5 s.
        log.error(
          { error: error instanceof Error ? error.message : String(error) },
          `failed to start proxy healthz on ${address}`,
        );
        await sleep(clock, 5000, signal);
      }
    }
  }

  function relevantNodeChange(node: Node, previous?: Node): void {
    if (node.metadata.name === options.nodeName && node.metadata.labels?.[zoneLabel] !== previous?.metadata.labels?.[zoneLabel])
      request();
  }

  return {
    async run(signal) {
      const serving = serveHealthz(signal);
      for (const { family } of families) tracker.updated(family);
      await prepareKernel();
      // Rules from half a state would cut off the services that are not in the caches yet.
      const synced = Promise.all([services, endpointSlices, nodes].map((informer) => informer.untilSynced(signal)));
      const ready = await synced.then(
        () => true,
        () => false,
      );
      if (!ready || signal.aborted) return serving;
      const anyChange = { added: request, updated: request, deleted: request };
      const unsubscribe = [
        services.subscribe(anyChange),
        endpointSlices.subscribe(anyChange),
        nodes.subscribe({ added: (node) => relevantNodeChange(node), updated: relevantNodeChange }),
      ];
      request();
      try {
        await Promise.all([runner.run(signal), watchCanary(signal), serving]);
      } finally {
        for (const stop of unsubscribe) stop();
        await healthServers.close();
      }
    },
    rules(family = 'IPv4') {
      const rules = families.find((proxy) => proxy.family === family)?.rules;
      return rules === undefined ? '' : renderRuleset(rules);
    },
    history: () => records,
  };
}
