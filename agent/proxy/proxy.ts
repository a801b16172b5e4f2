/**
 * The node's service proxy (kube-proxy). It watches Services and EndpointSlices and keeps the kernel's rules in line with them. A
 * {@link Backend} writes the rules.
 *
 * Watches: Service, EndpointSlice, Node (its own).  Writes: the rules of its backend, conntrack.
 * Source: kubernetes.io, "Virtual IPs and Service Proxies".
 */
import { networkInterfaces } from 'node:os';
import type { Logger } from 'pino';
import type { Exec } from '#agent/host/exec.ts';
import type { Sysctl } from '#agent/host/sysctl.ts';
import { formatCidr, parseCidr, parseIp } from '#api/ip.ts';
import { zoneLabel } from '#api/node-labels.ts';
import type { EndpointSlice, Node, Service } from '#api/types.generated.ts';
import { type Clock, sleep } from '#client/clock.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import type { Informer } from '#client/informer.ts';
import type { LeftOutReporter } from '#client/left-out.ts';
import { inTurns } from '#client/turns.ts';
import { fullSyncPeriodMs } from './backend.ts';
import { backends, type ProxyMode, removeServiceRules } from './backends.ts';
import { ChangeMetrics } from './change-metrics.ts';
import { FamilyProxy, type SyncRecord } from './family-proxy.ts';
import { createHealthTracker, createServiceHealthServers } from './health.ts';
import { serveHealthz } from './healthz.ts';
import { proxyMetrics } from './metrics.ts';
import { nodePortAddresses } from './node-port-addresses.ts';
import { ServiceIndex } from './service-index.ts';
import { healthCheckServices } from './state.ts';
import { createSyncRunner } from './sync-runner.ts';

/** What the proxy works with. */
export interface ProxyDeps {
  services: Informer<Service>;
  endpointSlices: Informer<EndpointSlice>;
  /** The informer must have the proxy's own Node. Other Nodes are ignored. */
  nodes: Informer<Node>;
  exec: Exec;
  sysctl: Sysctl;
  clock: Clock;
  log: Logger;
  events: EventRecorder;
  /** Called for objects that cannot be used and therefore get no rules. */
  leftOut: LeftOutReporter;
}

/** Configuration of the proxy, by the names of kube-proxy's flags. */
export interface ProxyOptions {
  nodeName: string;
  /** The node's addresses, at most one per family. The proxy serves the families of these addresses. */
  nodeIps: readonly string[];
  /** `--proxy-mode`. Default iptables. */
  mode?: ProxyMode;
  /**
   * `--cluster-cidr`: one range, or one per family with a comma. Absent: traffic from outside the pod network is not masqueraded.
   */
  clusterCidr?: string | undefined;
  /** `--healthz-bind-address`. Default `0.0.0.0:10256`; empty: no health endpoint. */
  healthzBindAddress?: string;
  /** `--iptables-min-sync-period`. Default 1 s. */
  minSyncPeriodMs?: number;
  /**
   * `--iptables-sync-period`: interval of retries after a failure, and the longest one of checks whether the rules are in place. Default 30 s.
   */
  syncPeriodMs?: number;
  /** `--masquerade-all`. Default false. */
  masqueradeAll?: boolean;
  /** `--iptables-masquerade-bit`. Default 14. */
  masqueradeBit?: number;
  /** `--iptables-localhost-nodeports`. Default true. */
  localhostNodePorts?: boolean;
  /** `--nodeport-addresses`: ranges of the local addresses that serve node ports. Absent or empty: all local addresses. */
  nodePortAddresses?: readonly string[];
}

/** A proxy that {@link createProxy} has made. */
export interface Proxy {
  /** Runs until `signal` aborts. The rules stay, so that a restart interrupts no traffic. */
  run(signal: AbortSignal): Promise<void>;
  /** The last syncs that changed something or failed, oldest first. At most 100. */
  history(): readonly SyncRecord[];
}

