/**
 * The proxy of one address family. It turns the caches into a state, the state into rules of the backend, and deletes stale
 * conntrack entries.
 */

import type { Logger } from 'pino';
import type { Exec } from '#agent/host/exec.ts';
import { errorText } from '#api/error-text.ts';
import type { IpFamily } from '#api/ip.ts';
import type { Clock } from '#client/clock.ts';
import type { LeftOut } from '#client/left-out.ts';
import { type Applied, type Backend, fullSyncPeriodMs, RefusedError } from './backend.ts';
import { cleanStaleFlows, needsCleaning } from './conntrack.ts';
import { proxyMetrics } from './metrics.ts';
import { Quarantine } from './quarantine.ts';
import { portsDelta, type ServicePortState, type ServiceState, servicePortKey } from './state.ts';

/** A record of one sync, for operators. */
export interface SyncRecord extends Applied {
  family: IpFamily;
  /** Start of the sync, in milliseconds since the epoch. */
  atMs: number;
  /** Duration of the sync. */
  tookMs: number;
  /** Number of service ports. */
  services: number;
  /** Number of endpoints of all service ports. */
  endpoints: number;
  /** Set when the write failed. */
  error?: string;
}

interface FamilyProxyDeps {
  family: IpFamily;
  backend: Backend;
  /** Makes the state that the rules must have now. */
  observe(): Promise<ServiceState>;
  /** Is told at each sync which objects give no rules. */
  onLeftOut(objects: readonly LeftOut[]): void;
  /** Is called after each sync that changed something or failed. */
  onRecord(record: SyncRecord): void;
  exec: Exec;
  clock: Clock;
  log: Logger;
}

const maxSpoiled = 5;

/** Syncs the rules of one address family with the caches. */
export class FamilyProxy {
  readonly family: IpFamily;
  readonly #deps: FamilyProxyDeps;
  readonly #quarantine: Quarantine;
  #cleanedPorts: readonly ServicePortState[] = [];
  /** Whether flows may be stale. */
  #mustClean = false;
  #syncs = 0;
  /** How many comparisons in a row were spoiled by a sync. */
  #spoiled = 0;
  /** Settles when the last call of the backend has ended. Calls of a backend must not overlap. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(deps: FamilyProxyDeps) {
    this.#deps = deps;
    this.family = deps.family;
    this.#quarantine = new Quarantine(deps.clock, fullSyncPeriodMs);
  }

  /**
   * Brings the kernel's rules to the observed state. @returns the state that the rules have now; undefined when it failed (the
   * failure is logged)
   */
  async sync(): Promise<ServiceState | undefined> {
    const { clock, log, backend } = this.#deps;
    const startMs = clock.now();
    this.#syncs++;
    const state = this.#quarantine.without(await this.#deps.observe());
    this.#deps.onLeftOut(state.leftOut);
    try {
      const applied = await this.#inTurn(() => backend.apply(state));
      this.#measure(state, startMs, applied);
      if (applied.mode !== 'unchanged') this.#record(state, startMs, applied);
    } catch (error) {
      const message = errorText(error);
      log.error({ family: this.family, err: error }, 'Sync failed, to be retried');
      this.#record(state, startMs, { mode: 'full', chains: 0, error: message });
      if (!(error instanceof RefusedError) || error.ports.length === 0) return undefined;
      this.#quarantine.add(error.ports);
      return await this.sync();
    }
    await this.#cleanConntrack(state);
    return state;
  }

  /**
   * Whether the rules are still in place. When the kernel cannot be asked, the failure is logged and the answer is true: it is no
   * reason to write.
   */
  async intact(): Promise<boolean> {
    // Comparing takes long with many services. A change does not wait for it, but spoils it; it must succeed now and then.
    const syncs = this.#syncs;
    const intact = () => this.#deps.backend.intact();
    const result = await this.#ask(this.#spoiled < maxSpoiled ? intact : () => this.#inTurn(intact));
    this.#spoiled = this.#syncs === syncs || this.#spoiled >= maxSpoiled ? 0 : this.#spoiled + 1;
    return result;
  }

  /** Like {@link intact}, by {@link Backend.probe}. */
  probe(): Promise<boolean> {
    return this.#ask(() => this.#inTurn(() => this.#deps.backend.probe()));
  }

  async #ask(call: () => Promise<boolean>): Promise<boolean> {
    try {
      return await call();
    } catch (error) {
      this.#deps.log.warn({ family: this.family, err: error }, 'cannot look after the service rules');
      return true;
    }
  }

  #inTurn<T>(call: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(call);
    // The caller of `call` gets a failure. The next call only waits for this one to end.
    this.#turn = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  #measure({ ports }: ServiceState, startMs: number, { mode }: Applied): void {
    const family = { ip_family: this.family };
    const seconds = (this.#deps.clock.now() - startMs) / 1000;
    proxyMetrics.syncSeconds.observe(family, seconds);
    (mode === 'full' ? proxyMetrics.fullSyncSeconds : proxyMetrics.partialSyncSeconds).observe(family, seconds);
    proxyMetrics.lastSync.set(family, this.#deps.clock.now() / 1000);
    const without = { internal: 0, external: 0 };
    for (const { chosen, internalPolicyLocal, externalPolicyLocal, externallyAccessible } of ports) {
      if (!chosen.any || chosen.local.length > 0) continue;
      if (internalPolicyLocal) without.internal++;
      if (externalPolicyLocal && externallyAccessible) without.external++;
    }
    for (const policy of ['internal', 'external'] as const)
      proxyMetrics.noLocalEndpoints.set({ traffic_policy: policy, ...family }, without[policy]);
  }

  #record(state: ServiceState, atMs: number, result: Applied & { error?: string }): void {
    const endpoints = state.ports.reduce((sum, port) => sum + port.endpoints.length, 0);
    const tookMs = this.#deps.clock.now() - atMs;
    this.#deps.onRecord({ family: this.family, atMs, services: state.ports.length, endpoints, ...result, tookMs });
  }

  /** Runs only when endpoints of UDP or SCTP services have changed: listing the table is expensive on a busy node. */
  async #cleanConntrack(state: ServiceState): Promise<void> {
    const { exec, log, clock } = this.#deps;
    const { gone, fresh } = portsDelta(state, this.#cleanedPorts);
    this.#cleanedPorts = state.ports;
    const was = new Map(gone.filter(needsCleaning).map((port) => [servicePortKey(port), servingOf(port)]));
    this.#mustClean ||= fresh.some((port) => needsCleaning(port) && was.get(servicePortKey(port)) !== servingOf(port));
    if (!this.#mustClean) return;
    const startMs = clock.now();
    const family = { ip_family: this.family };
    try {
      const groups = await cleanStaleFlows(exec, state);
      this.#mustClean = false;
      proxyMetrics.conntrackDeleted.inc(family, groups);
      if (groups > 0) log.info({ family: this.family, groups }, 'stale conntrack entries of UDP and SCTP services deleted');
    } catch (error) {
      // It runs again at the next sync. TCP services do not depend on it.
      log.error({ family: this.family, err: error }, 'Failed to clean conntrack entries');
    }
    proxyMetrics.conntrackSeconds.observe(family, (clock.now() - startMs) / 1000);
  }
}

/** What decides which flows of a port are stale. */
const servingOf = ({ endpoints }: ServicePortState): string =>
  endpoints.flatMap(({ address, serving }) => (serving ? [address] : [])).join();
