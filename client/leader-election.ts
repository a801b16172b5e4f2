/**
 * Leader election: of several replicas only the one that holds a Lease does the work.
 *
 *     waiting ──(lease free or not renewed for its duration)──▶ leading ──(not renewed within the deadline)──▶ lost
 *        ▲ │                                                       │
 *        └─┘ held by another                                       └──(stopped)──▶ released
 *
 * Source: client-go `tools/leaderelection`: 15 s lease, 10 s renew deadline, 2 s retry. Whether a lease has run out is
 * measured on this process's own clock from when its last change was seen; clocks of other machines do not matter.
 */

import type { Logger } from 'pino';
import { rfc3339Micro } from '#api/meta.ts';
import { isNotFound } from '#api/status.ts';
import type { Lease, LeaseSpec } from '#api/types.generated.ts';
import type { Client } from './client.ts';
import type { Clock } from './clock.ts';
import { sleep, within } from './clock.ts';

/** The dependencies of leader election. */
export interface LeaderElectionDeps {
  client: Client;
  clock: Clock;
  log: Logger;
  /** In [0, 1): spreads the tries of several replicas. */
  random: () => number;
  /** Callbacks for metrics and events. */
  observer?: LeaderElectionObserver;
}

/** The observable state of an election. */
export interface LeaderElectionObserver {
  /** This process has begun, or stopped, to lead. */
  leading(isLeader: boolean): void;
  /** The leader had to read its Lease before it could renew it: somebody else has written it, or an answer was lost. */
  slowPath(): void;
}

/** Which Lease, who asks for it, and the times. Source of the defaults: client-go `tools/leaderelection`. */
export interface LeaderElectionOptions {
  /** `kube-system`/`kube-controller-manager`. */
  namespace: string;
  name: string;
  /** Unique to this process: `<hostname>_<uuid>`. */
  identity: string;
  leaseDurationMs?: number;
  renewDeadlineMs?: number;
  retryPeriodMs?: number;
}

/**
 * Waits to become the leader, then runs `lead` until `signal` aborts or the lease is lost; `lead`'s own signal tells it.
 * Settles after `lead` has. An orderly end gives the lease up, so that the next one need not wait for it to run out.
 * @returns whether it was stopped, or lost the lease (then the caller tries again, or exits as upstream does)
 */