const historyLength = 100;
/** How often the removal of other modes' rules is tried: their program may not be installed, and then there are none. */
const maxRemovals = 3;
const probeIntervalMs = 5000;
/** Between two comparisons of all rules lies this many times the time that the last one took, and at most {@link maxComparePauseMs}. */
const compareShare = 50;
const maxComparePauseMs = 120_000;
const autoscalerTaint = 'ToBeDeletedByClusterAutoscaler';

/** Makes a proxy. It starts with `run`. @throws Error when a node IP is no IP address */
export function createProxy(deps: ProxyDeps, options: ProxyOptions): Proxy {
  const { services, endpointSlices, nodes, clock, log, events } = deps;
  const syncPeriodMs = options.syncPeriodMs ?? 30_000;
  const records: SyncRecord[] = [];
  const ownMode = options.mode ?? 'iptables';
  let othersRemoved = false;
  let removals = 0;
  const changes = new ChangeMetrics(clock);
  const indexes: ServiceIndex[] = [];
  const families = options.nodeIps.map(familyProxy);
  const tracker = createHealthTracker(clock, 2 * syncPeriodMs);
  const healthServers = createServiceHealthServers(tracker, { log, clock }, reportHealthServerFailure);
  const runner = createSyncRunner(clock, syncAll, {
    minIntervalMs: options.minSyncPeriodMs ?? 1000,
    retryIntervalMs: syncPeriodMs,
    maxIntervalMs: fullSyncPeriodMs,
  });

  function familyProxy(nodeIpText: string): FamilyProxy {
    const ip = parseIp(nodeIpText);
    if (ip === undefined) throw new Error(`proxy: node IP "${nodeIpText}" is not an IP address`);
    const { family, text: nodeIp } = ip;
    const clusterCidrs = (options.clusterCidr ?? '').split(',').flatMap((text) => parseCidr(text.trim()) ?? []);
    const clusterCidr = clusterCidrs.find((cidr) => cidr.family === family);
    const warn = (message: string): void => log.warn({ family }, message);
    const index = new ServiceIndex({ family, nodeName: options.nodeName });
    indexes.push(index);
    const backend = backends[ownMode](
      { ...deps, warn },
      {
        ...options,
        family,
        nodeIp,
        clusterCidr: clusterCidr && formatCidr(clusterCidr),
        nodePortIps: () => nodePortAddresses(options.nodePortAddresses ?? [], family, localAddresses()),
      },
    );
    return new FamilyProxy({
      ...deps,
      family,
      backend,
      observe: () => {
        index.setZone(ownNode()?.metadata.labels?.[zoneLabel]);
        return inTurns(index.state());
      },
      onLeftOut: (objects) => deps.leftOut.report(`kube-proxy ${family}`, objects),
      onRecord: remember,
    });
  }

  function remember(record: SyncRecord): void {
    records.push(record);
    if (records.length > historyLength) records.shift();
    if (record.error === undefined) log.info(record, 'service rules written');
  }

  function reportHealthServerFailure(service: string, port: number, error: Error): void {
    const [namespace = '', name = ''] = service.split('/');
    const message = `node ${options.nodeName} failed to start healthcheck "${service}" on port ${port}: ${error.message}`;
    events.event({ apiVersion: 'v1', kind: 'Service', namespace, name }, 'Warning', 'FailedToStartServiceHealthcheck', message);
    log.error({ service, port, err: error }, 'Failed to start healthcheck');
  }

  function ownNode(): Node | undefined {
    return nodes.cache.get(options.nodeName);
  }

  function nodeEligible(): boolean {
    const node = ownNode();
    if (node === undefined || node.metadata.deletionTimestamp !== undefined) return false;
    return !(node.spec.taints ?? []).some(({ key }) => key === autoscalerTaint);
  }

  function request(): void {
    for (const { family } of families) {
      tracker.queued(family);
      proxyMetrics.lastQueued.set({ ip_family: family }, clock.now() / 1000);
    }
    runner.request();
  }

  /** Two modes at once would both translate. The rules of this one are written first, so that traffic goes on. */
  async function removeOtherModes(): Promise<void> {
    if (othersRemoved || removals >= maxRemovals) return;
    removals++;
    try {
      await removeServiceRules({ ...deps, warn: (message) => log.warn(message) }, (mode) => mode !== ownMode);
      othersRemoved = true;
    } catch (error) {
      log.warn({ err: error }, 'rules of another proxy mode are left, to be removed at the next sync');
    }
  }

  async function syncAll(): Promise<boolean> {
    let ok = true;
    changes.syncing();
    for (const family of families) {
      const state = await family.sync();
      ok &&= state !== undefined;
      if (state === undefined) continue;
      tracker.updated(family.family);
      changes.synced(family.family);
      // Health is counted over both families, so the state of one family is enough.
      if (family === families[0]) await healthServers.sync(healthCheckServices(state));
    }
    if (ok) await removeOtherModes();
    else changes.failed();
    return ok;
  }

  /**
   * Looks every few seconds whether another program has removed rules. The whole comparison costs in proportion to the number of services, so it
   * comes the less often the longer it takes; a flushed table is seen by the probe.
   */
  async function watchRules(signal: AbortSignal): Promise<void> {
    let comparedMs = clock.now();
    let pauseMs = probeIntervalMs;
    for (;;) {
      await sleep(clock, Math.min(probeIntervalMs, syncPeriodMs), signal);
      if (signal.aborted) return;
      const compares = clock.now() - comparedMs >= pauseMs;
      const startMs = clock.now();
      for (const family of families) {
        if (await (compares ? family.intact() : family.probe())) continue;
        log.warn({ family: family.family }, 'service rules were changed by others, writing them anew');
        request();
      }
      if (!compares) continue;
      comparedMs = clock.now();
      pauseMs = Math.max(probeIntervalMs, Math.min(maxComparePauseMs, compareShare * (comparedMs - startMs)));
    }
  }

  function relevantNodeChange(node: Node, previous?: Node): void {
    if (node.metadata.name === options.nodeName && node.metadata.labels?.[zoneLabel] !== previous?.metadata.labels?.[zoneLabel])
      request();
  }

  function subscribeAll(): (() => void)[] {
    const tell = (change: (index: ServiceIndex) => void): void => {
      for (const index of indexes) change(index);
      request();
    };
    const setService = (service: Service): void => {
      changes.service();
      tell((index) => index.setService(service));
    };
    const setSlice = (slice: EndpointSlice, previous?: EndpointSlice): void => {
      changes.slice(slice, previous);
      tell((index) => index.setSlice(slice, previous));
    };
    return [
      services.subscribe({
        added: setService,
        updated: setService,
        deleted: (service) => tell((index) => index.deleteService(service)),
      }),
      endpointSlices.subscribe({
        added: (slice) => setSlice(slice),
        updated: setSlice,
        deleted: (slice) => tell((index) => index.deleteSlice(slice)),
      }),
      nodes.subscribe({ added: (node) => relevantNodeChange(node), updated: relevantNodeChange }),
    ];
  }

  return {
    async run(signal) {
      const bindAddress = options.healthzBindAddress ?? '0.0.0.0:10256';
      const serving = serveHealthz({ bindAddress, tracker, nodeEligible }, { log, clock }, signal);
      for (const { family } of families) tracker.updated(family);
      // Waits for all caches: rules from half of the objects would cut off the services that are not in the caches yet.
      const synced = Promise.all([services, endpointSlices, nodes].map((informer) => informer.untilSynced(signal)));
      const ready = await synced.then(
        () => true,
        () => false,
      );
      if (!ready || signal.aborted) return serving;
      const unsubscribe = subscribeAll();
      request();
      try {
        await Promise.all([runner.run(signal), watchRules(signal), serving]);
      } finally {
        for (const stop of unsubscribe) stop();
        await healthServers.close();
      }
    },
    history: () => records,
  };
}

const localAddresses = (): string[] =>
  Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address));
