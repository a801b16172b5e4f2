/** One address family of the proxy: what the caches hold becomes the state, the backend's rules, and conntrack entries to forget. */

import type { Logger } from 'pino';
import type { Exec } from '#agent/host/exec.ts';
import { errorText } from '#api/error-text.ts';
import type { IpFamily } from '#api/ip.ts';
import type { Clock } from '#client/clock.ts';
import type { LeftOut } from '#client/left-out.ts';
import { type Applied, type Backend, fullSyncPeriodMs, RefusedError } from './backend.ts';
import { cleanStaleFlows } from './conntrack.ts';
import { Quarantine } from './quarantine.ts';
import type { ServiceState } from './state.ts';

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

interface FamilyProxyDeps {
  family: IpFamily;
  backend: Backend;
  /** What is to be forwarded at this moment. */
  observe(): ServiceState;
  /** Told at each sync what no rules can be made of. */
  onLeftOut(objects: readonly LeftOut[]): void;
  /** Told of each sync that changed something or failed. */
  onRecord(record: SyncRecord): void;
  exec: Exec;
  clock: Clock;
  log: Logger;
}

export class FamilyProxy {
  readonly family: IpFamily;
  readonly #deps: FamilyProxyDeps;
  readonly #quarantine: Quarantine;
  #udpEndpoints = '';
  /** Ends with the call of the backend that was the last to begin: its calls must not overlap. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(deps: FamilyProxyDeps) {
    this.#deps = deps;
    this.family = deps.family;
    this.#quarantine = new Quarantine(deps.clock, fullSyncPeriodMs);
  }

  /** Brings the kernel to what is observed. @returns what stands there now; undefined when that failed, which is logged */
  async sync(): Promise<ServiceState | undefined> {
    const { clock, log, backend } = this.#deps;
    const startMs = clock.now();
    const state = this.#quarantine.without(this.#deps.observe());
    this.#deps.onLeftOut(state.leftOut);
    try {
      const applied = await this.#inTurn(() => backend.apply(state));
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

  /** Whether the rules still stand, as far as can be told: a kernel that does not answer is logged, and is no reason to write. */
  async intact(): Promise<boolean> {
    try {
      return await this.#inTurn(() => this.#deps.backend.intact());
    } catch (error) {
      this.#deps.log.warn({ family: this.family, err: error }, 'cannot look after the service rules');
      return true;
    }
  }

  #inTurn<T>(call: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(call);
    // Its caller hears of a failure; the next call only waits for its end.
    this.#turn = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  #record(state: ServiceState, atMs: number, result: Applied & { error?: string }): void {
    const endpoints = state.ports.reduce((sum, port) => sum + port.endpoints.length, 0);
    const tookMs = this.#deps.clock.now() - atMs;
    this.#deps.onRecord({ family: this.family, atMs, services: state.ports.length, endpoints, ...result, tookMs });
  }

  /** Only when endpoints of UDP services changed: listing the table is expensive on a busy node. */
  async #cleanConntrack(state: ServiceState): Promise<void> {
    const { exec, log } = this.#deps;
    const udp = state.ports.filter(({ protocol }) => protocol === 'udp');
    const udpEndpoints = JSON.stringify(
      udp.map((port) => [port.id, port.endpoints.map(({ address, serving }) => [address, serving])]),
    );
    if (udpEndpoints === this.#udpEndpoints) return;
    try {
      const groups = await cleanStaleFlows(exec, state);
      this.#udpEndpoints = udpEndpoints;
      if (groups > 0) log.info({ family: this.family, groups }, 'stale UDP conntrack entries deleted');
    } catch (error) {
      // Tried again with the next change; TCP services do not depend on it.
      log.error({ family: this.family, err: error }, 'Failed to clean conntrack entries');
    }
  }
}