export async function runLeaderElected(
  deps: LeaderElectionDeps,
  options: LeaderElectionOptions,
  lead: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<'stopped' | 'lost'> {
  const lock = new LeaseLock(deps, options);
  const { retryPeriodMs = 2000, renewDeadlineMs = 10_000 } = options;
  const lease = `${options.namespace}/${options.name}`;
  if (signal.aborted) return 'stopped';
  for (;;) {
    const attempt = lock.tryAcquireOrRenew();
    // A try that hangs is followed by another one.
    if ((await within(deps.clock, renewDeadlineMs, attempt, signal)) && (await attempt) === 'held') break;
    await sleep(deps.clock, retryPeriodMs * (1 + deps.random() * 0.2), signal);
    if (signal.aborted) return 'stopped';
  }
  deps.log.info({ lease, identity: options.identity }, 'became the leader');
  deps.observer?.leading(true);
  const leading = new AbortController();
  const work = lead(AbortSignal.any([signal, leading.signal])).finally(() => leading.abort());
  // The await below reports its failure. Until then a renewal may be under way.
  work.catch(() => undefined);
  const until = AbortSignal.any([signal, leading.signal]);
  /** Since when it is tried in vain; a process that stood still may try as long as any other. */
  let tryingSinceMs: number | undefined;
  let lost = false;
  while (!until.aborted) {
    await sleep(deps.clock, retryPeriodMs, until);
    if (until.aborted) break;
    tryingSinceMs ??= deps.clock.monotonic();
    const remainingMs = tryingSinceMs + renewDeadlineMs - deps.clock.monotonic();
    const renewal = lock.tryAcquireOrRenew();
    // A renewal that hangs counts as failed: once the lease has run out another replica may lead, even when the server does not answer this one.
    const state = (await within(deps.clock, remainingMs, renewal)) ? await renewal : 'failed';
    if (state === 'held') tryingSinceMs = undefined;
    // If another process holds the lease, the leadership is lost already. (Upstream's leader continues until its deadline.)
    else if (state === 'others' || deps.clock.monotonic() - tryingSinceMs >= renewDeadlineMs) {
      deps.log.error({ lease }, 'lost the lease');
      lost = true;
      leading.abort();
    }
  }
  try {
    await work;
  } finally {
    deps.observer?.leading(false);
    if (!lost) await within(deps.clock, renewDeadlineMs, lock.release());
  }
  return lost ? 'lost' : 'stopped';
}

/** `held`: by this process, until the lease expires; `others`: held by another process; `failed`: unknown. */
type LockState = 'held' | 'others' | 'failed';

class LeaseLock {
  readonly #deps: LeaderElectionDeps;
  readonly #options: LeaderElectionOptions;
  #observed: { resourceVersion: string; atMs: number } | undefined;
  /** The Lease as this process has written it last. */
  #mine: Lease | undefined;

  constructor(deps: LeaderElectionDeps, options: LeaderElectionOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  async tryAcquireOrRenew(): Promise<LockState> {
    const { log, observer } = this.#deps;
    const lease = `${this.#options.namespace}/${this.#options.name}`;
    if (this.#mine !== undefined) {
      try {
        // Nobody else writes the Lease while it is held: most renewals need no read.
        await this.#update(this.#mine);
        return 'held';
      } catch (error) {
        this.#mine = undefined;
        observer?.slowPath();
        log.debug({ err: error, lease }, 'the lease could not be renewed without a read');
      }
    }
    try {
      const held = await this.#read();
      if (held === undefined) {
        await this.#create();
        return 'held';
      }
      if (this.#isOthers(held)) return 'others';
      await this.#update(held);
      return 'held';
    } catch (error) {
      log.warn({ err: error, lease }, 'the lease could not be taken or renewed');
      return 'failed';
    }
  }

  async release(): Promise<void> {
    const { client, clock, log } = this.#deps;
    this.#mine = undefined;
    try {
      const held = await this.#read();
      if (held?.spec?.holderIdentity !== this.#options.identity) return;
      const now = rfc3339Micro(clock.now());
      await this.#leases(client).update({
        ...held,
        spec: { ...held.spec, holderIdentity: '', leaseDurationSeconds: 1, acquireTime: now, renewTime: now },
      });
    } catch (error) {
      log.warn({ err: error }, 'the lease could not be released; it runs out by itself');
    }
  }

  #leases(client: Client): ReturnType<typeof client.resource<'leases.coordination.k8s.io'>> {
    return client.resource('leases.coordination.k8s.io');
  }

  async #read(): Promise<Lease | undefined> {
    const { namespace, name } = this.#options;
    try {
      return await this.#leases(this.#deps.client).get({ namespace, name });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Whether another holds it and has renewed it within the lease's duration, as far as this process has seen. */
  #isOthers({ metadata, spec }: Lease): boolean {
    const nowMs = this.#deps.clock.monotonic();
    if (this.#observed?.resourceVersion !== metadata.resourceVersion)
      this.#observed = { resourceVersion: metadata.resourceVersion, atMs: nowMs };
    const holder = spec?.holderIdentity ?? '';
    if (holder === '' || holder === this.#options.identity) return false;
    return nowMs - this.#observed.atMs < (spec?.leaseDurationSeconds ?? 15) * 1000;
  }

  async #create(): Promise<void> {
    const { namespace, name } = this.#options;
    this.#mine = await this.#leases(this.#deps.client).create({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { namespace, name },
      spec: this.#record(undefined),
    });
  }

  async #update(held: Lease): Promise<void> {
    const updated = await this.#leases(this.#deps.client).update({ ...held, spec: this.#record(held.spec) });
    this.#observed = { resourceVersion: updated.metadata.resourceVersion, atMs: this.#deps.clock.monotonic() };
    this.#mine = updated;
  }

  #record(previous: LeaseSpec | undefined): LeaseSpec {
    const { identity, leaseDurationMs = 15_000 } = this.#options;
    const now = rfc3339Micro(this.#deps.clock.now());
    const mine = previous?.holderIdentity === identity;
    const transitions = previous?.leaseTransitions ?? 0;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.round(leaseDurationMs / 1000),
      acquireTime: mine ? previous.acquireTime : now,
      renewTime: now,
      // How often the holder has changed. The first holder counts as no change.
      leaseTransitions: mine || previous === undefined ? transitions : transitions + 1,
    };
  }
}
